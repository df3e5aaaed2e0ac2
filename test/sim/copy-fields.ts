// Reads back what COPY BINARY was given: rows of named fields as bytes. Comparing bytes compares everything.

export type CopiedRow = Record<string, Buffer | null>;

const HEADER_BYTES = 19;

/** Fields of every row, by column name. @throws Error if the bytes are no complete COPY stream. */
export function readCopy(columns: readonly string[], bytes: Buffer): CopiedRow[] {
  const rows: CopiedRow[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const count = bytes.readInt16BE(at);
    at += 2;
    if (count === -1) break;
    if (count !== columns.length) throw new Error(`row of ${count} fields for ${columns.length} columns`);
    const row: CopiedRow = {};
    for (const column of columns) {
      const length = bytes.readInt32BE(at);
      at += 4;
      row[column] = length < 0 ? null : bytes.subarray(at, at + length);
      at += Math.max(0, length);
    }
    rows.push(row);
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes behind the end of a COPY`);
  return rows;
}

/** An int2, int4 or int8 field as a number. */
export function integerOf(row: CopiedRow, column: string): number {
  const bytes = row[column];
  if (bytes === null || bytes === undefined) throw new Error(`${column} is null`);
  return bytes.length === 8 ? Number(bytes.readBigInt64BE()) : bytes.readIntBE(0, bytes.length);
}

export const textOf = (row: CopiedRow, column: string): string => (row[column] as Buffer).toString('utf8');

/** Columns that tell who wrote a row, not what it says (I6). */
const AUDIT_COLUMNS = new Set(['epoch', 'writer']);

/** A row as text without its audit columns: equal text, equal row, whatever the order of its columns in memory. */
export function canonical(row: CopiedRow): string {
  let text = '';
  for (const column in row) {
    if (AUDIT_COLUMNS.has(column)) continue;
    const bytes = row[column];
    text += bytes === null || bytes === undefined ? '-' : `${bytes.length}:${bytes.toString('latin1')}`;
  }
  return text;
}

/** The columns in which two rows differ, readable. */
export function difference(a: CopiedRow, b: CopiedRow): string {
  const show = (bytes: Buffer | null | undefined): string =>
    bytes === null || bytes === undefined ? '-' : `${bytes.toString('hex')} ${JSON.stringify(bytes.toString('utf8'))}`;
  return Object.keys(a)
    .filter((column) => !AUDIT_COLUMNS.has(column) && show(a[column]) !== show(b[column]))
    .map((column) => `${column}: ${show(a[column])} instead of ${show(b[column])}`)
    .join('; ');
}
