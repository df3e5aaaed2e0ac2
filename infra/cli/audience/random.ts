// Seeded randomness of the audience simulator: the same seed gives the same audience on any machine. Not for secrets.

/** A deterministic stream of numbers. `fork` gives an independent stream that depends only on the seed and the label. */
export type Random = {
  /** [0, 1). */
  next(): number;
  /** Integer in [low, high], both included. */
  int(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Picks by `weight`. */
  weighted<T extends { weight: number }>(items: readonly T[]): T;
  /** Exponentially distributed integer with this mean, cut to [low, high]. */
  spread(mean: number, low: number, high: number): number;
  /** `length` characters of [A-Za-z0-9_-]. */
  id(length: number): string;
  fork(label: string): Random;
};

const ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';

/** 32-bit FNV-1a of a text. */
function hashOf(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** The stream of a seed; mulberry32 over the hash of the seed's text. */
export function createRandom(seed: number | string): Random {
  const name = String(seed);
  let state = hashOf(`${name}#${name.length}`);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (items) => items[int(0, items.length - 1)] as (typeof items)[number],
    weighted(items) {
      let rest = next() * items.reduce((sum, item) => sum + item.weight, 0);
      for (const item of items) {
        rest -= item.weight;
        if (rest < 0) return item;
      }
      return items[items.length - 1] as (typeof items)[number];
    },
    spread: (mean, low, high) => Math.min(high, low + Math.floor(-Math.log(1 - next()) * mean)),
    id(length) {
      let text = '';
      for (let i = 0; i < length; i++) text += ID_ALPHABET[int(0, 63)];
      return text;
    },
    fork: (label) => createRandom(`${name}/${label}`),
  };
}
