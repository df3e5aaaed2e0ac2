// Sessions for tests of the query API: random but consistent parts, written as the processor writes them (same rows, same
// rollups), into a real database.
import fc from 'fast-check';
import { encodeCopy } from '../../infra/runtime/copy-binary.ts';
import type { DatabaseConnection } from '../../infra/runtime/ports.ts';
import type { CustomEventOutput, Output, SealedOutput } from '../../processor/core/outputs.ts';
import { rollupRows, rollupStatements } from '../../processor/rollups.ts';
import { emissionRows, openRows } from '../../processor/rows.ts';
import { UNKNOWN_CONTEXT } from '../../schemas/beacon.ts';
import type { SessionContext, SessionPart, WatchSection } from '../../schemas/session.ts';

export const SEED_SITE = 'site_a';
/** Monday, 2025-11-24T00:00:00Z. */
export const SEED_START_MS = 1_763_942_400_000;
export const SEED_DAYS = 4;
export const SEED_VIDEOS = ['intro', 'tour', 'deep dive'] as const;
export const VIDEO_DURATION_MS = 60_000;
const DAY_MS = 86_400_000;
const PARTITIONS = 4;

/** A part and whether its session is still open. */
export type SeedPart = { part: SessionPart; open: boolean };

export const EMPTY_CONTEXT: SessionContext = { ...UNKNOWN_CONTEXT, durationMs: VIDEO_DURATION_MS, live: 0, protocol: 'native' };

const pick = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const context: fc.Arbitrary<SessionContext> = fc.record({
  title: fc.constant(''),
  durationMs: fc.constant(VIDEO_DURATION_MS),
  live: fc.constant(0),
  pageHost: pick('example.org', ''),
  pagePath: pick('/', '/watch/intro'),
  referrerHost: fc.constant(''),
  source: pick('', 'news', 'search'),
  medium: pick('', 'email'),
  campaign: pick('', 'spring'),
  country: pick('NL', 'DE', ''),
  region: fc.constant(''),
  browser: pick('Firefox', 'Chrome'),
  platform: pick('Linux', 'Android'),
  device: pick('desktop', 'mobile'),
  playerName: pick('hls.js', ''),
  playerVersion: fc.constant('1'),
  protocol: fc.constant('native'),
  bot: fc.constant(false),
  viewer: fc.constant(''),
  meta: pick('', '{"plan":"free"}', '{"course":12,"plan":"pro"}'),
});

/** Sections in the order played: each continues the one before (same run) or jumps (next run). */
const sections: fc.Arbitrary<WatchSection[]> = fc
  .array(fc.record({ jump: fc.boolean(), to: fc.integer({ min: 0, max: 59_000 }), length: fc.integer({ min: 1, max: 20_000 }) }), {
    maxLength: 5,
  })
  .map((moves) => {
    const list: WatchSection[] = [];
    let at = 0;
    let run = 0;
    for (const { jump, to, length } of moves) {
      if (list.length > 0 && jump) {
        at = to === at ? to + 1 : to;
        run += 1;
      }
      const toMs = Math.min(VIDEO_DURATION_MS, at + length);
      if (toMs <= at) continue;
      list.push({ run, fromMs: at, toMs, startedAt: SEED_START_MS, rateMilli: 1_000 });
      at = toMs;
    }
    return list;
  });

/** Length of the union of sections, by counting (the slow, obvious way). */
export function unionMs(list: readonly { fromMs: number; toMs: number }[]): number {
  let covered = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const { fromMs, toMs } of [...list].sort((a, b) => a.fromMs - b.fromMs)) {
    if (toMs <= end) continue;
    covered += toMs - Math.max(fromMs, end);
    end = toMs;
  }
  return covered;
}

const figures = fc.record({
  played: fc.boolean(),
  startupMs: fc.integer({ min: -1, max: 9_000 }),
  stalls: fc.integer({ min: 0, max: 3 }),
  switchesUp: fc.integer({ min: 0, max: 3 }),
  kbps: pick(0, 800, 2_400),
  error: pick(undefined, 'MEDIA_ERR', 'HTTP_404'),
});

type Given = { context: SessionContext; sections: WatchSection[]; figures: typeof figures extends fc.Arbitrary<infer F> ? F : never };

/** A part with consistent figures. */
export function partOf(id: { session: string; video: string; part: number; startedAt: number; site?: string }, given: Given): SessionPart {
  const { played, startupMs, stalls, switchesUp, kbps, error } = given.figures;
  const first = id.part === 0;
  const list = played ? given.sections : [];
  const totalWatchMs = list.reduce((sum, section) => sum + section.toMs - section.fromMs, 0);
  return {
    site: id.site ?? SEED_SITE,
    session: id.session,
    video: id.video,
    part: id.part,
    startedAt: id.startedAt,
    endedAt: id.startedAt + totalWatchMs + 1_000,
    context: given.context,
    sections: list,
    attempts: first ? 1 : 0,
    plays: first && played ? 1 : 0,
    uniqueWatchMs: unionMs(list),
    totalWatchMs,
    completions: list.some((section) => section.toMs >= VIDEO_DURATION_MS - 1_000) ? 1 : 0,
    startupMs: first && played ? startupMs : -1,
    stalls,
    stallMs: stalls * 250,
    seeks: 0,
    startFailures: first && !played && error !== undefined ? 1 : 0,
    playbackFailures: played && error !== undefined ? 1 : 0,
    exitsBeforeStart: first && !played && error === undefined ? 1 : 0,
    bitrateKbpsMs: kbps * totalWatchMs,
    bitrateKnownMs: kbps === 0 ? 0 : totalWatchMs,
    switchesUp,
    switchesDown: 0,
    errors: error === undefined ? [] : [{ code: error, fatal: true, count: 1 }],
    received: 5,
    lost: 0,
    duplicates: 0,
    late: first ? 0 : 5,
    conflicts: 0,
    limitHits: 0,
    seqHighest: 4,
    checksumHigh: 0,
    checksumLow: 1,
  };
}

export type SeedOptions = { sessionsMax: number; supplements: boolean; open: boolean };

/** Sessions over SEED_DAYS days, some with supplements, some open. */
export function seedParts(options: SeedOptions): fc.Arbitrary<SeedPart[]> {
  const given = fc.record({ context, sections, figures });
  const session = fc.record({
    video: fc.constantFrom<string>(...SEED_VIDEOS),
    at: fc.oneof(
      fc.integer({ min: 0, max: SEED_DAYS * DAY_MS - 1 }),
      fc.integer({ min: 0, max: SEED_DAYS * 24 - 1 }).map((hour) => hour * 3_600_000),
    ),
    first: given,
    supplement: options.supplements ? fc.option(given, { freq: 4 }) : fc.constant(null),
    open: options.open ? pick('no', 'no', 'no', 'last') : fc.constant('no'),
  });
  return fc.array(session, { maxLength: options.sessionsMax }).map((list) =>
    list.flatMap(({ video, at, first, supplement, open }, i) => {
      const id = { session: `s${i}`, video, startedAt: SEED_START_MS + at };
      const parts = [partOf({ ...id, part: 0 }, first)];
      if (supplement !== null) parts.push(partOf({ ...id, part: 1 }, supplement));
      return parts.map((part, n) => ({ part, open: open === 'last' && n === parts.length - 1 }));
    }),
  );
}

/** Writes parts (and custom events) as the processor does. `emissionSeq` begins after `after`. */
export async function writeParts(
  connection: DatabaseConnection,
  seeds: readonly SeedPart[],
  options: { after?: number; custom?: readonly Omit<CustomEventOutput, 'emissionSeq' | 'sourceOffset' | 'appendAt' | 'kind'>[] } = {},
): Promise<void> {
  let seq = options.after ?? 0;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const mine = seeds.filter(({ part }) => hash(part.session) % PARTITIONS === partition);
    const writer = { partition, epoch: 1, writer: 'test' };
    const origin = (): { emissionSeq: number; sourceOffset: number; appendAt: number } => {
      seq += 1;
      return { emissionSeq: seq, sourceOffset: seq, appendAt: SEED_START_MS + SEED_DAYS * DAY_MS };
    };
    const outputs: Output[] = mine
      .filter(({ open }) => !open)
      .map(({ part }): SealedOutput => ({ kind: 'sealed', reason: 'leave', part, foldVersion: 1, ...origin() }));
    for (const event of options.custom ?? [])
      if (hash(event.session) % PARTITIONS === partition) outputs.push({ kind: 'custom', ...event, ...origin() });
    const open = mine
      .filter((seed) => seed.open)
      .map(({ part }) => ({ part, playing: true, appendAt: SEED_START_MS + SEED_DAYS * DAY_MS, foldVersion: 1 }));
    for (const { target, rows } of [...emissionRows(outputs, writer), openRows(open, writer)])
      if (rows.length > 0) await connection.copy(encodeCopy(target, rows));
    for (const { statement, params } of rollupStatements(rollupRows(outputs), partition)) await connection.query(statement, params);
  }
}

const hash = (text: string): number => [...text].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) >>> 0, 7);

/** Forgets everything that writeParts wrote. */
export async function clearParts(connection: DatabaseConnection): Promise<void> {
  const text = `TRUNCATE sessions, watch_sections, custom_events, open_sessions, rollup_daily, rollup_hourly, rollup_engagement,
    rollup_events_hourly, rollup_events_daily, beacons`;
  await connection.query({ name: 'test_clear', text }, []);
}
