// The charts: thin settings over uPlot, coloured by the page's own variables, resized with their card.
import uPlot from 'uplot';
import { count, percent, position } from './format.ts';

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

type Kept = { plot: uPlot; observer: ResizeObserver };
const kept = new Map<HTMLElement, Kept>();

/** Draws (or redraws) a chart into an element. The aria-label carries the same message in words. */
function draw(target: HTMLElement, label: string, options: Omit<uPlot.Options, 'width' | 'height'>, data: uPlot.AlignedData): void {
  const old = kept.get(target);
  old?.observer.disconnect();
  old?.plot.destroy();
  target.replaceChildren();
  target.setAttribute('aria-label', label);
  const size = (): { width: number; height: number } => ({
    width: Math.max(200, target.clientWidth),
    height: Math.max(80, target.clientHeight),
  });
  const plot = new uPlot({ ...options, ...size() }, data, target);
  const observer = new ResizeObserver(() => plot.setSize(size()));
  observer.observe(target);
  kept.set(target, { plot, observer });
}

const axis = (more: Partial<uPlot.Axis>): uPlot.Axis => ({
  stroke: colour('--muted'),
  grid: { stroke: colour('--line'), width: 1 },
  ticks: { show: false },
  font: '12px system-ui, sans-serif',
  ...more,
});

function fade(name: string): (plot: uPlot) => CanvasGradient | string {
  return (plot) => {
    const { top, height } = plot.bbox;
    if (!Number.isFinite(height) || height <= 0) return 'transparent';
    const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
    gradient.addColorStop(0, `${colour(name)}66`);
    gradient.addColorStop(1, `${colour(name)}05`);
    return gradient;
  };
}

/** Half a bucket of room on both sides, so that the first and last columns are whole. */
function withEdges(times: readonly number[]): uPlot.Range.Function {
  const half = times.length > 1 ? ((times[1] as number) - (times[0] as number)) / 2 : 1800;
  return (_plot, min, max) => [min - half, max + half];
}

/** Plays per bucket as columns. `times` are epoch seconds. */
export function drawPlays(target: HTMLElement, times: number[], plays: number[], attempts: number[]): void {
  const total = plays.reduce((sum, n) => sum + n, 0);
  draw(
    target,
    `Plays over time: ${count(total)} plays in ${times.length} periods, at most ${count(Math.max(0, ...plays))} in one.`,
    {
      legend: { live: true },
      cursor: { y: false, points: { show: false } },
      scales: { x: { time: true, range: withEdges(times) }, y: { range: (_plot, _min, max) => [0, Math.max(4, max * 1.1)] } },
      axes: [
        axis({ grid: { show: false } }),
        axis({ size: 56, values: (_plot, splits) => splits.map((n) => (Number.isInteger(n) ? count(n) : '')) }),
      ],
      series: [
        {},
        {
          label: 'Plays',
          stroke: colour('--accent'),
          fill: colour('--accent'),
          width: 0,
          points: { show: false },
          paths: (uPlot.paths.bars as NonNullable<typeof uPlot.paths.bars>)({ size: [0.72, 48], radius: 0.2 }),
          value: (_plot, n) => (n == null ? '-' : count(n)),
        },
        {
          label: 'Attempts',
          stroke: colour('--muted'),
          width: 1.5,
          dash: [4, 4],
          points: { show: false },
          value: (_plot, n) => (n == null ? '-' : count(n)),
        },
      ],
    },
    [times, plays, attempts],
  );
}

/** Share of plays that watched each part, and how often it was played per play. */
export function drawRetention(target: HTMLElement, fromMs: number[], shares: number[], watchesPerPlay: number[]): void {
  const last = shares.at(-1) ?? 0;
  draw(
    target,
    `Retention: ${percent(shares[0])} of plays watched the beginning, ${percent(last)} the end; the most rewatched part was played ${Math.max(0, ...watchesPerPlay).toFixed(2)} times per play.`,
    {
      legend: { live: true },
      cursor: { y: false },
      scales: { x: { time: false }, y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.05)] } },
      axes: [
        axis({ grid: { show: false }, values: (_plot, splits) => splits.map((ms) => position(ms)) }),
        axis({ size: 52, values: (_plot, splits) => splits.map((n) => percent(n)) }),
      ],
      series: [
        { label: 'At', value: (_plot, ms) => (ms == null ? '-' : position(ms)) },
        {
          label: 'Watched',
          stroke: colour('--accent'),
          fill: fade('--accent'),
          width: 2,
          points: { show: false },
          value: (_plot, n) => percent(n ?? undefined, 1),
        },
        {
          label: 'With rewatches',
          stroke: colour('--warm'),
          width: 2,
          dash: [6, 3],
          points: { show: false },
          value: (_plot, n) => percent(n ?? undefined, 1),
        },
      ],
    },
    [fromMs, shares, watchesPerPlay],
  );
}

/** Viewers in each of the last 60 minutes. */
export function drawLive(target: HTMLElement, times: number[], viewers: number[]): void {
  draw(
    target,
    `Viewers in the last hour: now ${count(viewers.at(-1) ?? 0)}, at most ${count(Math.max(0, ...viewers))}.`,
    {
      legend: { show: false },
      cursor: { y: false },
      scales: { x: { time: true }, y: { range: (_plot, _min, max) => [0, Math.max(4, max * 1.15)] } },
      axes: [
        axis({ grid: { show: false } }),
        axis({ size: 44, values: (_plot, splits) => splits.map((n) => (Number.isInteger(n) ? count(n) : '')) }),
      ],
      series: [
        {},
        {
          label: 'Viewers',
          stroke: colour('--good'),
          fill: fade('--good'),
          width: 2,
          points: { show: false },
          paths: (uPlot.paths.stepped as NonNullable<typeof uPlot.paths.stepped>)({ align: 1 }),
        },
      ],
    },
    [times, viewers],
  );
}
