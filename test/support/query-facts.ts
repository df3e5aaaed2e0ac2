// What the query API answers, compared with the truth of a simulated audience. Expected figures are summed up here from the
// truth, a millisecond or a viewer at a time; only the startup histogram's definition is shared (schemas/rollup.ts).
import assert from 'node:assert/strict';
import type { Arrival } from '../../infra/cli/audience/catalog.ts';
import { SHORT_VIDEOS } from '../../infra/cli/audience/catalog.ts';
import type { DeliveryPlan } from '../../infra/cli/audience/delivery.ts';
import { STARTUP_CELLS, startupCellOf, startupQuantileMs } from '../../schemas/rollup.ts';
import { type ExpectedSession, expectedSessions, type SessionFacts, sortErrors } from './oracle.ts';
import type { TestSystem } from './system.ts';

type Json = Record<string, unknown>;

/** GET with the system's read key; anything but 200 fails with the problem's text. */
export async function ask(system: Pick<TestSystem, 'query' | 'readKey'>, path: string): Promise<Json> {
  const response = await fetch(`${system.query}${path}`, { headers: { authorization: `Bearer ${system.readKey}` } });
  const text = await response.text();
  assert.equal(response.status, 200, `${path}: ${response.status} ${text.slice(0, 500)}`);
  return JSON.parse(text) as Json;
}

function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

/** Every session by its own address: figures, sections, quality and evidence. */
export async function compareSessions(system: TestSystem, expected: ReadonlyMap<string, ExpectedSession>): Promise<void> {
  const bySession = grouped(expected.values(), ({ facts }) => facts.session);
  for (const [session, wanted] of bySession) {
    const { data } = (await ask(system, `/v1/sessions/${session}`)) as { data: Json[] };
    assert.equal(data.length, wanted.length, `${session}: ${JSON.stringify(data).slice(0, 300)}`);
    for (const one of wanted) {
      const entry = data.find((candidate) => candidate['video'] === one.facts.video);
      assert.ok(entry, `${session} has ${one.facts.video}`);
      compareEntry(entry, one.facts);
    }
  }
}

function compareEntry(entry: Json, facts: SessionFacts): void {
  const startedAt = Date.parse(entry['startedAt'] as string);
  const sections = (entry['sections'] as Json[]).map((section) => ({
    fromMs: section['fromMs'],
    toMs: section['toMs'],
    startedAt: Date.parse(section['startedAt'] as string) - startedAt,
    rate: section['rate'],
  }));
  const wantedSections = facts.sections.map(({ fromMs, toMs, startedAt: at, rateMilli }) => ({
    fromMs,
    toMs,
    startedAt: at,
    rate: rateMilli / 1000,
  }));
  const where = `${facts.session}/${facts.video}`;
  assert.deepEqual(sections, wantedSections, `${where} sections`);
  assert.equal(entry['state'], 'sealed', where);
  assert.equal(Date.parse(entry['endedAt'] as string) - startedAt, facts.spanMs, `${where} span`);
  for (const name of EQUAL_FIGURES) if (name in entry) assert.equal(entry[name], facts[name], `${where} ${name}`);
  for (const name of REQUIRED_FIGURES) assert.ok(name in entry, `${where} has ${name}`);
  assert.equal(entry['startupMs'] ?? -1, facts.startupMs, `${where} startupMs`);
  assert.equal((entry['evidence'] as Json)['received'], facts.received, `${where} received`);
  if ('errors' in entry) assert.deepEqual(sortErrors(entry['errors'] as SessionFacts['errors']), facts.errors, `${where} errors`);
}

const REQUIRED_FIGURES = [
  'attempts',
  'plays',
  'uniqueWatchMs',
  'totalWatchMs',
  'completions',
  'stalls',
  'stallMs',
  'startFailures',
  'playbackFailures',
  'exitsBeforeStart',
] as const;
const EQUAL_FIGURES = [...REQUIRED_FIGURES, 'seeks', 'switchesUp', 'switchesDown'] as const;

/** The figure block of a set of sessions, from the truth. */
function blockOf(sessions: readonly SessionFacts[]): Json {
  const sum = (name: (typeof REQUIRED_FIGURES)[number]): number => sessions.reduce((total, facts) => total + facts[name], 0);
  const startups = new Array<number>(STARTUP_CELLS).fill(0);
  for (const { startupMs } of sessions)
    if (startupMs >= 0) startups[startupCellOf(startupMs)] = (startups[startupCellOf(startupMs)] as number) + 1;
  const block: Json = Object.fromEntries(REQUIRED_FIGURES.map((name) => [name, sum(name)]));
  const stalled = sum('stallMs');
  const played = sum('totalWatchMs');
  block['averageWatchMs'] = sum('plays') === 0 ? null : Math.round(played / sum('plays'));
  block['startupMs'] = { median: startupQuantileMs(startups, 0.5) ?? null, p95: startupQuantileMs(startups, 0.95) ?? null };
  block['rebufferRatio'] = stalled + played === 0 ? null : stalled / (stalled + played);
  return block;
}

function compareBlock(actual: Json, sessions: readonly SessionFacts[], where: string): void {
  for (const [name, value] of Object.entries(blockOf(sessions))) assert.deepEqual(actual[name], value, `${where}: ${name}`);
}

const factsOf = (plans: readonly DeliveryPlan[]): SessionFacts[] => [...expectedSessions(plans).values()].map(({ facts }) => facts);

/** Plays in total, by video, for one video at a time, and for sessions that watched long enough. */
export async function comparePlays(system: TestSystem, plans: readonly DeliveryPlan[]): Promise<void> {
  const all = factsOf(plans);
  compareBlock((await ask(system, '/v1/plays'))['data'] as Json, all, 'total');
  const groups = (await ask(system, '/v1/plays?groupBy=video'))['data'] as Json[];
  for (const { id } of SHORT_VIDEOS) {
    const sessions = all.filter((facts) => facts.video === id);
    compareBlock(groups.find((group) => group['value'] === id) as Json, sessions, `group ${id}`);
    compareBlock((await ask(system, `/v1/plays?video=${id}`))['data'] as Json, sessions, `video ${id}`);
  }
  for (const minWatchMs of [1, 10_000, 12_345]) {
    const sessions = all.filter((facts) => facts.totalWatchMs >= minWatchMs);
    compareBlock((await ask(system, `/v1/plays?minWatchMs=${minWatchMs}`))['data'] as Json, sessions, `minWatchMs ${minWatchMs}`);
  }
  const hours = (await ask(system, '/v1/plays?granularity=day'))['data'] as Json[];
  for (const name of REQUIRED_FIGURES) {
    const total = hours.reduce((sum, bucket) => sum + (bucket[name] as number), 0);
    assert.equal(total, blockOf(all)[name], `sum of days: ${name}`);
  }
}

/** Engagement of every video: from rollups (100 ranges), and from rows (other cuts), each range counted from the truth. */
export async function compareEngagement(system: TestSystem, plans: readonly DeliveryPlan[]): Promise<void> {
  const all = factsOf(plans);
  for (const { id, durationMs } of SHORT_VIDEOS) {
    const sessions = all.filter((facts) => facts.video === id);
    const plays = sessions.reduce((sum, facts) => sum + facts.plays, 0);
    for (const cut of ['ranges=100', 'ranges=37', 'resolutionMs=1000']) {
      const answer = await ask(system, `/v1/engagement?video=${id}&${cut}`);
      assert.equal(answer['durationMs'], durationMs);
      compareBlock(answer['totals'] as Json, sessions, `engagement of ${id}`);
      const ranges = answer['data'] as { fromMs: number; toMs: number; plays: number; watches: number; rewatches: number; share: number }[];
      assert.equal(ranges[0]?.fromMs, 0);
      assert.equal(ranges.at(-1)?.toMs, durationMs);
      for (const range of ranges) {
        const runs = sessions.map((facts) => runsWithin(facts, range.fromMs, range.toMs));
        const watched = runs.filter((count) => count > 0).length;
        const watches = runs.reduce((sum, count) => sum + count, 0);
        const wanted = { ...range, plays: watched, watches, rewatches: watches - watched, share: watched / plays };
        assert.deepEqual(range, wanted, `${id} ${cut} ${range.fromMs}`);
      }
    }
  }
}

/** How often a session played any part of [fromMs, toMs): its contiguous runs that touch it. */
function runsWithin(facts: SessionFacts, fromMs: number, toMs: number): number {
  return new Set(facts.sections.filter((section) => section.fromMs < toMs && section.toMs > fromMs).map(({ run }) => run)).size;
}

/** Source and medium that a referrer of the catalogue stands for. */
const KNOWN_REFERRERS: Readonly<Record<string, [source: string, medium: string]>> = {
  '': ['', ''],
  'https://www.google.com/': ['Google', 'search'],
  'https://duckduckgo.com/': ['DuckDuckGo', 'search'],
  'https://www.bing.com/': ['Bing', 'search'],
  'https://t.co/': ['X', 'social'],
  'https://www.facebook.com/': ['Facebook', 'social'],
  'https://news.example.net/coffee': ['news.example.net', 'referral'],
};

function trafficOf({ referrer, query }: Arrival): string {
  const campaign = new URLSearchParams(query);
  const [source, medium] = KNOWN_REFERRERS[referrer] as [string, string];
  return [campaign.get('utm_source') ?? source, campaign.get('utm_medium') ?? medium, campaign.get('utm_campaign') ?? ''].join(' / ');
}

/** Sources, media and campaigns. */
export async function compareSources(system: TestSystem, plans: readonly DeliveryPlan[]): Promise<void> {
  const arrivals = new Map(plans.map(({ viewing }) => [viewing.viewer.session, trafficOf(viewing.viewer.arrival)]));
  const wanted = grouped(factsOf(plans), (facts) => arrivals.get(facts.session) as string);
  const { data } = (await ask(system, '/v1/sources?limit=1000')) as { data: Json[] };
  const actual = new Map(data.map((row) => [[row['source'], row['medium'], row['campaign']].join(' / '), row]));
  assert.deepEqual([...actual.keys()].sort(), [...wanted.keys()].sort());
  for (const [traffic, sessions] of wanted) compareBlock(actual.get(traffic) as Json, sessions, traffic);
}

/** The timeline of the first viewings: every delivered event once, in folded order, with its copies counted. */
export async function compareTimelines(system: TestSystem, plans: readonly DeliveryPlan[], viewings: number): Promise<void> {
  for (const plan of plans.slice(0, viewings)) {
    const { viewer, events } = plan.viewing;
    const { data } = (await ask(system, `/v1/sessions/${viewer.session}/events?limit=1000`)) as { data: Json[] };
    const wanted = plan.promptIndexes.map((index) => {
      const reported = events[index] as (typeof events)[number];
      const { seq, type, positionMs } = reported.event;
      return { seq, type, video: reported.video, positionMs: positionMs ?? null, late: false };
    });
    const told = data.map(({ seq, type, video, positionMs, late }) => ({ seq, type, video, positionMs: positionMs ?? null, late }));
    assert.deepEqual(told, wanted, viewer.session);
    const copies = plan.deliveries.filter(({ copy }) => copy > 0).reduce((sum, { eventIndexes }) => sum + eventIndexes.length, 0);
    const counted = data.reduce((sum, event) => sum + (event['duplicates'] as number), 0);
    assert.ok(counted >= copies, `${viewer.session}: ${counted} copies told, ${copies} sent`);
  }
}

/** Custom events by name, and what they carry. */
export async function compareCustomEvents(system: TestSystem, plans: readonly DeliveryPlan[]): Promise<void> {
  const all = factsOf(plans).flatMap(({ session, video, customEvents }) =>
    customEvents.map(({ name, positionMs, data }) => JSON.stringify({ session, video, name, positionMs, data })),
  );
  const told: string[] = [];
  for (let cursor = ''; ; ) {
    const answer = (await ask(system, `/v1/events?limit=100${cursor}`)) as { data: Json[]; next?: string };
    for (const { session, video, name, positionMs, data } of answer.data)
      told.push(JSON.stringify({ session, video, name, positionMs, data }));
    if (answer.next === undefined) break;
    cursor = `&cursor=${encodeURIComponent(answer.next)}`;
  }
  assert.deepEqual(told.sort(), all.sort());
}
