// GET /v1/sessions/{session} and its events: one session id in full, by video, and every event that was received.
import { z } from 'zod';
import type { Beacon } from '../../schemas/beacon.ts';
import { streamOfVisit } from '../../schemas/visits.ts';
import { isoOf } from '../core/civil.ts';
import { decodeCursor, encodeCursor } from '../core/cursor.ts';
import { wholeQuotient } from '../core/figures.ts';
import { type SessionDetail, sessionDetails } from '../core/session-detail.ts';
import { type LoggedBeacon, type TimelineEvent, timelineOf } from '../core/timeline.ts';
import { notFound, ProblemError } from '../problem.ts';
import { SESSION_BEACONS_MAX, sessionBeacons } from '../queries/session-beacons.ts';
import { type SessionPartRow, sessionParts } from '../queries/session-parts.ts';
import { badCursor, cursorContext, pageLimit, pageParameters, sessionId } from './parameters.ts';
import { route } from './route.ts';
import { sessionShape } from './sessions.ts';
import { count, freshAnswer, instant, milliseconds, nextShape } from './shapes.ts';

const path = z.strictObject({ session: sessionId });

const section = z.object({ fromMs: milliseconds, toMs: milliseconds, startedAt: instant, rate: z.number() });
const detail = z.object({
  ...sessionShape,
  sections: z.array(section).describe('In the order played'),
  seeks: count,
  rebufferRatio: z.number().min(0).max(1).nullable(),
  bitrateBps: count.nullable(),
  switchesUp: count,
  switchesDown: count,
  errors: z.array(z.object({ code: z.string(), fatal: z.boolean(), count })),
  durationMs: milliseconds.nullable(),
  live: z.boolean().nullable(),
  referrerHost: z.string(),
  playerVersion: z.string(),
  bot: z.boolean(),
  meta: z.record(z.string(), z.unknown()),
  evidence: z.object({
    received: count,
    lost: count,
    duplicates: count,
    late: count,
    conflicts: count,
    limitHits: count,
    parts: count,
    foldVersion: count,
  }),
});

function figuresOf({ first, open, sums, ...whole }: SessionDetail<SessionPartRow>, session: string) {
  return {
    session,
    video: first.video === '' ? null : first.video,
    startedAt: isoOf(first.started_at),
    endedAt: isoOf(whole.endedAtMs),
    state: open ? ('provisional' as const) : ('sealed' as const),
    reason: open ? null : first.reason,
    attempts: sums.attempts,
    plays: sums.plays,
    uniqueWatchMs: whole.uniqueWatchMs,
    totalWatchMs: sums.total_watch_ms,
    completions: sums.completions,
    startupMs: whole.startupMs,
    stalls: sums.stalls,
    stallMs: sums.stall_ms,
    startFailures: sums.start_failures,
    playbackFailures: sums.playback_failures,
    exitsBeforeStart: sums.exits_before_start,
    sections: whole.sections.map(([, fromMs, toMs, startedAtMs, rateMilli]) => ({
      fromMs,
      toMs,
      startedAt: isoOf(startedAtMs),
      rate: rateMilli / 1_000,
    })),
    seeks: sums.seeks,
    rebufferRatio: sums.stall_ms + sums.total_watch_ms === 0 ? null : sums.stall_ms / (sums.stall_ms + sums.total_watch_ms),
    bitrateBps: wholeQuotient(sums.bitrate_kbps_ms * 1_000, sums.bitrate_known_ms),
    switchesUp: sums.switches_up,
    switchesDown: sums.switches_down,
    errors: whole.errors,
    evidence: {
      received: sums.received,
      lost: sums.lost,
      duplicates: sums.duplicates,
      late: sums.late,
      conflicts: sums.conflicts,
      limitHits: sums.limit_hits,
      parts: whole.parts,
      foldVersion: first.fold_version,
    },
  };
}

function contextOf(first: SessionPartRow) {
  return {
    country: first.country,
    region: first.region,
    browser: first.browser,
    platform: first.platform,
    device: first.device,
    source: first.source,
    medium: first.medium,
    campaign: first.campaign,
    page: first.page_host + first.page_path,
    player: first.player_name,
    protocol: first.protocol,
    durationMs: first.duration_ms,
    live: first.live,
    referrerHost: first.referrer_host,
    playerVersion: first.player_version,
    bot: first.bot,
    meta: first.meta,
  };
}

export const sessionRoute = route({
  method: 'get',
  path: '/v1/sessions/{session}',
  scope: 'query',
  summary: 'One session id: an entry per video, with sections and evidence',
  params: path,
  answer: freshAnswer(z.array(detail)),
  async handle({ caller, path: { session }, nowMs }, { answers }) {
    const freshness = await answers.freshness({ range: { fromMs: 0, toMs: nowMs } });
    const parts = await answers.ask(sessionParts(caller.site, session));
    if (parts.length === 0) throw notFound('This session');
    return { data: sessionDetails(parts).map((each) => ({ ...figuresOf(each, session), ...contextOf(each.first) })), freshness };
  },
});

const timelineEvent = z
  .object({
    seq: count.nullable(),
    type: z.string(),
    at: instant,
    receivedAt: instant,
    positionMs: milliseconds.nullable(),
    video: z.string().nullable(),
    late: z.boolean(),
    duplicates: count,
  })
  .loose()
  .describe('With the fields of its type, named as in a beacon');

const eventRow = ({ atMs, receivedAtMs, detail: fields, late, duplicates, ...event }: TimelineEvent) => ({
  seq: event.seq,
  type: event.type,
  at: isoOf(atMs),
  receivedAt: isoOf(receivedAtMs),
  positionMs: event.positionMs,
  video: event.video,
  ...fields,
  late,
  duplicates,
});

export const sessionEventsRoute = route({
  method: 'get',
  path: '/v1/sessions/{session}/events',
  scope: 'query',
  summary: 'Every event of a session id, in folded order',
  description: 'From the raw beacons, which have a retention of their own: an older session may have figures and no events.',
  params: path,
  query: z.strictObject(pageParameters),
  answer: freshAnswer(z.array(timelineEvent)).extend(nextShape),
  tabular: true,
  async handle({ caller, path: { session }, query, nowMs }, { answers, beaconReader }) {
    const { site } = caller;
    const freshness = await answers.freshness({ range: { fromMs: 0, toMs: nowMs } });
    const [own, parts] = await Promise.all([answers.ask(sessionBeacons(site, session)), answers.ask(sessionParts(site, session))]);
    // A visit's beacons are logged under its visitor's key of the day.
    const stream = own.length === 0 && parts.length > 0 ? streamOfVisit(session) : undefined;
    const rows = stream === undefined ? own : await answers.ask(sessionBeacons(site, stream));
    if (rows.length === 0 && parts.length === 0) throw notFound('This session');
    if (rows.length > SESSION_BEACONS_MAX)
      throw new ProblemError('too-many-rows', `The session has more than ${SESSION_BEACONS_MAX} beacons`, { limit: 'session_beacons' });
    const beacons = rows.flatMap(({ payload, append_at, partition, log_offset }): LoggedBeacon[] => {
      const beacon = beaconReader.read(site, stream ?? session, payload);
      const mine = beacon === undefined || stream === undefined ? beacon : eventsWithin(beacon, parts);
      return mine === undefined ? [] : [{ beacon: mine, appendAtMs: append_at, partition, offset: log_offset }];
    });
    const events = timelineOf(beacons, sealedBefore(parts));
    return { ...eventPage(events, query, cursorContext('session-events', site, { session })), freshness };
  },
});

/** What of a beacon happened during the visit, from its first hit to the last event of anything that was played; undefined = nothing. */
function eventsWithin(beacon: Beacon, parts: readonly SessionPartRow[]): Beacon | undefined {
  const from = Math.min(...parts.map(({ started_at }) => started_at));
  const to = Math.max(...parts.map(({ ended_at }) => ended_at));
  const base = beacon.baseAt < 0 ? beacon.receivedAt : beacon.baseAt;
  const events = beacon.events.filter(({ at }) => base + at >= from && base + at <= to);
  return events.length === 0 ? undefined : { ...beacon, events };
}

/** Whether part 0 of a video's session was sealed before this record was folded: time passes first, only a size limit is reached by folding. */
function sealedBefore(parts: readonly SessionPartRow[]) {
  const seals = new Map<string, { partition: number; offset: number; bySize: boolean }>();
  for (const part of parts)
    if (part.part === 0 && !part.open && part.source_offset !== null)
      seals.set(part.video, { partition: part.partition, offset: part.source_offset, bySize: part.reason === 'size' });
  return (video: string, record: { partition: number; offset: number }): boolean => {
    const seal = seals.get(video);
    return (
      seal !== undefined &&
      seal.partition === record.partition &&
      (seal.bySize ? record.offset > seal.offset : record.offset >= seal.offset)
    );
  };
}

function eventPage(events: readonly TimelineEvent[], query: { limit?: number | undefined; cursor?: string | undefined }, context: string) {
  const limit = pageLimit(query.limit);
  const after = query.cursor === undefined ? [0] : decodeCursor(context, query.cursor, ['number']);
  if (after === undefined) throw badCursor();
  const start = after[0] as number;
  const page = events.slice(start, start + limit);
  return { data: page.map(eventRow), next: start + limit < events.length ? encodeCursor(context, [start + limit]) : undefined };
}
