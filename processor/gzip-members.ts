// gzip in members of bounded size, each telling its own: any gunzip reads the whole, and we can read member by member with pauses.
// Source: RFC 1952; the size stands in the extra field, subfield 'P' 'H'.
import { crc32, deflateRawSync, gunzipSync, inflateRawSync } from 'node:zlib';

/** Level 1: the state is small numbers, higher levels cost time and win little. */
const LEVEL = 1;
/** Raw bytes of a member, about: a millisecond of work. */
const MEMBER_BYTES = 192 * 1024;
const HEAD = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, 0x50, 0x48, 4, 0]);
const SIZE_AT = HEAD.length;
const HEAD_BYTES = SIZE_AT + 4;
const TAIL_BYTES = 8;

/** Compresses pieces as they come. */
export class MembersOut {
  readonly #members: Buffer[] = [];
  #pieces: Buffer[] = [];
  #waiting = 0;

  /** Keeps a copy of the piece. */
  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(Buffer.from(piece));
    this.#waiting += piece.length;
    if (this.#waiting >= MEMBER_BYTES) this.#close();
  }

  #close(): void {
    const raw = Buffer.concat(this.#pieces);
    const packed = deflateRawSync(raw, { level: LEVEL });
    const head = Buffer.concat([HEAD, Buffer.alloc(4)]);
    head.writeUInt32LE(HEAD_BYTES + packed.length + TAIL_BYTES, SIZE_AT);
    const tail = Buffer.alloc(TAIL_BYTES);
    tail.writeUInt32LE(crc32(raw));
    tail.writeUInt32LE(raw.length, 4);
    this.#members.push(head, packed, tail);
    this.#pieces = [];
    this.#waiting = 0;
  }

  /** Everything that was added, as one gzip file. */
  end(): Buffer {
    if (this.#waiting > 0) this.#close();
    return Buffer.concat(this.#members);
  }
}

/**
 * Inflates a gzip file, with an opportunity to pause after each member; one that does not tell its size is inflated whole.
 * @throws Error where the bytes are no gzip, or inflate to more than `bytesMax`.
 */
export function* inflateMembers(packed: Buffer, bytesMax: number): Generator<void, Buffer> {
  const members: Buffer[] = [];
  let inflated = 0;
  for (let at = 0; at < packed.length; ) {
    const size = memberSize(packed, at);
    const left = bytesMax - inflated;
    if (size === undefined) {
      members.push(gunzipSync(packed.subarray(at), { maxOutputLength: left }));
      break;
    }
    const raw = inflateRawSync(packed.subarray(at + HEAD_BYTES, at + size - TAIL_BYTES), { maxOutputLength: left });
    members.push(raw);
    inflated += raw.length;
    at += size;
    yield;
  }
  return Buffer.concat(members);
}

/** Size of the member at that place; undefined = it does not tell, or it does not fit. */
function memberSize(packed: Buffer, at: number): number | undefined {
  if (packed.length - at < HEAD_BYTES + TAIL_BYTES || !packed.subarray(at, at + HEAD.length).equals(HEAD)) return undefined;
  const size = packed.readUInt32LE(at + SIZE_AT);
  return size >= HEAD_BYTES + TAIL_BYTES && size <= packed.length - at ? size : undefined;
}
