// PeerTube's door: the watching beats of its player, and its playback reports. Answers as a PeerTube server does: 204, or a problem.

import { peertubeIdOf } from '../../schemas/peertube-ids.ts';
import type { OwnedDraft } from '../collect.ts';
import { sessionIdOf } from '../core/draft.ts';
import { addressPrefix } from '../core/place.ts';
import {
  beatDraft,
  checkPlace,
  type FieldProblem,
  playbackDraft,
  readBeat,
  readPlayback,
  type VideoKnown,
} from '../core/protocols/peertube.ts';
import type { ViewerParts } from '../core/viewer.ts';
import type { WriteKey } from '../keys.ts';
import type { PlaybackMetrics } from '../playback-metrics.ts';
import { type ProblemType, problemReply, traceIdOf } from '../problem.ts';
import type { DoorSettings } from '../sites.ts';
import type { Videos } from '../videos.ts';
import type { Door, DoorDeps, DoorReply, DoorRequest, Route } from './door.ts';
import { failure, failureOf, problemOf } from './failure.ts';
import { readJson, type Unread } from './read.ts';

export type PeertubeDeps = DoorDeps & {
  videos: Videos;
  playback: PlaybackMetrics;
  /** Keyed hash under the salt of the day, '' while there is none. */
  viewer: (parts: ViewerParts, receivedAt: number) => string;
  settings: { jumps: 'split' | 'credit' };
};

/** What a site may set of this door. Anything of another type is taken as not set. */
type SiteSettings = {
  /** Videos that the site has never heard of are taken. */
  createVideos: boolean;
  /** The player's own session id is believed. */
  trustSessionId: boolean;
  jumps: 'split' | 'credit';
};

const BEAT = /^\/api\/v1\/videos\/(?<id>[^/]{1,1024})\/(?:views|watching)$/;
const PLAYBACK = '/api/v1/metrics/playback';
const RETRY_SECONDS = 2;

export function createPeertubeDoor(deps: PeertubeDeps): Door {
  const beat = (method: Route['method']): Route => ({ method, path: BEAT, handle: (request) => handleBeat(deps, request) });
  return {
    protocol: 'peertube',
    routes: [beat('POST'), beat('PUT'), { method: 'POST', path: PLAYBACK, handle: (request) => handlePlayback(deps, request) }],
  };
}

type Refused = { ok: false; reply: DoorReply };
type Site = { ok: true; key: WriteKey; settings: SiteSettings };

async function handleBeat(deps: PeertubeDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const read = await readJson(request);
  if (!read.ok) return unread(deps, request, read);
  const site = siteOf(deps, request);
  if (!site.ok) return site.reply;
  const parsed = readBeat(read.value);
  if (!parsed.ok) return wrongField(deps, request, parsed);
  const { beat } = parsed;
  const video = await videoOf(deps, request, site, decoded(BEAT.exec(request.path)?.groups?.['id'] ?? ''));
  if (!video.ok) return video.reply;
  const outside = checkPlace(beat, video.known);
  if (outside !== undefined) return wrongField(deps, request, outside);
  const trusted = beat.sessionId !== '' && site.settings.trustSessionId;
  const session = trusted ? sessionIdOf(beat.sessionId, deps.hashId) : sessionOfNetwork(deps, request, site, video.known.video);
  if (session === '') return notReady(deps, request);
  const draft = beatDraft(beat, video.known, { session, vouched: site.settings.jumps === 'credit' });
  return answer(deps, request, { draft, key: site.key });
}

async function handlePlayback(deps: PeertubeDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const read = await readJson(request);
  if (!read.ok) return unread(deps, request, read);
  const site = siteOf(deps, request);
  if (!site.ok) return site.reply;
  const parsed = readPlayback(read.value);
  if (!parsed.ok) return wrongField(deps, request, parsed);
  const { report } = parsed;
  const video = await videoOf(deps, request, site, report.videoId);
  if (!video.ok) return video.reply;
  const session = sessionOfNetwork(deps, request, site, `${video.known.video} playback`);
  if (session === '') return notReady(deps, request);
  const reply = await answer(deps, request, { draft: playbackDraft(report, { session, video: video.known.video }), key: site.key });
  if (reply.status === 204) deps.playback.report(video.known.video, report);
  return reply;
}

function siteOf(deps: PeertubeDeps, request: DoorRequest): Site | Refused {
  const found = deps.sites.siteOf(request, 'peertube', []);
  if (found.ok) return { ok: true, key: found.key, settings: settingsOf(found.settings, deps.settings) };
  deps.metrics.beacons('dropped', found.reason.replaceAll('-', '_'), 1);
  const detail =
    found.reason === 'unknown-key'
      ? 'Name a write key: `/k/<key>` before the path, or an alias of the host name (playhead sites alias).'
      : 'The key does not list this origin.';
  const cors = found.reason === 'origin-not-allowed' ? { cors: false } : {};
  return { ok: false, reply: problemReply(found.reason, { detail, traceId: traceOf(deps, request), ...cors }) };
}

function settingsOf(given: DoorSettings, fallback: PeertubeDeps['settings']): SiteSettings {
  const { createVideos, trustSessionId, jumps } = given;
  return {
    createVideos: createVideos !== false,
    trustSessionId: trustSessionId !== false,
    jumps: jumps === 'split' || jumps === 'credit' ? jumps : fallback.jumps,
  };
}

type FoundVideo = { ok: true; known: VideoKnown };

/** The video that an id means: as the site knows it, else created on sight if its id is one that PeerTube makes. */
async function videoOf(deps: PeertubeDeps, request: DoorRequest, site: Site, text: string): Promise<FoundVideo | Refused> {
  const { form, id } = peertubeIdOf(text);
  const known = id === '' ? undefined : await deps.videos.find(site.key.site, id);
  if (known !== undefined && known !== 'unavailable') {
    return { ok: true, known: { video: known.id, durationMs: known.durationMs, live: known.live } };
  }
  if (site.settings.createVideos && form !== 'other') return { ok: true, known: { video: id, durationMs: -1, live: -1 } };
  if (known === 'unavailable') return { ok: false, reply: notReady(deps, request) };
  deps.metrics.beacons('dropped', 'unknown_video', 1);
  return { ok: false, reply: problemReply('unknown-video', { detail: 'The site has no such video.', traceId: traceOf(deps, request) }) };
}

/** A session of its own for what players of one network and browser say of one video, for a day at most: '' without a salt. */
function sessionOfNetwork(deps: PeertubeDeps, request: DoorRequest, site: Site, about: string): string {
  const parts = [addressPrefix(request.address), request.userAgent, about].map((part) => `${part.length}:${part}`);
  return deps.viewer({ site: site.key.site, person: `peertube ${parts.join('')}`, address: '', userAgent: '' }, request.receivedAt);
}

async function answer(deps: PeertubeDeps, request: DoorRequest, owned: OwnedDraft): Promise<DoorReply> {
  const failed = failureOf(await deps.collector.collect([owned], request));
  return failed === undefined ? { status: 204 } : problemOf(failed, traceOf(deps, request));
}

function unread(deps: PeertubeDeps, request: DoorRequest, read: Unread): DoorReply | undefined {
  if (read.kind === 'aborted') return undefined;
  if (read.kind === 'limit') {
    deps.metrics.limitHit(read.limit);
    return refuse(deps, request, 'too-large', `Limit ${read.limit}: ${read.detail}.`);
  }
  return refuse(deps, request, read.kind === 'encoding' ? 'unsupported-encoding' : 'invalid-body', read.detail);
}

function wrongField(deps: PeertubeDeps, request: DoorRequest, { pointer, detail }: FieldProblem): DoorReply {
  return refuse(deps, request, 'invalid-body', `${pointer === '' ? 'The body' : pointer.slice(1)} ${detail}.`, [{ pointer, detail }]);
}

function refuse(
  deps: PeertubeDeps,
  request: DoorRequest,
  type: ProblemType,
  detail: string,
  errors: readonly { pointer: string; detail: string }[] = [],
): DoorReply {
  deps.metrics.beacons('dropped', type.replaceAll('-', '_'), 1);
  return problemReply(type, { detail, traceId: traceOf(deps, request), errors });
}

function notReady(deps: PeertubeDeps, request: DoorRequest): DoorReply {
  deps.metrics.beacons('dropped', 'not_ready', 1);
  return problemOf(failure('overloaded', 'The gateway cannot take this now. Nothing was taken.', RETRY_SECONDS), traceOf(deps, request));
}

/** A part of a path as text; what cannot be decoded stays as it is, and is then no video. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const traceOf = (deps: PeertubeDeps, request: DoorRequest): string => traceIdOf(request.headers['traceparent'], deps.uuid);
