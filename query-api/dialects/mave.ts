// mave's legacy questions: views, sources, engagement, viewers of now, and its keys, over our figures. Where the peer counts play and
// pause segments we count sessions; docs/doors/mave-reads.md lists every place where the answers differ.
import { SECOND_MS } from '../core/civil.ts';
import { bucketStart, type Interval, microsOf } from '../core/mave-intervals.ts';
import { BROWSER_WORDS, countsOf, DEVICE_WORDS, PLATFORM_WORDS } from '../core/mave-words.ts';
import { ProblemError } from '../problem.ts';
import type { Bound } from '../queries/bound.ts';
import { MAVE_VIDEOS_MAX, maveChosenVideos } from '../queries/mave-chosen-videos.ts';
import { MAVE_STEPS_MAX, type MaveSecondRow, maveEngagement } from '../queries/mave-engagement.ts';
import { maveKey } from '../queries/mave-keys.ts';
import { maveRanges } from '../queries/mave-ranges.ts';
import { MAVE_ROWS_MAX, type MaveChoice } from '../queries/mave-sessions.ts';
import { maveSources } from '../queries/mave-sources.ts';
import { type MaveViewsRow, maveViews } from '../queries/mave-views.ts';
import { maveWatching } from '../queries/mave-watching.ts';
import type { DialectAsked, DialectRoute } from './dialect.ts';
import { MAVE_ACCESS } from './mave-access.ts';
import { type MaveInput, readInput, type Shape } from './mave-input.ts';

type Handler = (asked: DialectAsked, input: MaveInput) => Promise<unknown>;

/** Seconds with a viewer in one answer. */
const SECONDS_MAX = 500_000;

/** The routes of questions: each by POST, and by GET with a body or with parameters. */
export function maveRoutes(): readonly DialectRoute[] {
  const both = (path: string, handle: Handler, shape: Shape = '2024'): DialectRoute[] =>
    (['get', 'post'] as const).map((method) => ({
      ...MAVE_ACCESS,
      method,
      path: `/api/v1/${path}`,
      scope: 'query',
      readsBody: true,
      handle: async (asked) => ({ body: await handle(asked, readInput(asked, shape)) }),
    }));
  return [
    ...both('views', views),
    ...both('plays', views, '2023'),
    ...both('sources', sources),
    ...both('engagement', engagement),
    ...both('watching', watching),
  ];
}

/** What a question is about; undefined = nothing can match. */
async function choiceOf({ caller, ask }: DialectAsked, input: MaveInput): Promise<MaveChoice | undefined> {
  const { site } = caller;
  if (input.key !== undefined && (await ask(maveKey(site, input.key))).length === 0) return undefined;
  const { range, interval, identifier } = input;
  const sessionMeta = isEmpty(input.sessionMeta) ? undefined : JSON.stringify(input.sessionMeta);
  const choice = { site, range, interval, sessionMeta, videos: identifier === undefined ? [] : [identifier] };
  if (isEmpty(input.videoMeta)) return choice;
  const rows = await ask(maveChosenVideos(site, identifier ?? null, JSON.stringify(input.videoMeta)));
  atMost(rows, MAVE_VIDEOS_MAX, 'videos', 'More than 10000 videos match query.video: name more of their metadata');
  return rows.length === 0 ? undefined : { ...choice, videos: rows.map(({ id }) => id) };
}

const isEmpty = (meta: Record<string, unknown> | undefined): boolean => meta === undefined || Object.keys(meta).length === 0;

function atMost(rows: readonly unknown[], rowsMax: number, limit: string, detail: string): void {
  if (rows.length > rowsMax) throw new ProblemError('too-many-rows', detail, { limit: `mave_${limit}` });
}

const TOO_MANY = 'The answer would have too many rows: ask for a shorter timeframe or a longer interval';

async function rowsOf<R>(
  asked: DialectAsked,
  input: MaveInput,
  bound: (choice: MaveChoice) => Bound<R>,
  rowsMax = MAVE_ROWS_MAX,
): Promise<R[]> {
  const choice = await choiceOf(asked, input);
  const rows = choice === undefined ? [] : await asked.ask(bound(choice));
  atMost(rows, rowsMax, 'rows', TOO_MANY);
  return rows;
}

/** The start of a bucket, in the words of a shape. */
const intervalAt = (interval: Interval, bucket: number, shape: Shape): string =>
  microsOf(bucketStart(interval, bucket), shape === '2023' ? '' : 'Z');

async function views(asked: DialectAsked, input: MaveInput): Promise<unknown> {
  const rows = await rowsOf(asked, input, (choice) => maveViews(choice, input.minWatchMs));
  return { views: rows.map((row) => viewOf(row, input)) };
}

function viewOf(row: MaveViewsRow, { interval, shape }: MaveInput): unknown {
  const device = countsOf(DEVICE_WORDS, row.devices, row.views);
  return {
    interval: intervalAt(interval, row.bucket, shape),
    views: row.views,
    total_view_time: row.total_watch_ms / SECOND_MS,
    ...(shape === '2023' ? {} : { unique_total_view_time: row.unique_watch_ms / SECOND_MS }),
    platform: countsOf(PLATFORM_WORDS, row.platforms, row.views),
    ...(shape === '2023' ? {} : { device }),
    device_type: device,
    browser: countsOf(BROWSER_WORDS, row.browsers, row.views),
  };
}

async function sources(asked: DialectAsked, input: MaveInput): Promise<unknown> {
  const rows = await rowsOf(asked, input, (choice) => maveSources(choice, input.minWatchMs));
  return {
    sources: rows.map(({ bucket, host, path, views: count }) => ({
      interval: intervalAt(input.interval, bucket, input.shape),
      ...(input.shape === '2023' ? { path: host === '' ? path : `https://${host}${path}` } : { host, path }),
      views: count,
    })),
  };
}

async function engagement(asked: DialectAsked, input: MaveInput): Promise<unknown> {
  if (input.shape === '2023') return { engagement: await rangesOf(asked, input) };
  const rows = await rowsOf(asked, input, maveEngagement, MAVE_STEPS_MAX);
  const buckets = new Map<number, MaveSecondRow[]>();
  for (const row of rows) {
    const steps = buckets.get(row.bucket);
    if (steps === undefined) buckets.set(row.bucket, [row]);
    else steps.push(row);
  }
  let room = SECONDS_MAX;
  return {
    engagement: [...buckets].map(([bucket, steps]) => {
      const perSecond = secondsOf(steps, room);
      room -= perSecond.length;
      return { interval: intervalAt(input.interval, bucket, input.shape), per_second: perSecond };
    }),
  };
}

/** The covered seconds: the running sum of the steps between one and the next. */
function secondsOf(steps: readonly MaveSecondRow[], room: number): { second: number; views: number }[] {
  const seconds: { second: number; views: number }[] = [];
  let watching = 0;
  for (const [i, { second, change }] of steps.entries()) {
    watching += change;
    const end = watching === 0 ? second : (steps[i + 1]?.second ?? second);
    if (seconds.length + end - second > room) throw new ProblemError('too-many-rows', TOO_MANY, { limit: 'mave_seconds' });
    for (let at = second; at < end; at++) seconds.push({ second: at, views: watching });
  }
  return seconds;
}

async function rangesOf(asked: DialectAsked, input: MaveInput): Promise<unknown[]> {
  const rows = await rowsOf(asked, input, (choice) => maveRanges(choice, input.ranges));
  return rows.map(({ range, extent_ms: extentMs, viewers }) => {
    const at = (edge: number): number => (edge * extentMs) / input.ranges / SECOND_MS;
    return { range, range_time: { from: at(range), to: at(range + 1) }, viewers };
  });
}

async function watching(asked: DialectAsked, input: MaveInput): Promise<unknown> {
  const choice = await choiceOf(asked, input);
  const [row] = choice === undefined ? [] : await asked.ask(maveWatching(choice));
  return { watching: row?.watching ?? 0 };
}
