// What a door is: the routes of one protocol. A door reads its wire format, hands drafts to the collector and words the answer as its
// protocol wants it; it decides nothing about sites, limits, enrichment or the log. The front (front.ts) has done CORS, the
// path prefix of keys, the client's address and the limit per network before a door is asked.
import type { IncomingHttpHeaders } from 'node:http';
import type { Surface } from '../../schemas/surfaces.ts';
import type { BodyResult } from '../body.ts';
import type { Collector } from '../collect.ts';
import type { IngestMetrics } from '../metrics.ts';
import type { Sites } from '../sites.ts';
import type { Failure } from './failure.ts';
import type { SocketRoute } from './socket.ts';

/** One request as a door sees it. */
export type DoorRequest = {
  method: string;
  /** Without query and without the prefix `/k/<key>`. */
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** Write key of the path prefix, '' = none. It beats every other source. */
  prefixKey: string;
  /** The client's address behind trusted hops, '' = unknown. For look-ups in memory only (G10). */
  address: string;
  userAgent: string;
  /** The Origin header, '' = none. */
  origin: string;
  receivedAt: number;
  /** Reads and inflates the body within the limits; call it once. */
  body(): Promise<BodyResult>;
};

/** The answer: a status, headers beside the usual ones, and a body with its content type. */
export type DoorReply = {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer;
  contentType?: string;
  /** false: the origin may not read this answer (a key that does not list it). */
  cors?: boolean;
};

/** A path is exact text, or a pattern whose named groups the handler reads itself. `undefined` = the client is gone. */
export type Route = {
  method: 'GET' | 'POST' | 'PUT';
  path: string | RegExp;
  handle(request: DoorRequest): Promise<DoorReply | undefined>;
  /**
   * For a path that two protocols share (protocols.md 0.5): told apart by headers and query alone, the first route in the order of
   * `createDoors` that says yes takes the request; without it a route takes all.
   */
  select?: (request: Pick<DoorRequest, 'headers' | 'query'>) => boolean;
};

export type Door = {
  protocol: string;
  /** Strict: `/batch` and `/batch/` are two paths. No two doors may have the same method and path: see `select` for shared ones. */
  routes: readonly Route[];
  /** WebSockets, by path. */
  sockets?: readonly SocketRoute[];
  /** Words what fails before or beside the door (limit per network, a fault of ours) as its clients expect; default: a problem. */
  word?: (failure: Failure) => DoorReply;
};

/** What a door is built from. */
export type DoorDeps = {
  collector: Collector;
  sites: Sites;
  metrics: IngestMetrics;
  /** 32 base64url characters for an id that does not fit the contract (draft.ts, sessionIdOf). */
  hashId: (text: string) => string;
  /** How old a client time of the surface may be, ms. */
  backdateMaxMs: (surface: Surface) => number;
  uuid: () => string;
};
