// What players and trackers of each protocol send in the middle of their life, for doors.ts: bodies from a counter, no randomness.
import type { TestSystem } from '../support/system.ts';

export type DoorRequestText = { path: string; body: string; headers?: Record<string, string> };
/** One way of sending: how many events of the log a request becomes, and the n-th request. */
export type Way = { name: string; events: number; request: (n: number) => DoorRequestText };

/** Requests of one session before the next begins. */
const REQUESTS_PER_SESSION = 10;
const sessionOf = (n: number): number => Math.floor(n / REQUESTS_PER_SESSION);
const partOf = (n: number): number => n % REQUESTS_PER_SESSION;
const PAGE = 'https://example.org/watch/intro?utm_source=news';

function native(writeKey: string, events: number): Way {
  return {
    name: `native, ${events} event${events === 1 ? '' : 's'}`,
    events,
    request(n) {
      const now = Date.now();
      const list = Array.from({ length: events }, (_, i) => {
        const seq = partOf(n) * events + i;
        return { seq, type: seq === 0 ? 'playing' : 'heartbeat', at: now - 1_000 + i, positionMs: seq * 20 };
      });
      const beacon = { key: writeKey, session: `native-${events}-${sessionOf(n)}`, video: { id: 'film', durationMs: 600_000 } };
      return { path: '/v1/beacons', body: JSON.stringify({ ...beacon, page: PAGE, sentAt: now, events: list }) };
    },
  };
}

function mave(key: string): Way {
  const events = 5;
  return {
    name: `mave, ${events} events`,
    events,
    request(n) {
      const now = Date.now();
      const list = Array.from({ length: events }, (_, i) => ({
        name: i % 2 === 0 ? 'play' : 'pause',
        timestamp: now - 1_000 + partOf(n) * 7 + i,
        session_id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
        video_time: i,
        duration: 600,
        embed_id: 'bench0123456789',
        component: 'player',
        source_url: PAGE,
      }));
      return { path: `${key}/v1/events`, body: JSON.stringify({ events: list }), headers: { 'content-type': 'application/json' } };
    },
  };
}

const peertube = (key: string): Way => ({
  name: 'PeerTube, 1 beat',
  events: 1,
  request: (n) => ({
    path: `${key}/api/v1/videos/00000000-0000-4000-8000-00000000beef/views`,
    body: JSON.stringify({ currentTime: partOf(n), sessionId: `bench-${sessionOf(n)}` }),
    headers: { 'content-type': 'application/json' },
  }),
});

const hitOf = (n: number, i: number): string => {
  const what = i === 0 ? `t=pageview&dl=${encodeURIComponent(PAGE)}` : `t=event&ec=shop&ea=click&el=thing-${i}&ev=${i}`;
  return `v=1&tid=UA-1-1&cid=${n}&${what}&qt=${1_000 - i}`;
};

function gaBatch(key: string): Way {
  const events = 20;
  return {
    name: `Measurement Protocol, batch of ${events}`,
    events,
    request: (n) => ({ path: `${key}/batch`, body: Array.from({ length: events }, (_, i) => hitOf(n, i)).join('\n') }),
  };
}

const gaSingle = (key: string): Way => ({
  name: 'Measurement Protocol, 1 hit',
  events: 1,
  request: (n) => ({ path: `${key}/collect`, body: hitOf(sessionOf(n), partOf(n)) }),
});

function ga4(key: string): Way {
  const events = 20;
  return {
    name: `GA4, ${events} events`,
    events,
    request(n) {
      const list = Array.from({ length: events }, (_, i) => ({
        name: i === 0 ? 'page_view' : 'scroll',
        timestamp_micros: String((Date.now() - 1_000 + i) * 1_000),
        params: { session_id: '1', engagement_time_msec: 100, page_location: PAGE },
      }));
      return { path: `${key}/mp/collect?measurement_id=G-1`, body: JSON.stringify({ client_id: `${n}`, events: list }) };
    },
  };
}

const microticks = (tokens: readonly string[]): Way => ({
  name: 'Microticks, 1 action',
  events: 1,
  request(n) {
    const fields = { token: tokens[n % tokens.length] as string, action: 'click', data: `{"n":${n}}`, ts: new Date().toISOString() };
    return {
      path: '/events',
      body: new URLSearchParams(fields).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    };
  },
});

const analyticsEngine = (writeKey: string): Way => ({
  name: 'Analytics Engine, 1 event',
  events: 1,
  request: (n) => ({
    path: '/event',
    body: JSON.stringify({ name: 'signup', createdAt: Date.now(), uniqueId: `u${n}` }),
    headers: { authorization: writeKey, 'content-type': 'application/json' },
  }),
});

/** The native ways come first: what the others are compared with. `tokens` are sessions of Microticks that were started. */
export function waysOf({ writeKey }: TestSystem, tokens: readonly string[]): Way[] {
  const key = `/k/${writeKey}`;
  return [
    ...[1, 5, 20].map((events) => native(writeKey, events)),
    mave(key),
    peertube(key),
    gaSingle(key),
    gaBatch(key),
    ga4(key),
    microticks(tokens),
    analyticsEngine(writeKey),
  ];
}
