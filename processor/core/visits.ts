// Visits: where hits are stamped (schemas/visits.ts), one stream is one visitor of a site and its hits are cut into visits here, by SPEC.md VS1 to VS9.
// A visit is a session without a video; what is played during it are sessions of their own with its id. Everything that decides is in the
// record: the date, the source and what the client orders are stamped by the gateway, times are event times.
import type { BeaconEvent } from '../../schemas/beacon.ts';
import type { VisitStamp } from '../../schemas/visits.ts';
import { inheritTraffic, refineFirst } from './context.ts';
import type { FoldDeadReason, Step } from './emit.ts';
import { emitSealed } from './emit.ts';
import { openPartOf, partAt } from './parts.ts';
import { publish } from './publish.ts';
import { hitLimit } from './session.ts';
import { settingOf } from './settings.ts';
import type { BeaconSource, Session, State, Stream, Visit } from './state.ts';
import { anchorClock, backdateMaxMs, CLOCK_DISORDER_MAX_MS } from './time.ts';

/** Visits that a stream remembers for hits that come late; beyond, the oldest is let go. */
export const VISITS_MAX = 16;

/** A stamped event on its way to its part. */
export type Hit = { source: BeaconSource; event: BeaconEvent; stamp: VisitStamp; arrivedAtActive: number };

/** The part that is to fold a stamped event: that of its visit, or of its video within the visit. */
export function visitPartFor(step: Step, stream: Stream, hit: Hit): Session | FoldDeadReason {
  const { source, event, stamp, arrivedAtActive } = hit;
  const at = timeOf(step.state, stream.site, source, event);
  const visit = visitFor(step, stream, hit, at);
  const isHit = event.type === 'custom';
  const place = { video: isHit ? '' : source.video, visitId: visit.id, line: 'main' as const };
  const session = partAt(step, stream, place, source, event, arrivedAtActive);
  if (at > visit.lastAt) visit.lastAt = at;
  if (at < visit.startedAt) visit.startedAt = at;
  if (typeof session === 'string') return session;
  if (!isHit) {
    const whole = session.received === 0 ? openPartOf(stream, '', 'main', visit.id) : undefined;
    if (whole !== undefined) inheritTraffic(session.context, whole.context);
    return session;
  }
  if (session.part === 0 && at < session.video.startedAt) {
    session.video.startedAt = at;
    session.firstAt = at;
  }
  // A late hit of a visit that is over: its supplement has nothing to wait for.
  if (visit.over) session.state = 'left';
  if (stamp.order === 'end' && visit.id === stream.visits.at(-1)?.id) endVisit(step.state, stream, visit);
  return session;
}

/** Folds a hit into its visit. Returns its event time, epoch ms. */
export function foldHit(state: State, session: Session, source: BeaconSource, event: BeaconEvent, stamp: VisitStamp): number {
  const { context } = session;
  if (source.protocol !== 'unknown' && context.protocol === 'unknown') context.protocol = source.protocol;
  if (source.context !== null) {
    const complete = refineFirst(context, source.context, {
      metaKeysMax: state.settings.metaKeysMax,
      texts: state.texts,
      opens: session.received === 1,
    });
    if (!complete) hitLimit(state, session, 'metaKeysMax', 1);
  }
  const at = timeOf(state, session.stream.site, source, event);
  if (stamp.interactive && at > session.nowAt) session.nowAt = at;
  return at;
}

/** Event time of a hit: what its beacon says, or receipt where that cannot be believed. Visits have no clock of their own to correct. */
const timeOf = (state: State, site: string, source: BeaconSource, event: BeaconEvent): number =>
  anchorClock(source, event, backdateMaxMs(state, site, source)).startedAt;

function visitFor(step: Step, stream: Stream, hit: Hit, at: number): Visit {
  const current = stream.visits.at(-1);
  if (current === undefined) return openVisit(step, stream, hit, at);
  const idleGapMs = settingOf(step.state, 'idleGapMs', stream.site, hit.source.protocol);
  if (at < current.startedAt) return earlierVisit(stream.visits, at, idleGapMs) ?? openVisit(step, stream, hit, at);
  if (goesOn(current, hit.stamp, at, idleGapMs)) return current;
  endVisit(step.state, stream, current);
  return openVisit(step, stream, hit, at);
}

/** Does a hit that is no older than the current visit belong to it? One that comes late joins what it happened in. */
function goesOn(visit: Visit, { kind, order, day, source }: VisitStamp, at: number, idleGapMs: number): boolean {
  if (kind === 'session' || at < visit.lastAt - (visit.over ? 0 : CLOCK_DISORDER_MAX_MS)) return true;
  if (visit.over || at - visit.lastAt >= idleGapMs) return false;
  if (kind === 'event') return true;
  if (order === 'start' || day !== visit.day) return false;
  return source === '' || source === visit.source;
}

/** The visit during which an older hit happened, or from which it is less than the idle gap away; undefined = it was a visit of its own. */
function earlierVisit(visits: readonly Visit[], at: number, idleGapMs: number): Visit | undefined {
  return (
    visits.findLast(({ startedAt, lastAt }) => startedAt <= at && at < Math.max(lastAt + 1, lastAt + idleGapMs)) ??
    visits.find(({ startedAt }) => at < startedAt && startedAt - at < idleGapMs)
  );
}

function openVisit(step: Step, stream: Stream, { stamp }: Hit, at: number): Visit {
  const current = stream.visits.at(-1);
  let id = current !== undefined && at >= current.startedAt && at <= current.id ? current.id + 1 : at;
  while (stream.visits.some((other) => other.id === id)) id++;
  const visit: Visit = { id, startedAt: at, lastAt: at, day: stamp.day, source: stamp.source, over: false };
  const place = stream.visits.findIndex((other) => other.startedAt > at);
  stream.visits = place < 0 ? [...stream.visits, visit] : stream.visits.toSpliced(place, 0, visit);
  if (stream.visits.length > VISITS_MAX) letGo(step, stream, visit);
  return visit;
}

/** Forgets the oldest visit but this one; what is still open of it is sealed. */
function letGo(step: Step, stream: Stream, keep: Visit): void {
  const oldest = stream.visits.find((visit) => visit !== keep) as Visit;
  step.state.limits.videosPerStreamMax++;
  for (const session of stream.sessions.filter(({ video }) => video.visitId === oldest.id)) emitSealed(step, session, 'size');
  stream.visits = stream.visits.filter((visit) => visit !== oldest);
  stream.videos = stream.videos.filter(({ visitId }) => visitId !== oldest.id);
}

/** A visit that is over is sealed after the leave linger; what still plays goes on as long as it says so. */
function endVisit(state: State, stream: Stream, visit: Visit): void {
  visit.over = true;
  for (const session of stream.sessions) {
    if (session.video.visitId !== visit.id || session.video.video !== '') continue;
    session.state = 'left';
    publish(state, session);
  }
}
