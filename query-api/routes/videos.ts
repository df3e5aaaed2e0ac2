// /v1/videos: what is known of videos; PUT sets what the site knows better than its players.
import { z } from 'zod';
import { isoOf } from '../core/civil.ts';
import { decodeCursor, encodeCursor } from '../core/cursor.ts';
import { notFound } from '../problem.ts';
import { type VideoRow, videoById, videoList, videoPut } from '../queries/video-rows.ts';
import { badCursor, cursorContext, pageLimit, pageParameters, videoId } from './parameters.ts';
import { route } from './route.ts';
import { instant, milliseconds, plainAnswer } from './shapes.ts';

const META_KEYS_MAX = 50;
const DURATION_MS_MAX = 2_147_483_647;
const scalar = z.union([z.string().max(1_024), z.number(), z.boolean(), z.null()]);
const video = z.object({
  id: z.string(),
  title: z.string(),
  durationMs: milliseconds.nullable(),
  live: z.boolean().nullable(),
  meta: z.record(z.string(), z.unknown()),
  firstSeenAt: instant,
  lastSeenAt: instant,
});
const FIELD_OF: Readonly<Record<string, string>> = { duration_ms: 'durationMs' };
const videoWithPins = video.extend({ pinned: z.array(z.string()).describe('Fields that PUT has set: players no longer change them') });

function videoOf(row: VideoRow): z.output<typeof videoWithPins> {
  return {
    id: row.id,
    title: row.title,
    durationMs: row.duration_ms,
    live: row.live,
    meta: row.meta,
    firstSeenAt: isoOf(row.first_seen_at),
    lastSeenAt: isoOf(row.last_seen_at),
    pinned: row.pinned.map((field) => FIELD_OF[field] ?? field),
  };
}

export const videosRoute = route({
  method: 'get',
  path: '/v1/videos',
  scope: 'query',
  summary: 'Videos of the site, by id',
  query: z.strictObject(pageParameters),
  answer: plainAnswer(z.array(videoWithPins)),
  tabular: true,
  async handle({ caller, query }, { answers }) {
    const context = cursorContext('videos', caller.site, {});
    const after = query.cursor === undefined ? undefined : decodeCursor(context, query.cursor, ['string']);
    if (query.cursor !== undefined && after === undefined) throw badCursor();
    const limit = pageLimit(query.limit);
    const rows = await answers.ask(videoList(caller.site, after?.[0] as string | undefined, limit + 1));
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return { data: page.map(videoOf), next: rows.length > limit && last !== undefined ? encodeCursor(context, [last.id]) : undefined };
  },
});

const path = z.strictObject({ id: videoId });

export const videoRoute = route({
  method: 'get',
  path: '/v1/videos/{id}',
  scope: 'query',
  summary: 'One video',
  params: path,
  answer: plainAnswer(videoWithPins),
  async handle({ caller, path: { id } }, { answers }) {
    const [row] = await answers.ask(videoById(caller.site, id));
    if (row === undefined) throw notFound('This video');
    return { data: videoOf(row) };
  },
});

export const videoPutRoute = route({
  method: 'put',
  path: '/v1/videos/{id}',
  scope: 'admin',
  summary: 'Set what the site knows of a video',
  description: 'The given fields are set and pinned: players no longer change them. Others stay as they are.',
  params: path,
  body: z.object({
    title: z.string().max(1_024).optional(),
    durationMs: z.number().int().min(1).max(DURATION_MS_MAX).nullable().optional(),
    live: z.boolean().nullable().optional(),
    meta: z
      .record(z.string().min(1).max(64), scalar)
      .refine((meta) => Object.keys(meta).length <= META_KEYS_MAX, `at most ${META_KEYS_MAX} keys`)
      .optional(),
  }),
  answer: plainAnswer(videoWithPins),
  async handle({ caller, path: { id }, body, nowMs }, { askAdmin, logger }) {
    const [row] = await askAdmin(videoPut(caller.site, id, body, isoOf(nowMs)));
    logger.info({ keyId: caller.keyId, site: caller.site, fields: Object.keys(body) }, 'video set');
    return { data: videoOf(row as VideoRow) };
  },
});
