// mave's data of an embed and of a space: views, time, drop-off and sources in the day, month and year (UTC) that are under way.
import { civilFromDays, DAY_MS, SECOND_MS } from '../core/civil.ts';
import { monthStart } from '../core/mave-intervals.ts';
import { BROWSER_WORDS, countsOf, DEVICE_WORDS, type Words } from '../core/mave-words.ts';
import { percentagesOf } from '../core/percentages.ts';
import { ProblemError } from '../problem.ts';
import { type MaveAgentsRow, maveAgents } from '../queries/mave-agents.ts';
import { maveDropoff } from '../queries/mave-dropoff.ts';
import { maveEmbed, maveSpace } from '../queries/mave-embed.ts';
import { mavePages } from '../queries/mave-pages.ts';
import type { MaveWindow } from '../queries/mave-plays.ts';
import { type MaveWindowRow, maveWindows } from '../queries/mave-windows.ts';
import type { DialectAnswer, DialectAsked, DialectRoute } from './dialect.ts';
import { MAVE_ACCESS } from './mave-access.ts';

const MONTHS = 12;
const ID_CHARACTERS_MAX = 256;
const SPACE = /^[A-Za-z0-9]{5}$/;

export function maveDataRoutes(): readonly DialectRoute[] {
  const at = (path: string, handle: DialectRoute['handle']): DialectRoute[] =>
    ['/api/v1', '/v1'].map((base) => ({ ...MAVE_ACCESS, method: 'get', path: base + path, scope: 'query', handle }));
  return [...at('/videos/{embed_id}/data', embedData), ...at('/spaces/{space_hash}/data', spaceData)];
}

/** Today, this month and this year, UTC. */
function periods(nowMs: number): { year: number; windows: [today: MaveWindow, month: MaveWindow, year: MaveWindow] } {
  const days = Math.floor(nowMs / DAY_MS);
  const { year, month } = civilFromDays(days);
  return {
    year,
    windows: [
      { name: 'today', fromMs: days * DAY_MS, toMs: (days + 1) * DAY_MS },
      { name: 'month', fromMs: monthStart(year, month - 1), toMs: monthStart(year, month) },
      { name: 'year', fromMs: monthStart(year, 0), toMs: monthStart(year, MONTHS) },
    ],
  };
}

type Figure = 'views' | 'watch_ms' | 'unique_ms';

function byPeriod(rows: readonly MaveWindowRow[], figure: Figure): Record<string, number> {
  const figureOf = (name: string): number => rows.find((row) => row.name === name)?.[figure] ?? 0;
  return { today: figureOf('today'), month: figureOf('month'), year: figureOf('year') };
}

async function embedData({ caller, params, ask, nowMs }: DialectAsked): Promise<DialectAnswer> {
  const id = params['embed_id'] ?? '';
  const place = { site: caller.site, video: id };
  const [embed] = id.length > ID_CHARACTERS_MAX || id.includes('\0') ? [] : await ask(maveEmbed(caller.site, id));
  if (embed === undefined) throw new ProblemError('not-found', 'This video embed does not exist.');
  const seconds = Math.ceil((embed.duration_ms ?? 0) / SECOND_MS);
  const [rows, steps, pages] = await Promise.all([
    ask(maveWindows(place, periods(nowMs).windows)),
    seconds === 0 ? [] : ask(maveDropoff(place, seconds)),
    ask(mavePages(place)),
  ]);
  const changes = new Map(steps.map(({ second, change }) => [second, change]));
  let watching = 0;
  const perSecond = Array.from({ length: seconds }, (_, second) => {
    watching += changes.get(second) ?? 0;
    return watching;
  });
  const percentages = percentagesOf(pages.map(({ sessions }) => sessions));
  const data = {
    id,
    views: byPeriod(rows, 'views'),
    dropoff: { duration_seconds: seconds, per_second: perSecond },
    sources: pages.map(({ path }, i) => ({ path, percentage: percentages[i] })),
  };
  return { body: { data } };
}

async function spaceData({ caller, params, ask, nowMs }: DialectAsked): Promise<DialectAnswer> {
  const space = params['space_hash'] ?? '';
  const known = SPACE.test(space) && (await ask(maveSpace(caller.site, space)))[0]?.known === true;
  if (!known) return { status: 404, body: 'Not found' };
  const scope = { site: caller.site, space };
  const { year, windows } = periods(nowMs);
  const months = Array.from({ length: MONTHS }, (_, i) => ({
    name: String(i + 1),
    fromMs: monthStart(year, i),
    toMs: monthStart(year, i + 1),
  }));
  const [rows, [agents]] = await Promise.all([
    ask(maveWindows(scope, [...windows, ...months.filter(({ fromMs }) => fromMs <= nowMs)])),
    ask(maveAgents(scope, windows[2])),
  ]);
  const data = {
    id: space,
    views: byPeriod(rows, 'views'),
    watch_time: byPeriod(rows, 'watch_ms'),
    unique_watch_time: byPeriod(rows, 'unique_ms'),
    views_by_month: months.map(({ name }) => ({ month: Number(name), views: rows.find((row) => row.name === name)?.views ?? 0 })),
    ...agentsOf(agents as MaveAgentsRow),
  };
  return { body: { data } };
}

function agentsOf({ views, devices, browsers }: MaveAgentsRow): { devices: unknown; browsers: unknown } {
  const listOf = (words: Words, counts: readonly number[]): [string, number][] =>
    Object.entries(countsOf(words, counts, views))
      .filter(([, count]) => count > 0)
      .sort(([a, most], [b, fewer]) => fewer - most || (a < b ? -1 : 1));
  return {
    devices: listOf(DEVICE_WORDS, devices).map(([device, count]) => ({ device, views: count })),
    browsers: listOf(BROWSER_WORDS, browsers).map(([browser, count]) => ({ browser, views: count })),
  };
}
