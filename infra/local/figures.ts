// The line of figures that a running local system shows: asked of its own API and metrics, as anybody could.
import type { Clock, Scheduler } from '../runtime/ports.ts';

const TIMEOUT_MS = 3_000;

export type Figures = { plays: number; viewers: number; eventsPerSecond: number; behindMs: number | undefined };

export type FiguresDeps = { query: string; ingestMetrics: string; readKey: string; clock: Clock; scheduler: Scheduler };

/** Asks for figures; the rate is that since the call before. Answers undefined while something does not answer. */
export function createFigures(deps: FiguresDeps): () => Promise<Figures | undefined> {
  let eventsBefore: number | undefined;
  let askedAtMs = 0;
  const read = async (url: string, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    return answer.text();
  };
  const ask = async (path: string): Promise<{ data: Record<string, unknown>; dataThrough: string | null }> =>
    JSON.parse(await read(`${deps.query}${path}`, { authorization: `Bearer ${deps.readKey}` }));
  return async () => {
    try {
      const [plays, live, metrics] = await Promise.all([ask('/v1/plays'), ask('/v1/live'), read(`${deps.ingestMetrics}/metrics`)]);
      const nowMs = deps.scheduler.monotonicMs();
      const events = metricSum(metrics, 'playhead_ingest_events_total');
      // A gateway that started again counts from 0.
      const grown = eventsBefore === undefined || events < eventsBefore ? 0 : events - eventsBefore;
      const eventsPerSecond = eventsBefore === undefined ? 0 : (grown * 1000) / Math.max(1, nowMs - askedAtMs);
      eventsBefore = events;
      askedAtMs = nowMs;
      const through = typeof plays.dataThrough === 'string' ? Date.parse(plays.dataThrough) : undefined;
      return {
        plays: Number(plays.data['plays'] ?? 0),
        viewers: Number(live.data['viewers'] ?? 0),
        eventsPerSecond,
        behindMs: through === undefined ? undefined : Math.max(0, deps.clock.now() - through),
      };
    } catch {
      return undefined;
    }
  };
}

/** Sum of a metric over its labels in the Prometheus text format; 0 if it is not there. */
export function metricSum(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** The line for people. */
export function figuresLine(figures: Figures): string {
  const { plays, viewers, eventsPerSecond, behindMs } = figures;
  const rate = eventsPerSecond >= 10 ? Math.round(eventsPerSecond) : Math.round(eventsPerSecond * 10) / 10;
  const fresh = behindMs === undefined ? 'no figures yet' : `figures ${(behindMs / 1000).toFixed(1)} s old`;
  return `${plays} plays, ${viewers} watching now, ${rate} events/s, ${fresh}`;
}
