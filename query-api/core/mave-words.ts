// Browsers, platforms and devices in mave's words: which of our names each stands for. Everything else is `other`.

/** A word and the patterns (SQL LIKE) of our names that it stands for. */
export type Word = readonly [word: string, patterns: readonly string[]];
export type Words = readonly Word[];

/** A distribution is Linux, whichever it names itself. */
const LINUX = ['Linux', 'Ubuntu', 'Debian', 'Fedora', 'Arch', 'Mint', 'CentOS', 'RedHat', 'SUSE', 'Gentoo', 'Manjaro', 'Raspbian'];

export const PLATFORM_WORDS: Words = [
  ['mac', ['macOS', 'Mac OS']],
  ['ios', ['iOS', 'iPadOS']],
  ['android', ['Android']],
  ['windows', ['Windows']],
  ['linux', LINUX],
];
export const DEVICE_WORDS: Words = [
  ['mobile', ['mobile']],
  ['desktop', ['desktop']],
  ['tablet', ['tablet']],
];
export const BROWSER_WORDS: Words = [
  ['edge', ['Edge%']],
  ['ie', ['IE']],
  ['chrome', ['Chrome', 'Chrome Mobile', 'Chrome iOS']],
  ['firefox', ['Firefox%']],
  ['opera', ['Opera%']],
  ['safari', ['Safari', 'Mobile Safari']],
  ['brave', ['Brave']],
];

/** Counts per word, in their order, as an object of all of them; what is missing to `total` is `other`. */
export function countsOf(words: Words, counts: readonly number[], total: number): Record<string, number> {
  const named = Object.fromEntries(words.map(([word], i) => [word, counts[i] ?? 0]));
  return { ...named, other: total - counts.reduce((sum, count) => sum + count, 0) };
}
