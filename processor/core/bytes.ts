// Avro's binary form by hand, for the shapes of schemas/snapshot.avsc: a partition's state is written and read without an object in
// between. Source: Apache Avro specification, "Binary Encoding". A test compares every field with what the avsc library makes of it.

/** First size of a writer's buffer; it doubles. */
const BUFFER_BYTES = 64 * 1024;
/** A long of up to 2^53 takes at most this many bytes. */
const LONG_BYTES_MAX = 10;
const LOW_BITS = 28;
const LOW = 2 ** LOW_BITS;

/** Values one behind the other in a buffer that grows. */
export class BytesOut {
  #bytes = new Uint8Array(BUFFER_BYTES);
  #used = 0;

  get length(): number {
    return this.#used;
  }

  /** What was written since the last call, a view that is overwritten by what is written next. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    return taken;
  }

  #reserve(count: number): void {
    if (this.#used + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#used + count));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }

  /** A safe integer. */
  long(value: number): void {
    this.#reserve(LONG_BYTES_MAX);
    const bytes = this.#bytes;
    let at = this.#used;
    let low: number;
    if (value >= -1_073_741_824 && value < 1_073_741_824) {
      low = ((value << 1) ^ (value >> 31)) >>> 0;
    } else {
      const zigzag = value >= 0 ? value * 2 : -value * 2 - 1;
      let high = Math.floor(zigzag / LOW);
      low = zigzag - high * LOW;
      for (let septets = 0; septets < 4; septets++) {
        bytes[at++] = (low & 0x7f) | 0x80;
        low >>>= 7;
      }
      // What is left is below 2^26.
      while (high >= 128) {
        bytes[at++] = (high & 0x7f) | 0x80;
        high >>>= 7;
      }
      bytes[at++] = high;
      this.#used = at;
      return;
    }
    while (low >= 128) {
      bytes[at++] = (low & 0x7f) | 0x80;
      low >>>= 7;
    }
    bytes[at++] = low;
    this.#used = at;
  }

  boolean(value: boolean): void {
    this.#reserve(1);
    this.#bytes[this.#used++] = value ? 1 : 0;
  }

  /** Text as UTF-8 behind its length in bytes; half a surrogate pair becomes U+FFFD. */
  text(value: string): void {
    const units = value.length;
    let ascii = true;
    for (let i = 0; ascii && i < units; i++) ascii = value.charCodeAt(i) < 0x80;
    if (!ascii) return this.#utf8(value);
    this.long(units);
    this.#reserve(units);
    const bytes = this.#bytes;
    const at = this.#used;
    for (let i = 0; i < units; i++) bytes[at + i] = value.charCodeAt(i);
    this.#used = at + units;
  }

  #utf8(value: string): void {
    const bytes: number[] = [];
    for (const character of value) {
      const point = character.codePointAt(0) as number;
      const code = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    }
    this.long(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** An array in one block. */
  array<T>(items: readonly T[], write: (out: BytesOut, item: T) => void): void {
    if (items.length > 0) {
      this.long(items.length);
      for (const item of items) write(this, item);
    }
    this.long(0);
  }

  longs(items: readonly number[]): void {
    if (items.length > 0) {
      this.long(items.length);
      for (const item of items) this.long(item);
    }
    this.long(0);
  }
}

/** Text of bytes from..to-1, UTF-8: handed in, since the core has no decoder of its own. */
export type TextOf = (from: number, to: number) => string;

/** Reads what BytesOut or any Avro writer wrote. @throws RangeError where the bytes end too soon or cannot be meant. */
export class BytesIn {
  readonly #bytes: Uint8Array;
  readonly #textOf: TextOf;
  readonly #known = new Map<number, string>();
  #at = 0;

  constructor(bytes: Uint8Array, textOf: TextOf) {
    this.#bytes = bytes;
    this.#textOf = textOf;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError('the bytes end too soon');
    return byte;
  }

  long(): number {
    let byte = this.#byte();
    let low = byte & 0x7f;
    for (let shift = 7; byte >= 128 && shift < LOW_BITS; shift += 7) {
      byte = this.#byte();
      low |= (byte & 0x7f) << shift;
    }
    if (byte < 128) return (low >>> 1) ^ -(low & 1);
    let zigzag = low;
    for (let scale = LOW; byte >= 128; scale *= 128) {
      byte = this.#byte();
      zigzag += (byte & 0x7f) * scale;
      if (zigzag >= 2 ** 54) throw new RangeError('a number is too large');
    }
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }

  boolean(): boolean {
    return this.#byte() !== 0;
  }

  /** Text that is likely to be its own. */
  text(): string {
    const length = this.long();
    const from = this.#at;
    this.#pass(length);
    return length === 0 ? '' : this.#textOf(from, this.#at);
  }

  #pass(count: number): void {
    if (count < 0 || this.#at + count > this.#bytes.length) throw new RangeError('a text ends too late');
    this.#at += count;
  }

  /** Text that many have in common: the same one is kept once, and found by its bytes without making it again. */
  sharedText(): string {
    const length = this.long();
    if (length === 0) return '';
    const from = this.#at;
    this.#pass(length);
    let hash = length;
    for (let i = from; i < this.#at; i++) hash = Math.imul(hash ^ (this.#bytes[i] as number), 0x01000193);
    const known = this.#known.get(hash);
    if (known !== undefined && this.#isAt(from, known)) return known;
    const text = this.#textOf(from, this.#at);
    this.#known.set(hash, text);
    return text;
  }

  /** True if the bytes from there to here are that text, in ASCII. */
  #isAt(from: number, text: string): boolean {
    if (text.length !== this.#at - from) return false;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80 || unit !== this.#bytes[from + i]) return false;
    }
    return true;
  }

  oneOf<T>(names: readonly T[]): T {
    const name = names[this.long()];
    if (name === undefined) throw new RangeError('a name is not known');
    return name;
  }

  /** Number of items in the next block of an array; 0 = the array ends. */
  block(): number {
    const count = this.long();
    if (count >= 0) return count;
    this.long();
    return -count;
  }

  array<T>(read: (input: BytesIn) => T): T[] {
    const items: T[] = [];
    for (let count = this.block(); count > 0; count = this.block()) {
      for (let i = 0; i < count; i++) items.push(read(this));
    }
    return items;
  }

  longs(): number[] {
    let items: number[] = [];
    for (let count = this.block(); count > 0; count = this.block()) {
      const first = items.length;
      if (first === 0 && count <= this.#bytes.length - this.#at) items = new Array<number>(count).fill(0);
      for (let i = 0; i < count; i++) items[first + i] = this.long();
    }
    return items;
  }
}
