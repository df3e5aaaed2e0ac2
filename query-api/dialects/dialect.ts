// What a dialect is: read routes in a peer's shapes over the one query layer. A dialect words parameters and answers as its clients expect
// them; who asks, how often, and for which site is decided before it, as for our own routes.
import type { Ask } from '../answers.ts';
import type { Caller, Scope } from '../auth.ts';

/** A request as a dialect sees it. Nothing of it is checked yet. */
export type DialectAsked = {
  caller: Caller;
  /** Parts of the path by name. */
  params: Readonly<Record<string, string>>;
  /** Query parameters; a list where one came more than once. */
  query: Readonly<Record<string, unknown>>;
  /** Epoch ms at which the request began. */
  nowMs: number;
  ask: Ask;
};

/** The whole answer: no envelope around it. */
export type DialectAnswer = { status?: number; headers?: Readonly<Record<string, string>>; body: unknown };

export type DialectRoute = {
  method: 'get';
  /** As in OpenAPI: `/api/v1/videos/{id}`. */
  path: string;
  scope: Scope;
  /** Throws ProblemError for what the caller did wrong: it becomes application/problem+json. */
  handle(asked: DialectAsked): Promise<DialectAnswer>;
};
