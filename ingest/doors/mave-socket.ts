// mave's socket door (protocols.md section 3): Phoenix channels, one per video element, named after the session. A connection knows only its
// channels; who was playing when it broke, and whether they come back, is the fold's affair: a break is a `leave` that a sign of life (a
// beacon without events) undoes, whichever gateway they come back to.
import { LRUCache } from 'lru-cache';
import type { Scheduler } from '../../infra/runtime/ports.ts';
import type { BeaconEvent } from '../../schemas/beacon.ts';
import { type Draft, sessionIdOf } from '../core/draft.ts';
import {
  type ChannelMemory,
  NEW_CHANNEL,
  readJoin,
  readPush,
  type SocketJoin,
  sessionOfTopic,
  videoOfJoin,
} from '../core/protocols/mave-socket.ts';
import { endOf, type Frame, type FrameVersion, frameVersionOf, readFrame, replyTo, writeFrame } from '../core/protocols/phoenix.ts';
import type { WriteKey } from '../keys.ts';
import { createOutbox, type Outbox } from '../outbox.ts';
import type { Door, DoorDeps, DoorRequest } from './door.ts';
import type { SocketHandler } from './socket.ts';

/** Channels of one connection: video elements of one page. */
export const CHANNELS_MAX = 100;
/** Drafts of one connection waiting for the log. */
const QUEUE_MAX = 256;
/** Frames of one connection remembered to recognise one that is said again. */
const FRAMES_REMEMBERED_MAX = 64;
/** Events before the first play that wait for it. */
const HELD_EVENTS_MAX = 16;
/** Topics remembered after their connection, to know whether a play was ever told. */
const TOPICS_MAX = 100_000;
/** A channel that came back without a word is announced as alive for this long: a late end of its old connection is undone by then. */
const RETURN_MS = 180_000;
/** The client numbers what it sends from here on. */
const FIRST_REF = 3;

export type MaveSocketDeps = DoorDeps & {
  scheduler: Pick<Scheduler, 'after' | 'monotonicMs'>;
  /** How long after its end a connection's last words are tried. */
  closeTimeoutMs: number;
};

type Channel = {
  topic: string;
  joinRef: string | null;
  join: SocketJoin;
  session: string;
  video: string;
  key: WriteKey;
  memory: ChannelMemory;
  /** The session is (or may be) in the log: something was told on this connection, or on one before it. */
  known: boolean;
  /** The last word was a play; undefined = it was on another connection. */
  playing: boolean | undefined;
  joinedAt: number;
  held: { events: BeaconEvent[]; at: number; receivedAt: number }[];
};

type Connection = {
  deps: Shared;
  request: DoorRequest;
  version: FrameVersion;
  sourceUrl: string;
  send: (frame: Frame) => void;
  outbox: Outbox;
  channels: Map<string, Channel>;
  joins: number;
  /** Hashes of the last event frames, the oldest first. */
  heard: string[];
};

/** What the connections of one gateway share: who holds a topic now, and whether it ever played. */
type Shared = MaveSocketDeps & { holders: Map<string, Connection>; played: LRUCache<string, boolean> };

export function createMaveSocketDoor(deps: MaveSocketDeps): Door {
  const shared: Shared = { ...deps, holders: new Map(), played: new LRUCache({ max: TOPICS_MAX }) };
  return {
    protocol: 'mave_socket',
    routes: [],
    sockets: [{ path: '/socket/websocket', open: (request, send) => open(shared, request, send) }],
  };
}

function open(deps: Shared, request: DoorRequest, send: (text: string) => void): SocketHandler | number {
  const sourceUrl = request.query.get('source_url') ?? '';
  if (sourceUrl === '') return 403;
  const version = frameVersionOf(request.query.get('vsn'));
  const connection: Connection = {
    deps,
    request: joinRequestOf(request),
    version,
    sourceUrl,
    send: (frame) => send(writeFrame(frame, version)),
    outbox: createOutbox({
      collect: ({ owned, receivedAt }) => deps.collector.collect([owned], { ...request, receivedAt }),
      scheduler: deps.scheduler,
      queueMax: QUEUE_MAX,
      closeTimeoutMs: deps.closeTimeoutMs,
      onLost: (why) => lose(deps, why),
    }),
    channels: new Map(),
    joins: 0,
    heard: [],
  };
  return {
    message: (text, receivedAt) => receive(connection, text, receivedAt),
    unreadable: () => deps.metrics.oddity('mave_socket', 'binary_frame', 1),
    check: () => checkKeys(connection),
    closed: (at) => close(connection, at),
  };
}

/** The key of a join is the one in its payload, not the copy of it in the address. */
function joinRequestOf(request: DoorRequest): DoorRequest {
  const query = new URLSearchParams(request.query);
  query.delete('key');
  return { ...request, query };
}

function lose({ metrics }: Shared, why: 'queue' | 'too_large' | 'closed' | 'fault'): void {
  if (why === 'queue') metrics.limitHit('socket_queue');
  metrics.beacons('dropped', `socket_${why}`, 1);
}

function receive(connection: Connection, text: string, receivedAt: number): void {
  const { metrics } = connection.deps;
  const frame = readFrame(text, connection.version);
  if (frame === undefined) return metrics.oddity('mave_socket', 'unreadable_frame', 1);
  if (frame.topic === 'phoenix') return heartbeat(connection, frame, receivedAt);
  if (frame.event === 'phx_join') return join(connection, frame, receivedAt);
  const channel = connection.channels.get(frame.topic);
  if (channel === undefined) {
    metrics.oddity('mave_socket', 'unmatched_topic', 1);
    return connection.send(replyTo(frame, 'error', { reason: 'unmatched topic' }));
  }
  if (frame.event === 'phx_leave') {
    connection.send(replyTo(frame, 'ok'));
    connection.send(endOf(channel.joinRef, channel.topic, 'phx_close'));
    depart(connection, channel, receivedAt, receivedAt);
    return forget(connection, channel);
  }
  // An even older client names its events with nothing at all.
  if (frame.event !== 'event' && frame.event !== '') return metrics.oddity('mave_socket', 'unknown_event', 1);
  if (frame.ref !== null && isRepeated(connection, text)) return metrics.oddity('mave_socket', 'repeated_frame', 1);
  push(connection, channel, frame.payload, receivedAt);
}

/** A client numbers what it says on a connection: the same words under the same number are a copy. */
function isRepeated({ deps, heard }: Connection, text: string): boolean {
  const hash = deps.hashId(text);
  if (heard.includes(hash)) return true;
  if (heard.push(hash) > FRAMES_REMEMBERED_MAX) heard.shift();
  return false;
}

function heartbeat(connection: Connection, frame: Frame, receivedAt: number): void {
  if (frame.event !== 'heartbeat') return connection.send(replyTo(frame, 'error', { reason: 'unmatched topic' }));
  connection.send(replyTo({ ...frame, joinRef: null }, 'ok'));
  for (const channel of connection.channels.values()) {
    const back = channel.playing === undefined && channel.known && receivedAt - channel.joinedAt < RETURN_MS;
    if (channel.playing === true || back) showLife(connection, channel, receivedAt);
  }
}

function join(connection: Connection, frame: Frame, receivedAt: number): void {
  const { deps, channels } = connection;
  const refuse = (reason: string): void => {
    deps.metrics.oddity('mave_socket', `join_${reason.split(' ')[0]}`, 1);
    connection.send(replyTo(frame, 'error', { reason }));
  };
  if (sessionOfTopic(frame.topic) === '') return refuse('unmatched topic');
  const read = readJoin(frame.topic, frame.payload, connection.sourceUrl);
  if (read === undefined) return refuse('missing parameters and/or invalid host');
  const found = deps.sites.siteOf(connection.request, 'mave_socket', [read.key], { ownIdOnly: true });
  if (!found.ok) return refuse(found.reason === 'unknown-key' ? 'invalid key' : 'missing parameters and/or invalid host');
  const before = channels.get(frame.topic);
  if (before === undefined && channels.size >= CHANNELS_MAX) {
    deps.metrics.limitHit('channels');
    return refuse('too many topics');
  }
  if (before !== undefined) connection.send(endOf(before.joinRef, before.topic, 'phx_close'));
  const name = `${found.key.site}/${frame.topic}`;
  const channel: Channel = {
    topic: frame.topic,
    joinRef: frame.joinRef,
    join: read,
    session: sessionIdOf(read.session, deps.hashId),
    video: videoOfJoin(read, found.settings['videoField'], deps.hashId),
    key: found.key,
    memory: before?.memory ?? NEW_CHANNEL,
    known: before?.known ?? deps.played.get(name) ?? looksLikeReturn(connection, frame),
    playing: before?.playing,
    joinedAt: receivedAt,
    held: [],
  };
  takeOver(connection, channel, name);
  connection.joins += 1;
  connection.send(replyTo(frame, 'ok'));
  if (channel.known) showLife(connection, channel, receivedAt);
}

/** References go on over reconnects: on a page's first connection the first joins have the first numbers. */
function looksLikeReturn({ joins }: Connection, { joinRef }: Frame): boolean {
  const number = Number(joinRef);
  return Number.isFinite(number) && number > FIRST_REF + joins;
}

/** A topic has one holder: an older connection of this gateway that still has it loses it without a word. */
function takeOver(connection: Connection, channel: Channel, name: string): void {
  const { holders } = connection.deps;
  const holder = holders.get(name);
  if (holder !== undefined && holder !== connection) holder.channels.delete(channel.topic);
  holders.set(name, connection);
  connection.channels.set(channel.topic, channel);
}

function forget(connection: Connection, channel: Channel): void {
  const { holders, played } = connection.deps;
  const name = `${channel.key.site}/${channel.topic}`;
  connection.channels.delete(channel.topic);
  if (holders.get(name) === connection) holders.delete(name);
  played.set(name, channel.known);
}

function push(connection: Connection, channel: Channel, payload: unknown, receivedAt: number): void {
  const { metrics } = connection.deps;
  const { events, at, memory, reason } = readPush(payload, channel.memory);
  channel.memory = memory;
  if (reason !== '') metrics.oddity('mave_socket', reason, 1);
  const last = events.at(-1);
  if (last === undefined) return;
  // The session exists from the first play on; what a player says of itself before waits for it.
  const opens = last.type === 'playing' || last.type === 'pause' || last.type === 'error' || last.type === 'custom';
  if (!channel.known && !opens) {
    if (channel.held.length < HELD_EVENTS_MAX) channel.held.push({ events, at, receivedAt });
    return;
  }
  if (last.type === 'playing') channel.playing = true;
  else if (last.type === 'pause' || (last.type === 'error' && last.detail?.flag === 1)) channel.playing = false;
  channel.known = true;
  for (const held of channel.held.splice(0)) tell(connection, channel, held);
  tell(connection, channel, { events, at, receivedAt });
}

/** Events of one instant, on their way into the log. `at` is the client's time: the event was sent when it happened. */
function tell(connection: Connection, channel: Channel, told: { events: BeaconEvent[]; at: number; receivedAt: number }): void {
  const { join, memory } = channel;
  const draft: Draft = {
    index: 0,
    protocol: 'mave_socket',
    session: channel.session,
    video: channel.video,
    sentAt: told.at,
    baseAt: told.at,
    context: { ...join.context, durationMs: memory.durationMs },
    events: told.events,
    rejects: [],
    ignoredFields: told.events.length === 0 ? 0 : join.ignoredFields,
    key: '',
  };
  join.ignoredFields = 0;
  connection.outbox.push({ owned: { draft, key: channel.key }, receivedAt: told.receivedAt });
}

const showLife = (connection: Connection, channel: Channel, receivedAt: number): void =>
  tell(connection, channel, { events: [], at: -1, receivedAt });

/** The viewer is gone since `at`, or at least out of sight; told only for a session that there is. */
function depart(connection: Connection, channel: Channel, at: number, receivedAt: number): void {
  if (!channel.known) return;
  const leave: BeaconEvent = { type: 'leave', seq: -1, at: Math.min(0, at - receivedAt), positionMs: -1, detail: null };
  tell(connection, channel, { events: [leave], at: -1, receivedAt });
}

/** A key that was revoked, or an origin that is not listed any more, ends the channel; its client tries again and is told why. */
function checkKeys(connection: Connection): void {
  const { sites, metrics } = connection.deps;
  for (const channel of connection.channels.values()) {
    const found = sites.siteOf(connection.request, 'mave_socket', [channel.join.key], { ownIdOnly: true });
    if (found.ok && found.key.site === channel.key.site) {
      channel.key = found.key;
      continue;
    }
    metrics.oddity('mave_socket', 'key_revoked', 1);
    connection.send(endOf(channel.joinRef, channel.topic, 'phx_error'));
    forget(connection, channel);
  }
}

async function close(connection: Connection, at: number): Promise<void> {
  for (const channel of [...connection.channels.values()]) {
    depart(connection, channel, at, at);
    forget(connection, channel);
  }
  await connection.outbox.close();
}
