// Thrown errors carry a code; expected failures are values, not errors.

/** An error with a stable code (`ERR_…`) and its cause kept. Caught in three places only: HTTP middleware, task runner, main. */
export class PlayheadError extends Error {
  readonly code: string;

  constructor(code: `ERR_${string}`, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PlayheadError';
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Anything thrown as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The `code` of an error (SQLSTATE, errno, ERR_…), '' if it has none. */
export function codeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
