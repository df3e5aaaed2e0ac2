// From a request to checked input: query, path and body by the route's schemas, wrong places named by JSON pointers.
import type { Request } from 'express';
import { z } from 'zod';
import { FORMATS, type Format } from './formats.ts';
import { type ProblemEntry, ProblemError } from './problem.ts';
import type { Route } from './routes/route.ts';

/** Names of parameters that may be repeated. */
export function repeatable(query: z.ZodObject): ReadonlySet<string> {
  const names = Object.entries(query.shape).filter(([, schema]) => {
    let inner: unknown = schema;
    while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
    return inner instanceof z.ZodArray;
  });
  return new Set(names.map(([name]) => name));
}

/** Checks a value. @throws ProblemError wrong-parameters with one entry per fault. */
export function checked(schema: z.ZodType, value: unknown, what: 'parameter' | 'field'): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.flatMap((issue): ProblemEntry[] => {
    const at = issue.path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ pointer: `${at}/${key}`, detail: `unknown ${what}` }));
    return [{ pointer: at, detail: issue.message }];
  });
  const detail = errors.map((entry) => `${entry.pointer.slice(1)}: ${entry.detail}`).join('; ');
  throw new ProblemError('wrong-parameters', detail, { errors });
}

/** Query parameters as the schema expects them: lists where a name may be repeated, text elsewhere. */
export function queryOf(route: Route, given: Readonly<Record<string, unknown>>, lists: ReadonlySet<string>): unknown {
  const input: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(given)) {
    if (lists.has(name)) input[name] = Array.isArray(value) ? value : [value];
    else if (Array.isArray(value))
      throw new ProblemError('wrong-parameters', `${name}: given more than once`, {
        errors: [{ pointer: `/${name}`, detail: 'given more than once' }],
      });
    else input[name] = value;
  }
  return checked(route.query, { ...input }, 'parameter');
}

/** The best format that the caller accepts and the route offers. @throws ProblemError not-acceptable. */
export function formatOf(route: Route, request: Request): Format {
  const offered = route.tabular ? [...FORMATS] : (['application/json'] as const);
  const format = request.accepts([...offered]);
  if (format === false) throw new ProblemError('not-acceptable', `Available: ${offered.join(', ')}`);
  return format as Format;
}
