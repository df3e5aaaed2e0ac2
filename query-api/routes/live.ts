// GET /v1/live: who is watching now (how many, never who), by video, and the last hour.
import { z } from 'zod';
import { isoOf, MINUTE_MS } from '../core/civil.ts';
import { liveMinutes, liveVideos } from '../queries/live-rows.ts';
import { route } from './route.ts';
import { count, freshAnswer, instant } from './shapes.ts';

const LIVE_MINUTES = 60;
const minute = z.object({ at: instant, viewers: count });
const data = z.object({
  viewers: count,
  videos: z.array(z.object({ video: z.string().nullable(), viewers: count })),
  minutes: z.array(minute),
  peak: minute.nullable(),
});

export const liveRoute = route({
  method: 'get',
  path: '/v1/live',
  scope: 'query',
  summary: 'Sessions playing now',
  query: z.strictObject({}),
  answer: freshAnswer(data),
  tabular: true,
  async handle({ caller, nowMs }, { answers }) {
    const toMs = (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS;
    const range = { fromMs: toMs - LIVE_MINUTES * MINUTE_MS, toMs };
    const freshness = await answers.freshness({ range });
    const [rows, seen] = await Promise.all([
      answers.ask(liveVideos(caller.site)),
      answers.ask(liveMinutes(caller.site, range.fromMs, range.toMs)),
    ]);
    const byMinute = new Map(seen.map((row) => [row.minute, row.viewers]));
    const minutes = Array.from({ length: LIVE_MINUTES }, (_, i) => {
      const at = range.fromMs + i * MINUTE_MS;
      return { at: isoOf(at), viewers: byMinute.get(at) ?? 0 };
    });
    const peak = minutes.reduce((most, each) => (each.viewers > most.viewers ? each : most));
    const videos = rows.map(({ video, viewers }) => ({ video: video === '' ? null : video, viewers }));
    const viewers = rows.reduce((sum, row) => sum + row.viewers, 0);
    return { data: { viewers, videos, minutes, peak: peak.viewers === 0 ? null : peak }, rows: videos, freshness };
  },
});
