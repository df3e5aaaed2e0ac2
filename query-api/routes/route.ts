// What a route is: one value that the Express app and the OpenAPI document are both made from, so that they cannot differ.

import type { Logger } from 'pino';
import { z } from 'zod';
import type { Clock } from '../../infra/runtime/ports.ts';
import type { Answers, Ask } from '../answers.ts';
import type { Authenticator, Caller, Scope } from '../auth.ts';
import type { BeaconReader } from '../beacon-reader.ts';
import type { TimeRange } from '../core/interval.ts';
import type { Format, Row } from '../formats.ts';

/** What handlers work with. */
export type Services = {
  readonly answers: Answers;
  /** Statements that write (keys, videos): the only ones that may. */
  readonly askAdmin: Ask;
  readonly authenticator: Authenticator;
  readonly beaconReader: BeaconReader;
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly logger: Logger;
  readonly exportRowsMax: number;
};

/** A request whose parts have been checked against the route's schemas. */
export type Asked<Query, Path, Body> = {
  readonly caller: Caller;
  readonly query: Query;
  readonly path: Path;
  readonly body: Body;
  readonly format: Format;
  /** Epoch ms at which the request began. */
  readonly nowMs: number;
};

/** `range` as understood, echoed in the answer. */
export type RangeEcho = { range: TimeRange; timezone: string; granularity: string | undefined };

export type Answer = {
  readonly status?: number;
  readonly data: unknown;
  /** Rows for CSV and NDJSON where they are not `data` itself. */
  readonly rows?: readonly Row[];
  /** Further pages of rows for an export. */
  readonly pages?: AsyncIterable<readonly Row[]>;
  readonly range?: RangeEcho;
  readonly provisionalSessions?: number;
  /** dataThrough and gaps; absent where an answer is not about folded data. */
  readonly freshness?: { readonly throughMs: number | null; readonly gaps: readonly unknown[] };
  /** Token of the next page. */
  readonly next?: string | undefined;
  /** Further fields of the envelope. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** Answers that must not be kept anywhere (secrets). */
  readonly noStore?: boolean;
};

export type Method = 'get' | 'put' | 'post' | 'delete';

export type Route = {
  readonly method: Method;
  /** As in OpenAPI: `/v1/sessions/{session}`. */
  readonly path: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly description?: string;
  readonly query: z.ZodObject;
  readonly params: z.ZodObject;
  readonly body: z.ZodType | undefined;
  /** Schema of the whole JSON answer. */
  readonly answer: z.ZodType;
  readonly status: number;
  /** Whether CSV and NDJSON are offered. */
  readonly tabular: boolean;
  /** Creating keys is limited on its own (API6). */
  readonly limitedCreation: boolean;
  readonly handle: (asked: Asked<never, never, never>, services: Services) => Promise<Answer>;
};

/** Declares a route with its handler typed by its schemas. */
export function route<Q extends z.ZodObject, P extends z.ZodObject, B extends z.ZodType>(declared: {
  method: Method;
  path: string;
  scope: Scope;
  summary: string;
  description?: string;
  query?: Q;
  params?: P;
  body?: B;
  answer: z.ZodType;
  status?: number;
  tabular?: boolean;
  limitedCreation?: boolean;
  handle: (asked: Asked<z.output<Q>, z.output<P>, z.output<B>>, services: Services) => Promise<Answer>;
}): Route {
  return {
    method: declared.method,
    path: declared.path,
    scope: declared.scope,
    summary: declared.summary,
    ...(declared.description === undefined ? {} : { description: declared.description }),
    query: declared.query ?? z.strictObject({}),
    params: declared.params ?? z.strictObject({}),
    body: declared.body,
    answer: declared.answer,
    status: declared.status ?? 200,
    tabular: declared.tabular ?? false,
    limitedCreation: declared.limitedCreation ?? false,
    handle: declared.handle as unknown as Route['handle'],
  };
}
