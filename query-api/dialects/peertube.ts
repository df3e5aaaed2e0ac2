// PeerTube's statistics of a video: its paths, parameters, shapes and definitions over our figures. Where the peer is known to be wrong the
// answer is right instead; docs/doors/peertube.md lists those places.
import { peertubeIdOf, shortUuidOf } from '../../schemas/peertube-ids.ts';
import { type ViewedPart, type ViewRule, viewsOf } from '../../schemas/views.ts';
import type { Ask } from '../answers.ts';
import { DAY_MS, SECOND_MS } from '../core/civil.ts';
import { type Axis, axisOf, dateOf, parseDate } from '../core/peertube-intervals.ts';
import { notFound, ProblemError, wrong } from '../problem.ts';
import type { Bound } from '../queries/bound.ts';
import { peertubeLive } from '../queries/peertube-live.ts';
import { peertubeOverall } from '../queries/peertube-overall.ts';
import { peertubePeak } from '../queries/peertube-peak.ts';
import { peertubeRetention } from '../queries/peertube-retention.ts';
import {
  type Intervals,
  type PeertubeSeriesRow,
  peertubeDownloadSeries,
  peertubeViewerSeries,
  peertubeWatchSeries,
} from '../queries/peertube-timeseries.ts';
import { PEERTUBE_VALUE_ROWS_MAX, type PeertubeDimension, type PeertubeValueRow, peertubeValues } from '../queries/peertube-values.ts';
import { type PeertubeVideoRow, peertubeVideo } from '../queries/peertube-video.ts';
import type { VideoPlace, Window } from '../queries/peertube-viewers.ts';
import { PEERTUBE_VIEW_ROWS_MAX, type PeertubeViewRow, peertubeViews } from '../queries/peertube-views.ts';
import { regionNames } from '../queries/region-names.ts';
import type { DialectAsked, DialectRoute } from './dialect.ts';

/** Times of the peer's definitions, ms. Source: protocols.md 5.2. */
export type PeertubeRules = ViewRule & {
  /** A viewer of whom nothing was heard for so long is not watching now. */
  liveMs: number;
};

const WINDOW_DAYS_MAX = 3_650;
const RETENTION_POINTS = 100;
const DATE_CHARACTERS_MAX = 64;
/** What can be a video's id at all. */
const VIDEO_ID = /^\P{Cc}{1,256}$/u;

type Handler = (asked: DialectAsked, video: PeertubeVideoRow) => Promise<unknown>;

/** The routes. Each looks its video up first: another site's is as unknown as none. */
export function peertubeRoutes(rules: PeertubeRules): readonly DialectRoute[] {
  const route = (path: string, handle: Handler): DialectRoute => ({
    method: 'get',
    path: `/api/v1/videos/{id}${path}`,
    scope: 'query',
    handle: async (asked) => ({ body: await handle(asked, await videoOf(asked)) }),
  });
  return [
    route('', (asked, video) => counters(asked, video, rules)),
    route('/stats/overall', overall),
    route('/stats/user-agent', userAgents),
    route('/stats/retention', retention),
    route('/stats/timeseries/{metric}', timeseries),
  ];
}

async function videoOf({ caller, params, ask }: DialectAsked): Promise<PeertubeVideoRow> {
  const given = params['id'] ?? '';
  if (!VIDEO_ID.test(given)) throw notFound('This video');
  const [video] = await ask(peertubeVideo(caller.site, [...new Set([peertubeIdOf(given).id, given])]));
  if (video === undefined) throw notFound('This video');
  return video;
}

const placeOf = ({ caller }: DialectAsked, { id }: PeertubeVideoRow): VideoPlace => ({ site: caller.site, video: id });

/** Whole seconds, as the peer gives all times. */
const seconds = (ms: number): number => Math.round(ms / SECOND_MS);

const oneOf = async <R>(ask: Ask, bound: Bound<R>): Promise<R> => (await ask(bound))[0] as R;

async function counters(asked: DialectAsked, video: PeertubeVideoRow, rules: PeertubeRules): Promise<unknown> {
  const place = placeOf(asked, video);
  const [viewRows, live] = await Promise.all([
    asked.ask(peertubeViews(place, rules)),
    oneOf(asked.ask, peertubeLive(place, { nowMs: asked.nowMs, liveMs: rules.liveMs })),
  ]);
  const short = shortUuidOf(video.id);
  return {
    id: video.number,
    uuid: short === undefined ? null : video.id,
    shortUUID: short ?? null,
    name: video.title === '' ? video.id : video.title,
    duration: video.duration_ms === null ? 0 : seconds(video.duration_ms),
    isLive: video.live === true,
    views: viewCount(viewRows, rules),
    viewers: live.viewers,
  };
}

function viewCount(rows: readonly PeertubeViewRow[], rule: ViewRule): number {
  if (rows.length > PEERTUBE_VIEW_ROWS_MAX)
    throw new ProblemError('too-many-rows', 'Too many open sessions of this video last longer than a view does', { limit: 'view_rows' });
  return rows.reduce((views, row) => views + (row.part === null ? row.views : viewsOf(openPart(row), rule)), 0);
}

const openPart = (row: PeertubeViewRow): ViewedPart => ({
  part: row.part ?? 0,
  startedAt: row.started_at ?? 0,
  endedAt: row.ended_at ?? 0,
  context: { protocol: row.protocol ?? '', durationMs: row.duration_ms ?? -1, live: row.live === true ? 1 : 0 },
  sections: (row.sections ?? []).map(([run, fromMs, toMs, startedAt, rateMilli]) => ({ run, fromMs, toMs, startedAt, rateMilli })),
});

async function overall(asked: DialectAsked, video: PeertubeVideoRow): Promise<unknown> {
  const place = placeOf(asked, video);
  const window = windowOf(asked, video.timezone);
  const [figures, peaks, values] = await Promise.all([
    oneOf(asked.ask, peertubeOverall(place, window)),
    asked.ask(peertubePeak(place, window)),
    valuesOf(asked, place, window, ['country', 'region']),
  ]);
  const [peak] = peaks;
  return {
    averageWatchTime: figures.contained === 0 ? 0 : seconds(figures.watch_ms / figures.contained),
    totalWatchTime: seconds(figures.watch_ms),
    totalViewers: figures.viewers,
    viewersPeak: peak?.viewers ?? 0,
    viewersPeakDate: peak === undefined ? null : dateOf(peak.at),
    countries: values('country').map(({ value, viewers }) => ({ isoCode: value, viewers })),
    subdivisions: await subdivisionsOf(asked, values('region')),
  };
}

/** By English name where it is known, else by code; most viewers first. */
async function subdivisionsOf({ ask }: DialectAsked, rows: readonly PeertubeValueRow[]): Promise<{ name: string; viewers: number }[]> {
  if (rows.length === 0) return [];
  const names = new Map((await ask(regionNames(rows.map(({ value }) => value)))).map(({ region, name }) => [region, name]));
  const byName = new Map<string, number>();
  for (const { value, viewers } of rows) {
    const name = names.get(value) ?? value;
    byName.set(name, (byName.get(name) ?? 0) + viewers);
  }
  return [...byName].map(([name, viewers]) => ({ name, viewers })).sort((a, b) => b.viewers - a.viewers || (a.name < b.name ? -1 : 1));
}

/** Our device classes in the peer's words, where they differ. */
const DEVICES: Readonly<Record<string, string>> = { tv: 'smarttv' };

async function userAgents(asked: DialectAsked, video: PeertubeVideoRow): Promise<unknown> {
  const values = await valuesOf(asked, placeOf(asked, video), windowOf(asked, video.timezone), ['browser', 'device', 'platform']);
  const named = ({ value, viewers }: PeertubeValueRow): { name: string; viewers: number } => ({ name: value, viewers });
  return {
    clients: values('browser').map(named),
    devices: values('device')
      .map(named)
      .map(({ name, viewers }) => ({ name: DEVICES[name] ?? name, viewers })),
    operatingSystems: values('platform').map(named),
  };
}

async function valuesOf(
  { ask }: DialectAsked,
  place: VideoPlace,
  window: Window,
  dimensions: readonly PeertubeDimension[],
): Promise<(dimension: PeertubeDimension) => PeertubeValueRow[]> {
  const rows = await ask(peertubeValues(place, window, dimensions));
  if (rows.length > PEERTUBE_VALUE_ROWS_MAX)
    throw new ProblemError('too-many-rows', 'There are too many different values: ask for a shorter window', { limit: 'value_rows' });
  return (dimension) => rows.filter((row) => row.dimension === dimension);
}

async function retention(asked: DialectAsked, video: PeertubeVideoRow): Promise<unknown> {
  if (video.live === true) throw new ProblemError('wrong-parameters', 'Retention is not known of live videos');
  const duration = video.duration_ms === null ? 0 : seconds(video.duration_ms);
  const step = Math.max(Math.round(duration / RETENTION_POINTS), 1);
  const rows = await asked.ask(peertubeRetention(placeOf(asked, video), step * SECOND_MS));
  const viewers = rows.find(({ cell }) => cell === -1)?.viewers ?? 0;
  const changes = new Map(rows.filter(({ cell }) => cell >= 0).map(({ cell, viewers: change }) => [cell, change]));
  const data: { second: number; retentionPercent: number }[] = [];
  let watching = 0;
  for (let cell = 0; cell * step <= duration; cell++) {
    watching += changes.get(cell) ?? 0;
    data.push({ second: cell * step, retentionPercent: viewers === 0 ? 0 : (100 * watching) / viewers });
  }
  return { data };
}

type Series = { statement: (place: VideoPlace, intervals: Intervals) => Bound<PeertubeSeriesRow>; values: (rows: number[]) => number[] };

const same = (values: number[]): number[] => values;
const running = (changes: number[]): number[] => {
  let sum = 0;
  return changes.map((change) => {
    sum += change;
    return sum;
  });
};
const SERIES: ReadonlyMap<string, Series> = new Map<string, Series>([
  ['viewers', { statement: peertubeViewerSeries, values: running }],
  ['aggregateWatchTime', { statement: peertubeWatchSeries, values: (values) => values.map(seconds) }],
  ['downloads', { statement: peertubeDownloadSeries, values: same }],
]);

async function timeseries(asked: DialectAsked, video: PeertubeVideoRow): Promise<unknown> {
  const series = SERIES.get(asked.params['metric'] ?? '');
  if (series === undefined) throw wrong('/metric', `must be one of ${[...SERIES.keys()].join(', ')}`);
  const { fromMs, toMs } = windowOf(asked, video.timezone);
  if ((fromMs === undefined) !== (toMs === undefined))
    throw wrong(fromMs === undefined ? '/startDate' : '/endDate', 'both dates are needed, or neither');
  const end = toMs ?? asked.nowMs;
  const begin = Math.min(fromMs ?? video.first_seen_at, end);
  if (end - begin > WINDOW_DAYS_MAX * DAY_MS) throw wrong('/startDate', `the window may have at most ${WINDOW_DAYS_MAX} days`);
  const axis = axisOf(begin, end, video.timezone);
  const rows = await asked.ask(series.statement(placeOf(asked, video), { ...axis, toMs: end }));
  return { groupInterval: axis.groupInterval, data: pointsOf(axis, rows, series.values) };
}

function pointsOf({ starts }: Axis, rows: readonly PeertubeSeriesRow[], valuesOfRows: Series['values']): { date: string; value: number }[] {
  const byCell = new Map(rows.map(({ cell, value }) => [cell, value]));
  const values = valuesOfRows(starts.map((_, cell) => byCell.get(cell) ?? 0));
  return starts.map((at, cell) => ({ date: dateOf(at), value: values[cell] ?? 0 }));
}

function windowOf({ query }: DialectAsked, timezone: string): Window {
  const read = (name: string): number | undefined => {
    const given = query[name];
    if (given === undefined) return undefined;
    const at = typeof given === 'string' && given.length <= DATE_CHARACTERS_MAX ? parseDate(given, timezone) : undefined;
    if (at === undefined) throw wrong(`/${name}`, 'must be a date or an instant of ISO 8601');
    return at;
  };
  const window = { fromMs: read('startDate'), toMs: read('endDate') };
  if (window.fromMs !== undefined && window.toMs !== undefined && window.fromMs > window.toMs)
    throw wrong('/startDate', 'must not be after endDate');
  return window;
}
