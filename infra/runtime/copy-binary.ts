// Rows → the binary format of PostgreSQL's COPY, encoded whole before a transaction begins (D5).
// Source: PostgreSQL documentation, COPY, "Binary Format". Tested against a real server by property.
import type { CopyPayload } from './ports.ts';

export type CopyType =
  | 'text'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'float8'
  | 'bool'
  | 'timestamptz'
  | 'date'
  | 'jsonb'
  | 'bytea'
  | 'uuid'
  | 'int4[]';
export type CopyColumn = { readonly name: string; readonly type: CopyType };
/** text, jsonb, uuid: string; int*, float8: number; timestamptz: epoch ms; date: days since 1970-01-01; bytea: bytes; null = NULL. */
export type CopyValue = string | number | boolean | Uint8Array | readonly number[] | null;

const SIGNATURE = Buffer.from([0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00, 0, 0, 0, 0, 0, 0, 0, 0]);
/** PostgreSQL counts time from 2000-01-01. */
const EPOCH_2000_MS = 946_684_800_000;
const EPOCH_2000_DAYS = 10_957;
const INT4_OID = 23;
const START_BYTES = 64 * 1024;

/** Names of a COPY target: `COPY table (columns) FROM STDIN (FORMAT binary)`. */
export type CopyTarget = { readonly table: string; readonly columns: readonly CopyColumn[] };

/** Encodes rows (one value per column, in column order). @throws RangeError for a number that its column cannot hold. */
export function encodeCopy(target: CopyTarget, rows: readonly (readonly CopyValue[])[]): CopyPayload {
  const out = new Growing();
  out.bytes(SIGNATURE);
  for (const row of rows) {
    out.int16(target.columns.length);
    for (let i = 0; i < target.columns.length; i++) writeField(out, target.columns[i] as CopyColumn, row[i] as CopyValue);
  }
  out.int16(-1);
  const columns = target.columns.map((column) => column.name);
  return {
    statement: `COPY ${target.table} (${columns.join(', ')}) FROM STDIN (FORMAT binary)`,
    table: target.table,
    columns,
    rowCount: rows.length,
    bytes: out.finish(),
  };
}

function writeField(out: Growing, column: CopyColumn, value: CopyValue): void {
  if (value === null || value === undefined) {
    out.int32(-1);
    return;
  }
  switch (column.type) {
    case 'text':
      out.sizedText(value as string);
      break;
    case 'jsonb':
      out.sizedText(value as string, 1);
      break;
    case 'bytea':
      out.int32((value as Uint8Array).length);
      out.bytes(value as Uint8Array);
      break;
    case 'uuid':
      out.int32(16);
      out.bytes(Buffer.from((value as string).replaceAll('-', ''), 'hex'));
      break;
    case 'int4[]':
      writeIntArray(out, value as readonly number[]);
      break;
    default:
      writeFixed(out, column, Number(value));
  }
}

function writeFixed(out: Growing, column: CopyColumn, value: number): void {
  switch (column.type) {
    case 'bool':
      out.int32(1);
      out.int8(value);
      break;
    case 'int2':
      out.int32(2);
      out.int16(checked(value, 0x7fff, column));
      break;
    case 'int4':
      out.int32(4);
      out.int32(checked(value, 0x7fffffff, column));
      break;
    case 'date':
      out.int32(4);
      out.int32(checked(value, 0x7fffffff, column) - EPOCH_2000_DAYS);
      break;
    case 'int8':
      out.int32(8);
      out.int64(checked(value, Number.MAX_SAFE_INTEGER, column));
      break;
    case 'timestamptz':
      out.int32(8);
      out.int64((checked(value, 8.64e15 / 1000, column) - EPOCH_2000_MS) * 1000);
      break;
    case 'float8':
      out.int32(8);
      out.float64(value);
      break;
    default:
      throw new RangeError(`column ${column.name} has no fixed type`);
  }
}

function checked(value: number, max: number, column: CopyColumn): number {
  if (!Number.isInteger(value) || value > max || value < -max) throw new RangeError(`${column.name}: ${value} does not fit ${column.type}`);
  return value;
}

function writeIntArray(out: Growing, values: readonly number[]): void {
  if (values.length === 0) {
    out.int32(12);
    out.int32(0);
    out.int32(0);
    out.int32(INT4_OID);
    return;
  }
  out.int32(20 + values.length * 8);
  out.int32(1);
  out.int32(0);
  out.int32(INT4_OID);
  out.int32(values.length);
  out.int32(1);
  for (const value of values) {
    out.int32(4);
    out.int32(value);
  }
}

/** A buffer that doubles when it is full. */
class Growing {
  #buffer = Buffer.allocUnsafe(START_BYTES);
  #length = 0;

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  int8(value: number): void {
    this.#room(1);
    this.#length = this.#buffer.writeInt8(value, this.#length);
  }

  int16(value: number): void {
    this.#room(2);
    this.#length = this.#buffer.writeInt16BE(value, this.#length);
  }

  int32(value: number): void {
    this.#room(4);
    this.#length = this.#buffer.writeInt32BE(value, this.#length);
  }

  /** A safe integer as eight bytes, without BigInt. */
  int64(value: number): void {
    this.#room(8);
    const high = Math.floor(value / 0x1_0000_0000);
    this.#buffer.writeInt32BE(high, this.#length);
    this.#length = this.#buffer.writeUInt32BE(value - high * 0x1_0000_0000, this.#length + 4);
  }

  float64(value: number): void {
    this.#room(8);
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
  }

  bytes(source: Uint8Array): void {
    this.#room(source.length);
    this.#buffer.set(source, this.#length);
    this.#length += source.length;
  }

  /** Length, an optional leading version byte (jsonb has one), UTF-8 text. */
  sizedText(text: string, version = 0): void {
    this.#room(5 + text.length * 3);
    const lead = version === 0 ? 0 : 1;
    const start = this.#length + 4 + lead;
    const written = this.#buffer.write(text, start, 'utf8');
    this.#buffer.writeInt32BE(written + lead, this.#length);
    if (lead === 1) this.#buffer.writeInt8(version, this.#length + 4);
    this.#length = start + written;
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
