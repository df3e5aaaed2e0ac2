// Key figures, plays over time and freshness.
import type { Answer, Bucket, Figures, Live } from '../api.ts';
import { drawPlays } from '../charts.ts';
import { byId, element } from '../elements.ts';
import { ago, count, duration, durationOrNone, locale, percent } from '../format.ts';

type Tile = { name: string; value: string; change?: string; tone?: 'up' | 'down' };

/** Change against the period before, in words; silent where that one was empty. */
function change(now: number | null, before: number | null, spanName: string): { change: string; tone?: 'up' | 'down' } {
  if (now === null || before === null || before === 0) return { change: now ? `none ${spanName} before` : '' };
  const ratio = now / before - 1;
  if (Math.abs(ratio) < 0.005) return { change: `as ${spanName} before` };
  return { change: `${ratio > 0 ? '+' : ''}${(ratio * 100).toFixed(0)} % on ${spanName} before`, tone: ratio > 0 ? 'up' : 'down' };
}

export function showTiles(live: Live, now: Figures, before: Figures, spanName: string): void {
  const startup = now.startupMs.median;
  const tiles: Tile[] = [
    { name: 'Plays', value: count(now.plays), ...change(now.plays, before.plays, spanName) },
    { name: 'Watch time', value: duration(now.totalWatchMs), ...change(now.totalWatchMs, before.totalWatchMs, spanName) },
    { name: 'Average per play', value: durationOrNone(now.averageWatchMs), ...change(now.averageWatchMs, before.averageWatchMs, spanName) },
    {
      name: 'Watched to the end',
      value: percent(now.plays === 0 ? undefined : now.completions / now.plays),
      change: `${count(now.completions)} plays`,
    },
    {
      name: 'Startup time',
      value: startup === null || startup === undefined ? '-' : duration(startup),
      change: `${percent(now.rebufferRatio, 2)} of the time stalled`,
    },
  ];
  const current = element('div', 'tile now', [
    element('div', 'name', ['Watching now']),
    element('div', 'value', [count(live.viewers)]),
    element('div', 'change', [live.peak === null ? '' : `peak ${count(live.peak.viewers)} in the last hour`]),
  ]);
  byId('tiles').replaceChildren(
    current,
    ...tiles.map((tile) =>
      element('div', 'tile', [
        element('div', 'name', [tile.name]),
        element('div', 'value', [tile.value]),
        element('div', `change ${tile.tone ?? ''}`, [tile.change ?? '']),
      ]),
    ),
  );
}

export function showPlays(answer: Answer<Bucket[]>, granularity: string): void {
  const times = answer.data.map((bucket) => Date.parse(bucket.from) / 1000);
  drawPlays(
    byId('plays-chart'),
    times,
    answer.data.map((bucket) => bucket.plays),
    answer.data.map((bucket) => bucket.attempts),
  );
  const provisional = answer.provisionalSessions ?? 0;
  byId('plays-hint').textContent =
    `per ${granularity}, UTC${provisional > 0 ? `; ${count(provisional)} still open, counted as they stand` : ''}`;
}

const FRESH_MS = 30_000;

/** How far behind the log the figures are; also what is missing with an operator's consent. */
export function showFreshness(answer: Answer<unknown>, nowMs: number): void {
  const badge = byId('freshness');
  const behindMs = answer.dataThrough === null ? undefined : Math.max(0, nowMs - Date.parse(answer.dataThrough));
  badge.className = `freshness ${behindMs === undefined ? '' : behindMs < FRESH_MS ? 'fresh' : 'stale'}`;
  (badge.querySelector('.text') as HTMLElement).textContent = behindMs === undefined ? 'no data yet' : ago(behindMs);
  badge.title =
    answer.dataThrough === null ? '' : `Everything received before ${new Date(answer.dataThrough).toLocaleString(locale)} is counted.`;
  const notice = byId('notice');
  const gaps = answer.gaps?.length ?? 0;
  notice.hidden = gaps === 0;
  notice.textContent =
    gaps === 0
      ? ''
      : `${gaps} stretch${gaps > 1 ? 'es' : ''} of the log touching this range could not be read and are missing from these figures.`;
}

export function showLost(text: string): void {
  const badge = byId('freshness');
  badge.className = 'freshness lost';
  (badge.querySelector('.text') as HTMLElement).textContent = text;
}
