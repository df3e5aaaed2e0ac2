// Seeded randomness of a run: sfc32. Everything random in a simulated world comes from one of these.

export type Random = {
  /** [0, 1). */
  next(): number;
  /** Integer in [min, max]. */
  integer(min: number, max: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** A generator of its own, so that one part's draws do not move another's. */
  fork(): Random;
};

/** The generator of a seed. Same seed, same draws, on any machine. */
export function createRandom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed;
  let b = 0x243f6a88 ^ Math.imul(seed, 0x85ebca6b);
  let c = 0xb7e15162;
  let counter = 1;
  const word = (): number => {
    const t = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) word();
  const random: Random = {
    next: () => word() / 2 ** 32,
    integer: (min, max) => min + (word() % (max - min + 1)),
    chance: (probability) => word() / 2 ** 32 < probability,
    pick: (items) => items[word() % items.length] as (typeof items)[number],
    fork: () => createRandom(word() | 0),
  };
  return random;
}
