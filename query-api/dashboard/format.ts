// Numbers and instants as people read them.

/** The reader's language; some systems report one that Intl refuses. */
export const locale = ((): string => {
  try {
    return new Intl.NumberFormat(navigator.language).resolvedOptions().locale;
  } catch {
    return 'en';
  }
})();
const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(locale);

/** 1234 → "1,234", 1234567 → "1.2M". */
export const count = (value: number): string => (Math.abs(value) < 100_000 ? whole.format(value) : compact.format(value));

/** As `duration`, "-" where it is not known. */
export const durationOrNone = (ms: number | null | undefined): string => (ms === null || ms === undefined ? '-' : duration(ms));

/** Milliseconds → "850 ms", "4.2 s", "3 min 20 s", "12.5 h". */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`;
  if (ms < 3_600_000) {
    const seconds = Math.round(ms / 1000);
    return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
  const hours = ms / 3_600_000;
  return hours < 100 ? `${hours.toFixed(1)} h` : `${count(Math.round(hours))} h`;
}

/** Media position → "0:07", "1:02:03". */
export function position(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return hours > 0
    ? `${hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
    : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}

/** Ratio → "12.3 %"; undefined → "-". */
export const percent = (ratio: number | null | undefined, digits = 0): string =>
  ratio === null || ratio === undefined || !Number.isFinite(ratio) ? '-' : `${(ratio * 100).toFixed(digits)} %`;

/** How long ago, in words. */
export function ago(ms: number): string {
  if (ms < 10_000) return 'up to the second';
  if (ms < 90_000) return `${Math.round(ms / 1000)} s behind`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min behind`;
  return `${Math.round(ms / 3_600_000)} h behind`;
}
