// Which part of which video an event belongs to, and opening it: part 0 is the session, any further one a supplement (D18).
import type { BeaconEvent } from '../../schemas/beacon.ts';
import type { FoldDeadReason, Step } from './emit.ts';
import { emitSealed } from './emit.ts';
import { hitLimit } from './session.ts';
import type { BeaconSource, Line, Session, State, Stream, VideoRecord } from './state.ts';
import { createSession } from './state.ts';
import { anchorClock, backdateMaxMs, supplementTime } from './time.ts';

/** Visit id of what belongs to no visit. */
const NO_VISIT = -1;

/** What an event belongs to, beside its stream. */
export type Place = { video: string; visitId: number; line: Line };

/** The open part of a video on a line, if there is one. */
export function openPartOf(stream: Stream, video: string, line: Line, visitId = NO_VISIT): Session | undefined {
  for (const session of stream.sessions) {
    if (session.line === line && session.video.video === video && session.video.visitId === visitId) return session;
  }
  return undefined;
}

/** The part that is to fold this event, opened if need be, or why there can be none. */
export function partFor(
  step: Step,
  stream: Stream,
  source: BeaconSource,
  event: BeaconEvent,
  line: Line,
  arrivedAtActive: number,
): Session | FoldDeadReason {
  const { state } = step;
  if (source.video !== '' && line === 'main') nameLate(state, stream, source.video);
  const video = source.video !== '' ? source.video : stream.currentVideo;
  return partAt(step, stream, { video, visitId: NO_VISIT, line }, source, event, arrivedAtActive);
}

/** The part at a place, opened if there is none or if it is full. */
export function partAt(
  step: Step,
  stream: Stream,
  place: Place,
  source: BeaconSource,
  event: BeaconEvent,
  arrivedAtActive: number,
): Session | FoldDeadReason {
  const { state } = step;
  const open = openPartOf(stream, place.video, place.line, place.visitId);
  if (open !== undefined) {
    if (open.received < state.settings.partEventsMax) return open;
    hitLimit(state, open, 'partEventsMax', 1);
    emitSealed(step, open, 'size');
  }
  return openPart(state, stream, place, source, event, arrivedAtActive);
}

function openPart(
  state: State,
  stream: Stream,
  { video, visitId, line }: Place,
  source: BeaconSource,
  event: BeaconEvent,
  arrivedAtActive: number,
): Session | FoldDeadReason {
  const known = stream.videos.find((record) => record.video === video && record.visitId === visitId);
  if (known === undefined && stream.videos.length >= state.settings.videosPerStreamMax) {
    state.limits.videosPerStreamMax++;
    return 'videos_limit';
  }
  if (known !== undefined && known.nextPart >= state.settings.partsMax) {
    state.limits.partsMax++;
    return 'parts_limit';
  }
  const backMaxMs = backdateMaxMs(state, stream.site, source);
  const record = known ?? createVideo(stream, { video, visitId }, source, event, backMaxMs);
  const at = known === undefined ? record.startedAt : supplementTime(known, source, event, backMaxMs);
  const session = createSession(stream, record, { line, part: record.nextPart++, nowAt: at, activeTime: arrivedAtActive });
  session.duplicates = stream.heldDuplicates;
  session.conflicts = stream.heldConflicts;
  stream.heldDuplicates = 0;
  stream.heldConflicts = 0;
  addTo(stream, session);
  state.openSessions++;
  return session;
}

/** Most streams have one open part: see createVideo for why not simply push. */
export function addTo(stream: Stream, session: Session): void {
  if (stream.sessions.length === 0) stream.sessions = [session];
  else stream.sessions.push(session);
}

function createVideo(
  stream: Stream,
  { video, visitId }: Pick<Place, 'video' | 'visitId'>,
  source: BeaconSource,
  event: BeaconEvent,
  backMaxMs: number,
): VideoRecord {
  const record = { video, ...anchorClock(source, event, backMaxMs), durationMs: -1, live: -1, nextPart: 0, visitId, flags: 0 };
  // A literal array takes one place, a pushed one seventeen; most streams have one video.
  if (stream.videos.length === 0) stream.videos = [record];
  else stream.videos.push(record);
  return record;
}

/** Events without a video wait for the first id: it names them, unless a part has gone out without one (protocols.md 0.3). */
function nameLate(state: State, stream: Stream, video: string): void {
  const only = stream.videos[0];
  if (only === undefined || stream.videos.length > 1 || only.video !== '' || only.nextPart !== 1 || stream.sessions.length !== 1) return;
  state.gone.push({ site: stream.site, session: stream.session, video: '', part: 0 });
  only.video = video;
  stream.currentVideo = video;
  for (const hole of stream.holes) if (hole.part === 0 && hole.video === '') hole.video = video;
}
