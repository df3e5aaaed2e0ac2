// The checksum of a session's events, computed from processor/core/SPEC.md (C6) alone, in plain big integers, so that it shares
// nothing with the fold's own arithmetic.

const MASK = 0xffffffffn;
const SEEDS = [0x811c9dc5n, 0x9747b28cn] as const;

const times = (a: bigint, b: bigint): bigint => (a * b) & MASK;

function textOf(seed: bigint, text: string): bigint {
  let h = seed;
  for (const unit of Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))) h = times(h ^ BigInt(unit), 0x01000193n);
  return h;
}

function mixed(value: bigint): bigint {
  let h = times(value ^ (value >> 16n), 0x85ebca6bn);
  h = times(h ^ (h >> 13n), 0xc2b2ae35n);
  return h ^ (h >> 16n);
}

/** Identity of a numbered event: 64 bits. The checksum of a part is the sum of its events' identities modulo 2^64. */
export function eventChecksum(site: string, session: string, seq: number): bigint {
  const [high, low] = SEEDS.map((seed) => mixed((textOf(seed, `${site}/${session}/`) + BigInt(seq + 1) * 0x9e3779b1n) & MASK)) as [
    bigint,
    bigint,
  ];
  return (high << 32n) | low;
}
