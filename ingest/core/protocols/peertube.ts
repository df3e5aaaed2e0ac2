// PeerTube's two player beacons → drafts: the watching beat, and the playback report. Both are one small JSON object; a field that is
// wrong refuses the whole request, as a PeerTube server does.
import { type BeaconEvent, UNKNOWN_DETAIL } from '../../../schemas/beacon.ts';
import { type Draft, NO_DRAFT_CONTEXT } from '../draft.ts';
import { objectOf } from '../fields.ts';
import { INT_MAX, PLAYER_BYTES_MAX } from '../limits.ts';
import { textOf } from '../text.ts';
import { numberOf } from '../values.ts';

/** A field that cannot be used, as a problem lists it. */
export type FieldProblem = { ok: false; pointer: string; detail: string };

/** A watching beat as sent; '' = not said. */
export type Beat = {
  /** Whole seconds of the media timeline. */
  currentTime: number;
  seek: boolean;
  sessionId: string;
  client: string;
  operatingSystem: string;
  device: string;
};

/** What the site knows of the video; -1 = unknown. */
export type VideoKnown = { video: string; durationMs: number; live: number };

/** Counters that a player added up since its last report, and what they were measured under. */
export type PlaybackReport = {
  videoId: string;
  playerMode: string;
  p2pEnabled: boolean;
  resolution: number;
  /** -1 = not said. */
  fps: number;
  p2pPeers: number;
  counters: Readonly<Record<PlaybackCounter, number>>;
};

/** Counters of a playback report, by the names under which they are kept; each with the name PeerTube's player sends. */
export const PLAYBACK_COUNTERS = {
  errors: { field: 'errors', required: true },
  resolutionChanges: { field: 'resolutionChanges', required: true },
  stalls: { field: 'bufferStalled', required: false },
  bytesHttp: { field: 'downloadedBytesHTTP', required: true },
  bytesP2p: { field: 'downloadedBytesP2P', required: true },
  bytesP2pSent: { field: 'uploadedBytesP2P', required: true },
} as const;
export type PlaybackCounter = keyof typeof PLAYBACK_COUNTERS;

const SESSION = /^[A-Za-z0-9-]+$/;
const SESSION_CHARACTERS_MAX = 1024;
const CLIENT_CHARACTERS_MAX = 200;
const PLAYER_MODE_CHARACTERS_MAX = 64;
const DEVICES: ReadonlySet<string> = new Set(['console', 'embedded', 'mobile', 'smarttv', 'tablet', 'wearable', 'xr', 'desktop']);

const problem = (pointer: string, detail: string): FieldProblem => ({ ok: false, pointer, detail });
const isProblem = (value: unknown): value is FieldProblem => typeof value === 'object' && value !== null && 'ok' in value;

/** Reads a beat. Whether its time lies within the video is checkPlace's question. Never throws. */
export function readBeat(body: unknown): { ok: true; beat: Beat } | FieldProblem {
  const fields = objectOf(body);
  if (fields === undefined) return problem('', 'must be an object');
  const currentTime = secondsOf(fields['currentTime']);
  if (currentTime === undefined) return problem('/currentTime', 'must be a whole number of seconds >= 0');
  const viewEvent = fields['viewEvent'] ?? undefined;
  if (viewEvent !== undefined && viewEvent !== 'seek') return problem('/viewEvent', 'must be "seek" or absent');
  const sessionId = fields['sessionId'] ?? '';
  if (typeof sessionId !== 'string' || (fields['sessionId'] != null && !SESSION.test(sessionId)))
    return problem('/sessionId', 'must be made of letters, digits and dashes');
  if (sessionId.length > SESSION_CHARACTERS_MAX) return problem('/sessionId', `must be at most ${SESSION_CHARACTERS_MAX} characters`);
  const client = nameOf(fields, 'client');
  if (isProblem(client)) return client;
  const operatingSystem = nameOf(fields, 'operatingSystem');
  if (isProblem(operatingSystem)) return operatingSystem;
  const device = fields['device'];
  const known = typeof device === 'string' && DEVICES.has(device) ? device : '';
  return { ok: true, beat: { currentTime, seek: viewEvent === 'seek', sessionId, client, operatingSystem, device: known } };
}

/** A number or numeric text, cut to whole seconds; undefined if it is none, or negative. */
function secondsOf(value: unknown): number | undefined {
  const seconds = numberOf(value);
  return seconds >= 0 ? Math.floor(seconds) : undefined;
}

function nameOf(fields: Readonly<Record<string, unknown>>, name: string): string | FieldProblem {
  const value = fields[name] ?? undefined;
  if (value === undefined) return '';
  if (typeof value !== 'string' || value.length < 1 || value.length > CLIENT_CHARACTERS_MAX)
    return problem(`/${name}`, `must be text of 1 to ${CLIENT_CHARACTERS_MAX} characters`);
  return textOf(value, PLAYER_BYTES_MAX);
}

/** Is the beat inside the video? A live video and one of unknown length have no end. */
export function checkPlace({ currentTime }: Beat, { durationMs, live }: VideoKnown): FieldProblem | undefined {
  if (live === 1 || durationMs <= 0 || currentTime <= Math.ceil(durationMs / 1000)) return undefined;
  return problem('/currentTime', `must be at most ${Math.ceil(durationMs / 1000)}, the duration of the video`);
}

/**
 * The draft of a beat. Every plain beat says `playing`: to a session that plays already this is a heartbeat, and whether a beat is the
 * first one is known only where the session is folded. `vouched`: advances are taken as watched whatever time passed.
 */
export function beatDraft(beat: Beat, video: VideoKnown, options: { session: string; vouched: boolean }): Draft {
  const onDemand = video.live !== 1 && video.durationMs > 0;
  const asked = Math.min(INT_MAX, beat.currentTime * 1000);
  const positionMs = onDemand ? Math.min(asked, video.durationMs) : asked;
  const vouch = options.vouched ? { ...UNKNOWN_DETAIL, flag: 1 } : null;
  const events: BeaconEvent[] = [];
  if (beat.seek) events.push({ type: 'seek', seq: -1, at: 0, positionMs: -1, detail: { ...UNKNOWN_DETAIL, toMs: positionMs } });
  const atEnd = onDemand && beat.currentTime >= Math.floor(video.durationMs / 1000);
  events.push({ type: atEnd ? 'ended' : 'playing', seq: -1, at: 0, positionMs, detail: vouch });
  return {
    index: 0,
    protocol: 'peertube',
    session: options.session,
    video: video.video,
    sentAt: -1,
    baseAt: -1,
    context: {
      ...NO_DRAFT_CONTEXT,
      durationMs: video.live === 1 ? -1 : video.durationMs,
      live: video.live,
      browser: beat.client,
      platform: beat.operatingSystem,
      device: beat.device,
    },
    events,
    rejects: [],
    ignoredFields: 0,
    key: '',
  };
}

/** Reads a playback report. Never throws. */
export function readPlayback(body: unknown): { ok: true; report: PlaybackReport } | FieldProblem {
  const fields = objectOf(body);
  if (fields === undefined) return problem('', 'must be an object');
  const { playerMode, p2pEnabled } = fields;
  if (typeof playerMode !== 'string' || playerMode.length < 1 || playerMode.length > PLAYER_MODE_CHARACTERS_MAX)
    return problem('/playerMode', `must be text of 1 to ${PLAYER_MODE_CHARACTERS_MAX} characters`);
  if (typeof p2pEnabled !== 'boolean') return problem('/p2pEnabled', 'must be true or false');
  const id = fields['videoId'];
  const videoId = typeof id === 'string' ? id : typeof id === 'number' && Number.isSafeInteger(id) ? String(id) : '';
  if (videoId === '') return problem('/videoId', 'is required');
  const counters: Partial<Record<PlaybackCounter, number>> = {};
  for (const [counter, { field, required }] of Object.entries(PLAYBACK_COUNTERS)) {
    const value = countOf(fields[field]);
    if (value === undefined || (value < 0 && required)) return problem(`/${field}`, 'must be a whole number >= 0');
    counters[counter as PlaybackCounter] = Math.max(0, value);
  }
  const numbers: Record<string, number> = {};
  for (const name of ['resolution', 'fps', 'p2pPeers']) {
    const value = countOf(fields[name]);
    if (value === undefined || (value < 0 && name === 'resolution')) return problem(`/${name}`, 'must be a whole number >= 0');
    numbers[name] = value;
  }
  const { resolution = -1, fps = -1, p2pPeers = -1 } = numbers;
  const mode = textOf(playerMode, PLAYER_MODE_CHARACTERS_MAX);
  return {
    ok: true,
    report: {
      videoId,
      playerMode: mode,
      p2pEnabled,
      resolution,
      fps,
      p2pPeers,
      counters: counters as Record<PlaybackCounter, number>,
    },
  };
}

/** A whole number >= 0, -1 for a missing one, undefined for anything else. */
function countOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return -1;
  const number = numberOf(value);
  return number >= 0 && number <= Number.MAX_SAFE_INTEGER ? Math.round(number) : undefined;
}

/** Name under which the query layer adds up what players report of themselves. */
const REPORTED_EVENT_NAME = 'reported';

/**
 * The draft of a report: one custom event whose numbers are the counters (they add up) and whose texts say what they were measured
 * under (they do not).
 */
export function playbackDraft(report: PlaybackReport, options: { session: string; video: string }): Draft {
  const text = JSON.stringify({
    ...report.counters,
    resolution: String(report.resolution),
    ...(report.fps < 0 ? {} : { fps: String(report.fps) }),
    ...(report.p2pPeers < 0 ? {} : { p2pPeers: String(report.p2pPeers) }),
    playerMode: report.playerMode,
    p2pEnabled: report.p2pEnabled,
  });
  return {
    index: 0,
    protocol: 'peertube',
    session: options.session,
    video: options.video,
    sentAt: -1,
    baseAt: -1,
    context: { ...NO_DRAFT_CONTEXT },
    events: [{ type: 'custom', seq: -1, at: 0, positionMs: -1, detail: { ...UNKNOWN_DETAIL, name: REPORTED_EVENT_NAME, text } }],
    rejects: [],
    ignoredFields: 0,
    key: '',
  };
}
