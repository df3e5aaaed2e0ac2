// From an answer to bytes: the envelope, entity tags, caching, paging links, and the three formats.
import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { isoOf } from './core/civil.ts';
import { type Format, type Row, sendPages } from './formats.ts';
import type { GapRow } from './queries/gaps.ts';
import type { Answer } from './routes/route.ts';

/** How long the answer about a closed range may be kept without asking again, seconds: late supplements may still change it. */
const CLOSED_MAX_AGE_S = 60;

/** Everything of the envelope but its freshness, which changes all the time and must not change the entity tag. */
function bodyOf(answer: Answer): Record<string, unknown> {
  const { range } = answer;
  return {
    ...(range === undefined
      ? {}
      : {
          range: {
            from: isoOf(range.range.fromMs),
            to: isoOf(range.range.toMs),
            timezone: range.timezone,
            granularity: range.granularity ?? null,
          },
        }),
    data: answer.data,
    ...answer.more,
    ...(answer.next === undefined ? {} : { next: answer.next }),
    ...(answer.provisionalSessions === undefined ? {} : { provisionalSessions: answer.provisionalSessions }),
  };
}

function freshnessOf(answer: Answer): Record<string, unknown> {
  if (answer.freshness === undefined) return {};
  const { throughMs } = answer.freshness;
  const gaps = answer.freshness.gaps as readonly GapRow[];
  return {
    dataThrough: throughMs === null ? null : isoOf(throughMs),
    ...(gaps.length === 0 ? {} : { gaps: gaps.map(gapOf) }),
  };
}

const gapOf = (gap: GapRow): Record<string, unknown> => ({
  partition: gap.partition,
  fromOffset: gap.from_offset,
  toOffset: gap.to_offset,
  from: gap.from_at === null ? null : isoOf(gap.from_at),
  to: gap.to_at === null ? null : isoOf(gap.to_at),
  reason: gap.reason,
});

/** A range is closed when everything up to its end has been folded and none of its sessions is open. */
function isClosed(answer: Answer): boolean {
  const throughMs = answer.freshness?.throughMs ?? null;
  return answer.range !== undefined && throughMs !== null && throughMs >= answer.range.range.toMs && answer.provisionalSessions === 0;
}

function linkTo(request: Request, next: string): string {
  const query = new URLSearchParams(request.originalUrl.split('?')[1] ?? '');
  query.set('cursor', next);
  return `<${request.path}?${query}>; rel="next"`;
}

async function* once(rows: readonly Row[]): AsyncGenerator<readonly Row[]> {
  yield rows;
}

/** Writes an answer. */
export async function respond(request: Request, response: Response, answer: Answer, format: Format): Promise<void> {
  response.vary('Authorization');
  response.vary('Accept');
  if (answer.next !== undefined) response.setHeader('link', linkTo(request, answer.next));
  const cache = answer.noStore ? 'no-store' : isClosed(answer) ? `private, max-age=${CLOSED_MAX_AGE_S}` : 'private, no-cache';
  response.setHeader('cache-control', cache);
  if (format !== 'application/json') {
    const { throughMs } = answer.freshness ?? { throughMs: null };
    if (throughMs !== null) response.setHeader('x-data-through', isoOf(throughMs));
    await sendPages(response, format, answer.pages ?? once(answer.rows ?? rowsOf(answer.data)));
    return;
  }
  const body = bodyOf(answer);
  response.status(answer.status ?? 200);
  if (!answer.noStore && request.method === 'GET') {
    const gaps = answer.freshness?.gaps ?? [];
    const tag = createHash('sha256')
      .update(JSON.stringify([body, gaps]))
      .digest('base64url')
      .slice(0, 27);
    response.setHeader('etag', `W/"${tag}"`);
    if (matches(request.headers['if-none-match'], tag)) {
      response.status(304).end();
      return;
    }
  }
  response.type('application/json').end(JSON.stringify({ ...body, ...freshnessOf(answer) }));
}

/** Weak comparison with the tags that the caller holds. Source: RFC 9110, 13.1.2. */
const matches = (held: string | undefined, tag: string): boolean =>
  (held ?? '').split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === `"${tag}"`);

const rowsOf = (data: unknown): readonly Row[] => (Array.isArray(data) ? data : [data as Row]);
