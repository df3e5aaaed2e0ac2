// GET /v1/sessions: sessions one by one, newest first; as CSV or NDJSON with the scope export the whole range.
import { z } from 'zod';
import type { Answers } from '../answers.ts';
import { isoOf } from '../core/civil.ts';
import { decodeCursor, encodeCursor } from '../core/cursor.ts';
import type { Question } from '../core/question.ts';
import { type SessionKey, type SessionListRow, sessionList } from '../queries/session-list.ts';
import { exportPages } from './export.ts';
import {
  badCursor,
  cursorContext,
  echoOf,
  filterParameters,
  LIMIT_MAX,
  pageLimit,
  pageParameters,
  questionOf,
  rangeParameters,
  videosParameter,
} from './parameters.ts';
import { route } from './route.ts';
import { count, instant, milliseconds, nextShape, rangeAnswer } from './shapes.ts';

export const sessionShape = {
  session: z.string(),
  video: z.string().nullable(),
  startedAt: instant,
  endedAt: instant,
  state: z.enum(['sealed', 'provisional']),
  reason: z.string().nullable().describe('Why it was sealed'),
  attempts: count,
  plays: count,
  uniqueWatchMs: milliseconds,
  totalWatchMs: milliseconds,
  completions: count,
  startupMs: milliseconds.nullable(),
  stalls: count,
  stallMs: milliseconds,
  startFailures: count,
  playbackFailures: count,
  exitsBeforeStart: count,
  country: z.string(),
  region: z.string(),
  browser: z.string(),
  platform: z.string(),
  device: z.string(),
  source: z.string(),
  medium: z.string(),
  campaign: z.string(),
  page: z.string(),
  player: z.string(),
  protocol: z.string(),
};

/** A session as it appears in the list. */
export function sessionRow(row: SessionListRow): Record<keyof typeof sessionShape, unknown> {
  return {
    session: row.session,
    video: row.video === '' ? null : row.video,
    startedAt: isoOf(row.started_at),
    endedAt: isoOf(row.ended_at),
    state: row.open ? 'provisional' : 'sealed',
    reason: row.open ? null : row.reason,
    attempts: row.attempts,
    plays: row.plays,
    uniqueWatchMs: row.unique_watch_ms,
    totalWatchMs: row.total_watch_ms,
    completions: row.completions,
    startupMs: row.startup_ms,
    stalls: row.stalls,
    stallMs: row.stall_ms,
    startFailures: row.start_failures,
    playbackFailures: row.playback_failures,
    exitsBeforeStart: row.exits_before_start,
    country: row.country,
    region: row.region,
    browser: row.browser,
    platform: row.platform,
    device: row.device,
    source: row.source,
    medium: row.medium,
    campaign: row.campaign,
    page: row.page,
    player: row.player,
    protocol: row.protocol,
  };
}

const keyOf = (row: SessionListRow): SessionKey => ({ startedAtMs: row.started_at, session: row.session, video: row.video });

async function pageOf(answers: Answers, question: Question, after: SessionKey | undefined, limit: number) {
  const rows = await answers.ask(sessionList(question, { after, limit: limit + 1 }));
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { page, after: rows.length > limit && last !== undefined ? keyOf(last) : undefined };
}

export const sessionsRoute = route({
  method: 'get',
  path: '/v1/sessions',
  scope: 'query',
  summary: 'Sessions, newest first',
  description:
    'As CSV or NDJSON with a key of scope export, `limit` may be as large as the export limit. Streams of doors that only count events are no sessions: filter=protocol:analytics_engine lists them.',
  query: z.strictObject({ ...rangeParameters, ...videosParameter, ...filterParameters, ...pageParameters }),
  answer: rangeAnswer(z.array(z.object(sessionShape)), nextShape),
  tabular: true,
  async handle({ caller, query, nowMs, format }, { answers, exportRowsMax }) {
    const question = questionOf(caller.site, query, nowMs);
    const context = cursorContext('sessions', caller.site, query);
    const after = query.cursor === undefined ? undefined : decodeCursor(context, query.cursor, ['number', 'string', 'string']);
    if (query.cursor !== undefined && after === undefined) throw badCursor();
    const start: SessionKey | undefined = after && {
      startedAtMs: after[0] as number,
      session: after[1] as string,
      video: after[2] as string,
    };
    const freshness = await answers.freshness(question);
    const envelope = { range: echoOf(question), freshness };
    if (format !== 'application/json' && caller.scopes.has('export')) {
      const pages = exportPages({
        first: start,
        rowsMax: Math.min(query.limit ?? exportRowsMax, exportRowsMax),
        pageSize: LIMIT_MAX,
        async page(from: SessionKey | undefined, limit) {
          const { page, after: following } = await pageOf(answers, question, from, limit);
          return { rows: page.map(sessionRow), next: following };
        },
      });
      return { ...envelope, data: [], pages };
    }
    const { page, after: following } = await pageOf(answers, question, start, pageLimit(query.limit));
    return {
      ...envelope,
      data: page.map(sessionRow),
      provisionalSessions: page.filter((row) => row.open).length,
      next: following && encodeCursor(context, [following.startedAtMs, following.session, following.video]),
    };
  },
});
