// What a dialect is: read routes in a peer's shapes over the one query layer. A dialect words parameters and answers as its clients expect
// them; who asks, how often, and for which site is decided before it, as for our own routes.
import type { Ask } from '../answers.ts';
import type { Caller, Scope } from '../auth.ts';
import type { ProblemError } from '../problem.ts';

/** A request as a dialect sees it. Nothing of it is checked yet. */
export type DialectAsked = {
  caller: Caller;
  /** Parts of the path by name. */
  params: Readonly<Record<string, string>>;
  /** Query parameters; a list where one came more than once. */
  query: Readonly<Record<string, unknown>>;
  /** The JSON body of a route that reads one; undefined = none was sent. */
  body: unknown;
  /** Epoch ms at which the request began. */
  nowMs: number;
  ask: Ask;
  /** Statements that write. */
  askAdmin: Ask;
  uuid: () => string;
};

/** The whole answer: no envelope around it. A string goes as plain text. */
export type DialectAnswer = { status?: number; headers?: Readonly<Record<string, string>>; body: unknown };

export type DialectRoute = {
  method: 'get' | 'post' | 'delete';
  /** As in OpenAPI: `/api/v1/videos/{id}`; `*name` at the end takes what is left, slashes too. */
  path: string;
  scope: Scope;
  /** Reads a JSON body, whatever its declared type and with GET too. */
  readsBody?: boolean;
  /** Makes keys, which is limited on its own (API6). */
  limitedCreation?: boolean;
  /** WWW-Authenticate of a refusal; default: Bearer. */
  challenge?: string;
  /** The caller's secret where clients do not send it as a Bearer; '' = none was sent. */
  secretOf?: (request: Pick<DialectAsked, 'query'> & { authorization: string }) => string;
  /** Words a failure as clients expect it, a string as plain text; default: application/problem+json. */
  word?: (problem: ProblemError, status: number) => unknown;
  /** Throws ProblemError for what the caller did wrong: it becomes what `word` makes of it. */
  handle(asked: DialectAsked): Promise<DialectAnswer>;
};
