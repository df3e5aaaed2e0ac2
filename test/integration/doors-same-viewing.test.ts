// One viewing told through every door: what each protocol says of it, each as coarsely as it does, gives the same session within what that
// coarseness allows. Prints one table; the same table stands in docs/doors/README.md.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/audience-run.ts';
import { type ClockedGateway, startClockedGateway } from '../support/clocked-gateway.ts';
import { VOICES, type Voice } from '../support/door-voices.ts';
import { startSystem, type TestSystem } from '../support/system.ts';
import { liveViewing, type Stretch } from '../support/viewing-truth.ts';

const PAGE = new URL('../../docs/doors/README.md', import.meta.url);
const BEGIN = '<!-- same viewing: begin -->';
const END = '<!-- same viewing: end -->';
const truth = liveViewing();

type Figures = { plays: number; uniqueWatchMs: number; totalWatchMs: number };
type Detail = Figures & {
  session: string;
  sections: Stretch[];
  startupMs: number | null;
  stalls: number;
  stallMs: number;
  seeks: number;
  source: string;
  medium: string;
  campaign: string;
  completions: number;
  startedAt: string;
};
type Answer = { voice: Voice; plays: Figures; detail: Detail };

/** Sections that go on where the one before stopped are one stretch. */
function stretchesOf(sections: readonly Stretch[]): Stretch[] {
  const stretches: Stretch[] = [];
  for (const { fromMs, toMs } of sections) {
    const last = stretches.at(-1);
    if (last !== undefined && Math.abs(fromMs - last.toMs) <= 1_000) last.toMs = Math.max(last.toMs, toMs);
    else stretches.push({ fromMs, toMs });
  }
  return stretches;
}

/** What can be known of the viewing: all of it, or from one mark to the next where nobody jumped between them. */
function knowable({ marksOf }: Voice): readonly Stretch[] {
  if (marksOf === undefined) return truth.stretches;
  const marks = marksOf(truth);
  const seen: Stretch[] = [];
  for (const { fromMs, toMs } of truth.stretches) {
    const passed = marks.filter((mark) => fromMs <= mark && mark <= toMs);
    if (passed.length > 1) seen.push({ fromMs: passed[0] as number, toMs: passed.at(-1) as number });
  }
  return seen;
}

/** The most that a total can be short of, or beyond, the truth at a door. */
function toleranceMs(voice: Voice): { short: number; beyond: number } {
  const { stepMs, beforeSeekMs, afterSeekMs } = voice.resolution;
  const stretches = knowable(voice);
  const rounding = stepMs === 1 ? 0 : stepMs * stretches.length;
  const untold = truth.totalMs - stretches.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  return { short: truth.seeks * (beforeSeekMs + afterSeekMs) + rounding + untold, beyond: rounding };
}

const s = (ms: number): string => (ms / 1_000).toFixed(1);
const listed = (stretches: readonly Stretch[]): string => stretches.map(({ fromMs, toMs }) => `${s(fromMs)}-${s(toMs)}`).join(', ');

function rowOf({ voice, plays, detail }: Answer): string[] {
  const { says } = voice.resolution;
  const said = (what: (typeof says)[number], text: string): string => (says.includes(what) ? text : '-');
  const { short, beyond } = toleranceMs(voice);
  const fine = (ms: number): string => (ms < 1_000 ? (ms / 1_000).toFixed(2) : s(ms));
  const off = beyond === 0 ? (short === 0 ? '0' : `-${fine(short)}`) : `-${fine(short)} / +${fine(beyond)}`;
  return [
    voice.door,
    voice.tells,
    said('watching', String(plays.plays)),
    said('watching', listed(stretchesOf(detail.sections))),
    said('watching', s(plays.uniqueWatchMs)),
    said('watching', s(plays.totalWatchMs)),
    said('watching', off),
    said('startup', s(detail.startupMs ?? -1)),
    said('stalls', `${detail.stalls} (${s(detail.stallMs)})`),
    said('seeks', String(detail.seeks)),
    said('source', `${detail.source} / ${detail.medium} / ${detail.campaign}`),
  ];
}

function tableOf(answers: readonly Answer[]): string {
  const head = ['door', 'tells', 'plays', 'seen', 'unique', 'total', 'may differ by', 'startup', 'stalls', 'seeks', 'source'];
  const { stretches, uniqueMs, totalMs, startupMs, stalls, stallMs, seeks } = truth;
  const was = [
    '**as it was**',
    '',
    '1',
    listed(stretches),
    s(uniqueMs),
    s(totalMs),
    '',
    s(startupMs),
    `${stalls} (${s(stallMs)})`,
    String(seeks),
  ];
  const rows = [head, head.map(() => '---'), [...was, 'newsletter / email / spring'], ...answers.map(rowOf)];
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

describe('the same viewing through every door', { timeout: 240_000 }, () => {
  let system: TestSystem;
  let gateway: ClockedGateway;
  const baseAt = Date.now() - 10 * 60_000;
  const tick = VOICES.find(({ door }) => door === 'Microticks') as Voice;

  const ask = async <T>(path: string): Promise<T> => {
    const answer = await fetch(system.query + path, { headers: { authorization: `Bearer ${system.adminKey}` } });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${path}: ${text}`);
    return (JSON.parse(text) as { data: T }).data;
  };
  async function answerOf(voice: Voice): Promise<Answer> {
    const video = encodeURIComponent(voice.video);
    const [session, ...more] = await ask<Detail[]>(`/v1/sessions?video=${video}`);
    assert.ok(session !== undefined && more.length === 0, `${voice.door}: ${more.length + (session === undefined ? 0 : 1)} sessions`);
    const details = await ask<(Detail & { video: string })[]>(`/v1/sessions/${session.session}`);
    const detail = details.find((each) => each.video === voice.video) as Detail;
    const plays = await ask<Figures>(`/v1/plays?video=${video}`);
    assert.deepEqual([plays.plays, plays.uniqueWatchMs, plays.totalWatchMs], [detail.plays, detail.uniqueWatchMs, detail.totalWatchMs]);
    return { voice, plays, detail };
  }

  before(async () => {
    system = await startSystem({ partitions: 4, services: ['processor', 'query-api'] });
    gateway = await startClockedGateway(system, baseAt);
    const known = await fetch(`${system.query}/v1/videos/${VOICES.find(({ door }) => door === 'PeerTube')?.video}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${system.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ durationMs: 300_000, live: false }),
    });
    assert.equal(known.status, 200, await known.text());
    const target = { url: gateway.url, writeKey: system.writeKey, baseAt };
    const sayings = VOICES.flatMap((voice) => voice.sayings(truth, target)).sort((a, b) => a.atMs - b.atMs);
    for (const { atMs, send } of sayings) {
      gateway.set(baseAt + atMs);
      await send();
    }
    const sealed = async (): Promise<boolean> => (await ask<{ state: string }[]>('/v1/sessions')).every(({ state }) => state === 'sealed');
    // What a socket says is not answered: its last word is in the log once the session has its end.
    type Listed = { protocol: string; endedAt: string };
    const socketsEnded = async (): Promise<boolean> => {
      const ends = (await ask<Listed[]>('/v1/sessions?filter=protocol:mave_socket')).map(({ endedAt }) => Date.parse(endedAt));
      return ends.length === 2 && ends.every((end) => end === baseAt + truth.endsAtMs);
    };
    await eventually(socketsEnded, async () => JSON.stringify(await ask('/v1/sessions')), 30_000);
    await system.closeAll();
    await eventually(sealed, async () => JSON.stringify(await ask('/v1/sessions')), 30_000);
  });
  after(async () => {
    await gateway?.stop();
    await system?.stop();
  });

  for (const voice of VOICES.filter((each) => each !== tick)) {
    it(`${voice.door}: ${voice.tells}`, async () => {
      const { plays, detail } = await answerOf(voice);
      const { stepMs, beforeSeekMs, afterSeekMs, seeksTwice = 0, says } = voice.resolution;
      const { short, beyond } = toleranceMs(voice);
      assert.equal(plays.plays, 1);
      const within = (got: number, was: number, what: string): void =>
        assert.ok(got >= was - short && got <= was + beyond, `${what}: ${got} instead of ${was}, -${short} +${beyond}`);
      within(plays.totalWatchMs, truth.totalMs, 'total');
      within(plays.uniqueWatchMs, truth.uniqueMs, 'unique');
      const expected = knowable(voice);
      const seen = stretchesOf(detail.sections);
      assert.equal(seen.length, expected.length, listed(seen));
      const slack = stepMs === 1 ? 0 : stepMs;
      seen.forEach(({ fromMs, toMs }, i) => {
        const was = expected[i] as Stretch;
        assert.ok(fromMs >= was.fromMs - slack && fromMs <= was.fromMs + afterSeekMs + slack, `from ${fromMs} instead of ${was.fromMs}`);
        assert.ok(toMs >= was.toMs - beforeSeekMs - slack && toMs <= was.toMs + slack, `to ${toMs} instead of ${was.toMs}`);
      });
      assert.equal(detail.completions, 1);
      if (says.includes('startup')) assert.equal(detail.startupMs, truth.startupMs);
      if (says.includes('stalls')) assert.deepEqual([detail.stalls, detail.stallMs], [truth.stalls, truth.stallMs]);
      else assert.equal(detail.stalls, 0);
      if (says.includes('seeks'))
        assert.ok(detail.seeks >= truth.seeks && detail.seeks <= truth.seeks + seeksTwice, `${detail.seeks} seeks`);
      if (says.includes('source')) assert.deepEqual([detail.source, detail.medium, detail.campaign], ['newsletter', 'email', 'spring']);
    });
  }

  it('Microticks: the actions and the length of the session, and no watch time from a protocol that tells none', async () => {
    const sessions = await ask<(Detail & { endedAt: string; protocol: string })[]>('/v1/sessions?filter=protocol:microticks');
    assert.equal(sessions.length, 1);
    const [session] = sessions;
    assert.deepEqual(
      [session?.startedAt, session?.endedAt].map((text) => Date.parse(text ?? '')),
      [baseAt, baseAt + truth.endsAtMs],
    );
    assert.deepEqual([session?.plays, session?.totalWatchMs], [0, 0]);
    const events = await ask<{ type: string; name?: string; at: string }[]>(`/v1/sessions/${session?.session}/events`);
    assert.deepEqual(
      events.filter(({ type }) => type === 'custom').map(({ name, at }) => [name, Date.parse(at) - baseAt]),
      truth.moments.map(({ kind, atMs }) => [kind, atMs]),
    );
  });

  it('gives one table, and docs/doors/README.md shows it', async () => {
    const answers: Answer[] = [];
    for (const voice of VOICES.filter((each) => each !== tick)) answers.push(await answerOf(voice));
    const none = { plays: 0, uniqueWatchMs: 0, totalWatchMs: 0 };
    answers.push({
      voice: tick,
      plays: none,
      detail: { ...none, sections: [], startupMs: null, stalls: 0, seeks: 0 } as unknown as Detail,
    });
    const table = tableOf(answers);
    process.stdout.write(`${table}\n`);
    const page = readFileSync(PAGE, 'utf8');
    const [from, to] = [page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END)];
    assert.ok(from > BEGIN.length - 1 && to > from, 'the page has a place for the table');
    if (process.env['UPDATE_TABLE'] === '1') writeFileSync(PAGE, `${page.slice(0, from)}\n${table}\n${page.slice(to)}`);
    else assert.equal(page.slice(from, to).trim(), table, 'UPDATE_TABLE=1 writes the table');
  });
});
