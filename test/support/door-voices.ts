// How each protocol's client tells of one viewing (viewing-truth.ts): what it says, when, and how coarsely. Written from the description of the
// wire (what clients observe, round and leave out), not from what our doors read.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type Moment, VIDEO_MS, type Viewing } from './viewing-truth.ts';

/** Where to send to. `baseAt` = epoch ms at which the viewing began. */
export type VoiceTarget = { url: string; writeKey: string; baseAt: number };
/** Something to be sent once the viewing has lasted so long. */
export type Saying = { atMs: number; send: () => Promise<void> };

/** How coarse a protocol is. Everything a figure may be off by follows from these. */
export type Resolution = {
  /** Positions are rounded to this, ms. */
  stepMs: number;
  /** What may be missing before and after a seek, ms. */
  beforeSeekMs: number;
  afterSeekMs: number;
  says: readonly ('watching' | 'startup' | 'stalls' | 'seeks' | 'source')[];
  /** Seeks that may be told twice: by a position noticed while the seek was under way, and by name after it. */
  seeksTwice?: number;
};

export type Voice = {
  door: string;
  /** Video id as it is asked for, '' = the protocol has none. */
  video: string;
  resolution: Resolution;
  /** In words, for the table. */
  tells: string;
  /** A client that tells no more than a few marks of the video, once each: where it was when it told them. */
  marksOf?(viewing: Viewing): number[];
  sayings(viewing: Viewing, target: VoiceTarget): Saying[];
};

const PAGE = 'https://site.example/watch?utm_source=newsletter&utm_medium=email&utm_campaign=spring';
const TIMEUPDATE_MS = 250;
const seconds = (ms: number): number => ms / 1_000;
const whole = (ms: number): number => Math.floor(ms / 1_000);

async function post(url: string, body: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await fetch(url, { method: 'POST', body, headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text}`);
  return text;
}

/** Moments at which the pictures begin to move, and where. */
const moves = new Set<Moment['kind']>(['firstFrame', 'seeked', 'resumed', 'unstalled']);

/** What a player last noticed before an instant: it looks four times a second. */
function lastSeen(viewing: Viewing, { atMs }: Moment): number {
  const since = viewing.moments.findLast((moment) => moves.has(moment.kind) && moment.atMs < atMs)?.atMs ?? 0;
  return viewing.positionAt(since + Math.floor((atMs - since - 1) / TIMEUPDATE_MS) * TIMEUPDATE_MS);
}

/** Every `stepMs` from a moment on, as long as the viewing lasts. */
const every = (stepMs: number, fromMs: number, viewing: Viewing): number[] =>
  Array.from({ length: Math.floor((viewing.endsAtMs - fromMs) / stepMs) }, (_, i) => fromMs + (i + 1) * stepMs);

/** Things a client has noticed and sends in bundles. */
function bundled<T>(
  notes: readonly { atMs: number; note: T }[],
  stepMs: number,
  viewing: Viewing,
  send: (notes: T[], atMs: number) => Promise<void>,
) {
  const times = [...every(stepMs, 0, viewing), viewing.endsAtMs];
  return times.flatMap((atMs, i): Saying[] => {
    const mine = notes.filter((each) => each.atMs <= atMs && each.atMs > (times[i - 1] ?? -1)).map(({ note }) => note);
    return mine.length === 0 ? [] : [{ atMs, send: () => send(mine, atMs) }];
  });
}

const native: Voice = {
  door: 'native',
  video: 'same-native',
  resolution: { stepMs: 1, beforeSeekMs: 0, afterSeekMs: 0, says: ['watching', 'startup', 'stalls', 'seeks', 'source'] },
  tells: 'every event, to the millisecond',
  sayings(viewing, { url, writeKey, baseAt }) {
    const clockAt = baseAt - 7 * 60_000;
    const names: Partial<Record<Moment['kind'], string>> = {
      asked: 'attempt',
      firstFrame: 'playing',
      resumed: 'playing',
      seeked: 'playing',
      paused: 'pause',
      stalled: 'stall_start',
      unstalled: 'stall_end',
      left: 'leave',
    };
    const told = viewing.moments.map(({ kind, atMs, positionMs, fromMs }) => {
      const event = { type: names[kind] ?? kind, at: clockAt + atMs, positionMs };
      if (kind === 'seeking') return { atMs, note: { ...event, type: 'seek', positionMs: undefined, fromMs, toMs: positionMs } };
      return { atMs, note: kind === 'fullscreen' || kind === 'captions' ? { ...event, on: true } : event };
    });
    const beats = every(5_000, 0, viewing)
      .filter((atMs) => viewing.isPlayingAt(atMs))
      .map((atMs) => ({ atMs, note: { type: 'heartbeat', at: clockAt + atMs, positionMs: viewing.positionAt(atMs) } }));
    const events = [...told, ...beats].sort((a, b) => a.atMs - b.atMs).map(({ atMs, note }, seq) => ({ atMs, note: { seq, ...note } }));
    return bundled(events, 10_000, viewing, async (bundle, atMs) => {
      const video = { id: this.video, durationMs: VIDEO_MS };
      const beacon = { key: writeKey, session: 'same-viewing-native', video, page: PAGE, sentAt: clockAt + atMs, events: bundle };
      await post(`${url}/v1/beacons`, JSON.stringify(beacon));
    });
  },
};

const mave: Voice = {
  door: 'mave, events',
  video: 'sames0123456789',
  resolution: { stepMs: 1, beforeSeekMs: TIMEUPDATE_MS, afterSeekMs: 200, says: ['watching', 'seeks', 'source'] },
  tells: 'play and pause; a seek from the last `timeupdate` to 200 ms after it',
  sayings(viewing, { url, writeKey, baseAt }) {
    const SETTLE_MS = 200;
    const notes = viewing.moments.flatMap((moment): { atMs: number; note: object }[] => {
      const { kind, positionMs } = moment;
      const told = (name: 'play' | 'pause', atMs: number, placeMs: number) => ({
        atMs,
        note: {
          name,
          timestamp: baseAt + atMs,
          session_id: '5a3e0000-0000-4000-8000-000000000001',
          video_time: seconds(placeMs),
          duration: seconds(VIDEO_MS),
          embed_id: this.video,
          component: 'player',
          source_url: PAGE,
        },
      });
      if (kind === 'seeking') return [told('pause', moment.atMs, lastSeen(viewing, moment))];
      if (kind === 'seeked') return [told('play', moment.atMs + SETTLE_MS, viewing.positionAt(moment.atMs + SETTLE_MS))];
      if (kind === 'paused' || kind === 'ended') return [told('pause', moment.atMs, positionMs)];
      return moves.has(kind) ? [told('play', moment.atMs, positionMs)] : [];
    });
    return bundled(notes, 5_000, viewing, async (events) => {
      await post(`${url}/k/${writeKey}/v1/events`, JSON.stringify({ events }), { 'content-type': 'application/json' });
    });
  },
};

type Push = { atMs: number; event: string; payload: object };

/** A Phoenix channel that joins, pushes, keeps its socket alive and goes away with its page. */
function overSocket(viewing: Viewing, { url, writeKey }: VoiceTarget, video: string, pushes: readonly Push[]): Saying[] {
  const topic = `session:${video}-session`;
  const address = `${url.replace('http', 'ws')}/socket/websocket?source_url=${encodeURIComponent(PAGE)}&vsn=2.0.0`;
  let socket: WebSocket;
  let ref = 3;
  const frame = async (event: string, payload: object, on = topic): Promise<void> => {
    socket.send(JSON.stringify([on === topic ? '3' : null, String(ref++), on, event, payload]));
    // The answer to a ping comes after everything before it was read.
    const pong = once(socket, 'pong');
    socket.ping();
    await pong;
  };
  const join = async (): Promise<void> => {
    socket = new WebSocket(address);
    await once(socket, 'open');
    await frame('phx_join', { identifier: video, metadata: { vid: video }, source_url: PAGE, key: writeKey });
  };
  const close = async (): Promise<void> => {
    socket.close();
    await once(socket, 'close');
  };
  return [
    { atMs: 0, send: join },
    ...every(30_000, 0, viewing).map((atMs) => ({ atMs, send: () => frame('heartbeat', {}, 'phoenix') })),
    ...pushes.map(({ atMs, event, payload }) => ({ atMs, send: () => frame(event, payload) })),
    { atMs: viewing.endsAtMs, send: close },
  ];
}

const socket: Voice = {
  door: 'mave, socket',
  video: 'same-socket',
  resolution: { stepMs: 10, beforeSeekMs: TIMEUPDATE_MS, afterSeekMs: 0, says: ['watching', 'seeks', 'source'] },
  tells: 'play and pause, to 10 ms, without a clock; a seek from the last `timeupdate`',
  sayings(viewing, target) {
    const duration = seconds(VIDEO_MS);
    let playing = false;
    const pushes = viewing.moments.flatMap((moment): Push[] => {
      const { kind, atMs, positionMs } = moment;
      const pause = (to: number | string, at: number): Push => ({ atMs: at, event: 'event', payload: { name: 'pause', duration, to } });
      if (kind === 'paused' || kind === 'ended') {
        playing = false;
        return [pause(seconds(positionMs).toFixed(2), atMs)];
      }
      if (kind === 'seeking') {
        playing = false;
        return [pause(seconds(lastSeen(viewing, moment)), atMs)];
      }
      if (!moves.has(kind) || playing) return [];
      playing = true;
      const from = positionMs < 1_000 ? 0 : seconds(positionMs).toFixed(2);
      return [{ atMs, event: 'event', payload: { name: 'play', duration, from } }];
    });
    return overSocket(viewing, target, this.video, pushes);
  },
};

const socket2023: Voice = {
  door: 'mave, socket of 2023',
  video: 'same-socket-2023',
  resolution: { stepMs: 1, beforeSeekMs: TIMEUPDATE_MS, afterSeekMs: 0, says: ['watching', 'stalls', 'seeks', 'source'] },
  tells: 'play, pause, stalls, to the millisecond; a seek from the last `timeupdate`',
  sayings(viewing, target) {
    const push = (atMs: number, payload: object): Push => ({
      atMs,
      event: 'event',
      payload: { duration: seconds(VIDEO_MS), timestamp: target.baseAt + atMs, ...payload },
    });
    const pushes = viewing.moments.flatMap((moment, i): Push[] => {
      const { kind, atMs, positionMs } = moment;
      if (kind === 'paused' || kind === 'ended') return [push(atMs, { name: 'pause', to: seconds(positionMs) })];
      if (kind === 'stalled') return [push(atMs, { name: 'rebuffering_start', from: seconds(positionMs) })];
      if (kind === 'unstalled') return [push(atMs, { name: 'rebuffering_end' })];
      if (kind === 'fullscreen') return [push(atMs, { name: 'fullscreen_enter' })];
      if (kind === 'captions') return [push(atMs, { name: 'track_set', language: 'en' })];
      if (kind === 'firstFrame' || kind === 'resumed') return [push(atMs, { name: 'play', from: seconds(positionMs) })];
      if (kind !== 'seeked') return [];
      // All three are told when the seek is over, in one breath.
      const to = seconds(lastSeen(viewing, viewing.moments[i - 1] as Moment));
      return [push(atMs, { name: 'pause', to }), push(atMs, { name: 'play', from: seconds(positionMs) }), push(atMs, { name: 'seeked' })];
    });
    return overSocket(viewing, target, this.video, pushes);
  },
};

const BEAT_MS = 5_000;

const peertube: Voice = {
  door: 'PeerTube',
  video: '5a3e0000-0000-4000-8000-00000000beef',
  resolution: { stepMs: 1_000, beforeSeekMs: BEAT_MS, afterSeekMs: BEAT_MS, seeksTwice: 1, says: ['watching', 'seeks'] },
  tells: 'whole seconds, every 5 s while they change, without a clock',
  sayings(viewing, { url, writeKey }) {
    const first = viewing.moments.find(({ kind }) => kind === 'firstFrame')?.atMs ?? 0;
    const ended = viewing.moments.find(({ kind }) => kind === 'ended')?.atMs ?? 0;
    let seen = -1;
    let beforeMs = -1;
    return [first, ...every(BEAT_MS, first, viewing), ended]
      .sort((a, b) => a - b)
      .flatMap((atMs): Saying[] => {
        const currentTime = whole(viewing.positionAt(atMs));
        if (currentTime === seen) return [];
        const flagged = viewing.moments.some((moment) => moment.kind === 'seeked' && moment.atMs > beforeMs && moment.atMs <= atMs);
        seen = currentTime;
        beforeMs = atMs;
        const body = JSON.stringify({ currentTime, sessionId: 'SameViewing', ...(flagged ? { viewEvent: 'seek' } : {}) });
        const send = async (): Promise<void> => {
          await post(`${url}/k/${writeKey}/api/v1/videos/${this.video}/views`, body, { 'content-type': 'application/json' });
        };
        return [{ atMs, send }];
      });
  },
};

const PROGRESS_MS = 10_000;

const ga: Voice = {
  door: 'Measurement Protocol 1',
  video: 'same-ga',
  resolution: { stepMs: 1_000, beforeSeekMs: PROGRESS_MS, afterSeekMs: 0, says: ['watching', 'stalls', 'seeks', 'source'] },
  tells: 'whole seconds; progress every 10 s of play; a seek by where it goes to',
  sayings(viewing, { url, writeKey }) {
    const actions: Partial<Record<Moment['kind'], string>> = {
      firstFrame: 'play',
      paused: 'pause',
      resumed: 'resume',
      seeking: 'seek',
      seeked: 'play',
      stalled: 'buffering',
      unstalled: 'buffering end',
      ended: 'complete',
    };
    const hit = (atMs: number, ea: string, positionMs: number) => ({
      atMs,
      note: { atMs, fields: { t: 'event', ec: 'Video', ea, el: this.video, ev: String(whole(positionMs)) } as Record<string, string> },
    });
    const told = viewing.moments.flatMap(({ kind, atMs, positionMs }) => {
      const action = actions[kind];
      return action === undefined ? [] : [hit(atMs, action, positionMs)];
    });
    const beats = viewing.moments.flatMap((moment, i) => {
      if (!moves.has(moment.kind)) return [];
      const until = viewing.moments[i + 1]?.atMs ?? viewing.endsAtMs;
      const count = Math.ceil((until - moment.atMs) / PROGRESS_MS) - 1;
      return Array.from({ length: count }, (_, n) => moment.atMs + (n + 1) * PROGRESS_MS).map((atMs) =>
        hit(atMs, 'progress', viewing.positionAt(atMs)),
      );
    });
    const page = { atMs: 0, note: { atMs: 0, fields: { t: 'pageview', dl: PAGE } as Record<string, string> } };
    const hits = [page, ...told, ...beats].sort((a, b) => a.atMs - b.atMs);
    return bundled(hits, 20_000, viewing, async (bundle, sentAtMs) => {
      const lines = bundle.map(({ atMs, fields }) =>
        new URLSearchParams({ v: '1', tid: 'UA-1-1', cid: 'same-viewing', ...fields, qt: String(sentAtMs - atMs) }).toString(),
      );
      await post(`${url}/k/${writeKey}/batch`, lines.join('\n'));
    });
  },
};

const MARKS = [10, 25, 50, 75];
const LOOKS_MS = 50;

/** When a player tells a mark: it looks for them while it plays, so that one passed by a seek is told once play goes on. */
function markedAt(viewing: Viewing, percent: number): number {
  const wantedMs = (VIDEO_MS * percent) / 100;
  const looks = Array.from({ length: Math.ceil(viewing.endsAtMs / LOOKS_MS) }, (_, i) => i * LOOKS_MS);
  return looks.find((atMs) => viewing.isPlayingAt(atMs) && viewing.positionAt(atMs) >= wantedMs) ?? viewing.endsAtMs;
}

const ga4: Voice = {
  door: 'Measurement Protocol, GA4',
  video: 'clips.example/same-ga4',
  resolution: { stepMs: 1_000, beforeSeekMs: 0, afterSeekMs: 0, says: ['watching', 'source'] },
  tells: 'whole seconds; start, 10, 25, 50 and 75 % once each, the end',
  marksOf: (viewing) => [0, ...MARKS.map((percent) => viewing.positionAt(markedAt(viewing, percent))), VIDEO_MS],
  sayings(viewing, { url, writeKey, baseAt }) {
    const video = (name: string, atMs: number, percent: number) => ({
      atMs,
      note: {
        name,
        timestamp_micros: String((baseAt + atMs) * 1_000),
        params: {
          session_id: '1',
          page_location: PAGE,
          video_url: `https://${this.video}`,
          video_duration: seconds(VIDEO_MS),
          video_current_time: whole(viewing.positionAt(atMs)),
          video_percent: percent,
        },
      },
    });
    const first = viewing.moments.find(({ kind }) => kind === 'firstFrame') as Moment;
    const ended = viewing.moments.find(({ kind }) => kind === 'ended') as Moment;
    const marks = MARKS.map((percent) => video('video_progress', markedAt(viewing, percent), percent));
    const notes = [video('video_start', first.atMs, 0), ...marks, video('video_complete', ended.atMs, 100)].sort((a, b) => a.atMs - b.atMs);
    return bundled(notes, 10_000, viewing, async (events) => {
      await post(`${url}/k/${writeKey}/mp/collect?measurement_id=G-1`, JSON.stringify({ client_id: 'same-viewing', events }));
    });
  },
};

const microticks: Voice = {
  door: 'Microticks',
  video: '',
  resolution: { stepMs: 1, beforeSeekMs: 0, afterSeekMs: 0, says: [] },
  tells: 'named actions, no positions',
  sayings(viewing, { url, writeKey, baseAt }) {
    let token = '';
    const form = (fields: Record<string, string>): string => new URLSearchParams(fields).toString();
    const tsOf = (atMs: number): string => new Date(baseAt + atMs).toISOString();
    const start = async (): Promise<void> => {
      token = JSON.parse(await post(`${url}/sessions`, form({ consumer_key: writeKey, ts: tsOf(0), token: '' }))).token;
    };
    const actions = viewing.moments.map(({ kind, atMs, positionMs }): Saying => {
      const act = { action: kind, data: JSON.stringify({ seconds: seconds(positionMs) }), ts: tsOf(atMs) };
      return { atMs, send: async () => void (await post(`${url}/events`, form({ token, ...act }))) };
    });
    const stop = async (): Promise<void> => void (await post(`${url}/sessions/stop`, form({ token, ts: tsOf(viewing.endsAtMs) })));
    return [{ atMs: 0, send: start }, ...actions, { atMs: viewing.endsAtMs, send: stop }];
  },
};

/** All doors that can tell of a viewing. */
export const VOICES: readonly Voice[] = [native, mave, socket, socket2023, peertube, ga, ga4, microticks];
