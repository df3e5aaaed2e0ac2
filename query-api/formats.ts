// How rows leave: JSON, CSV (with a guard against spreadsheet formulas) or NDJSON, by Accept. Large answers are streamed.
import type { Response } from 'express';

export const FORMATS = ['application/json', 'text/csv', 'application/x-ndjson'] as const;
export type Format = (typeof FORMATS)[number];

export type Row = Readonly<Record<string, unknown>>;

/** A cell that a spreadsheet would run as a formula begins with one of these. Source: OWASP, CSV Injection. */
const FORMULA = /^[=+\-@\t\r]/;

/** One CSV cell, RFC 4180. Numbers are never guarded: a minus sign is theirs. */
export function csvCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const guarded = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

/** Nested objects become columns `outer.inner`; lists stay one cell of JSON. */
export function flatten(row: Row, prefix = ''): Map<string, unknown> {
  const cells = new Map<string, unknown>();
  for (const [name, value] of Object.entries(row)) {
    if (value !== null && typeof value === 'object' && !Array.isArray(value))
      for (const [inner, cell] of flatten(value as Row, `${prefix}${name}.`)) cells.set(inner, cell);
    else cells.set(`${prefix}${name}`, value);
  }
  return cells;
}

/** Columns whose nested keys are the site's own (metadata, event data): one cell of JSON, or columns would depend on the rows. */
const OPAQUE = ['meta', 'data'];

const cellsOf = (row: Row): Map<string, unknown> => {
  const closed: Record<string, unknown> = { ...row };
  for (const name of OPAQUE) if (typeof closed[name] === 'object' && closed[name] !== null) closed[name] = JSON.stringify(closed[name]);
  return flatten(closed);
};

/** CSV text of pages of rows; the first row gives the columns. */
export async function* csvLines(pages: AsyncIterable<readonly Row[]>): AsyncGenerator<string> {
  let columns: string[] | undefined;
  for await (const page of pages) {
    let text = '';
    for (const row of page) {
      const cells = cellsOf(row);
      if (columns === undefined) {
        columns = [...cells.keys()];
        text += `${columns.map(csvCell).join(',')}\r\n`;
      }
      text += `${columns.map((column) => csvCell(cells.get(column))).join(',')}\r\n`;
    }
    yield text;
  }
}

/** One JSON document per line. */
export async function* ndjsonLines(pages: AsyncIterable<readonly Row[]>): AsyncGenerator<string> {
  for await (const page of pages) yield page.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** Writes pages as they come, at the reader's pace. Stops asking for more when the reader goes away. */
export async function sendPages(
  response: Response,
  format: Exclude<Format, 'application/json'>,
  pages: AsyncIterable<readonly Row[]>,
): Promise<void> {
  response.type(format === 'text/csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson; charset=utf-8');
  for await (const text of format === 'text/csv' ? csvLines(pages) : ndjsonLines(pages)) {
    if (response.destroyed) return;
    if (text !== '' && !response.write(text)) await drained(response);
  }
  response.end();
}

function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
