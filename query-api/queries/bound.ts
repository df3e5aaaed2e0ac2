// A statement with its parameters, and the collector that numbers them: values are never pasted into text (Q3).
import type { Statement } from '../../infra/runtime/ports.ts';

/** Ready to send: the name says which statement it is in logs and metrics, the row type is what comes back. */
export type Bound<Row> = { readonly statement: Statement<readonly unknown[], Row>; readonly params: readonly unknown[] };

export type ParamList = { add(value: unknown): string; readonly values: readonly unknown[] };

/** Collects parameters; `add` gives the placeholder. */
export function paramList(): ParamList {
  const values: unknown[] = [];
  return {
    add(value) {
      values.push(value);
      return `$${values.length}`;
    },
    values,
  };
}

export function bound<Row>(name: string, text: string, params: readonly unknown[]): Bound<Row> {
  return { statement: { name, text }, params };
}
