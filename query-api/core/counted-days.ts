// Where counted events are cut (Analytics Engine, protocols.md section 6): local days, weeks from Sunday and months of the site's zone,
// each only behind its own cut-off, so that nothing is cut finer than it is shown.
import { civilFromDays, localDayAt, startOfDay } from './civil.ts';
import { INSTANT_MS_MAX } from './interval.ts';

/** A question's cut-offs and the zone in which days begin, epoch ms. `oldestMs`: nothing that counts is older. */
export type CountedSpan = {
  readonly timezone: string;
  readonly cuts: { readonly daily: number; readonly weekly: number; readonly monthly: number };
  readonly oldestMs: number;
  readonly nowMs: number;
};

const DAYS_IN_WEEK = 7;
/** The day with number 0 was a Thursday, the fourth after Sunday. */
const EPOCH_WEEKDAY = 4;

/** Day number of the Sunday that starts a day's week. */
export function sundayOf(day: number): number {
  return day - ((((day + EPOCH_WEEKDAY) % DAYS_IN_WEEK) + DAYS_IN_WEEK) % DAYS_IN_WEEK);
}

/** Boundaries, ascending: no stretch between two of them holds a cut-off, or the beginning of a day, week or month that is shown. */
export function countedBoundaries({ timezone, cuts, oldestMs, nowMs }: CountedSpan): number[] {
  const first = Math.max(Math.min(cuts.daily, cuts.weekly, cuts.monthly), oldestMs);
  const boundaries = new Set([first]);
  for (const cut of Object.values(cuts)) if (cut > first) boundaries.add(cut);
  // One day more: clocks of clients may be a little ahead.
  const lastDay = localDayAt(timezone, nowMs) + 1;
  const daysFrom = localDayAt(timezone, Math.max(first, cuts.daily));
  for (let day = localDayAt(timezone, first); day <= lastDay; day++) {
    if (day < daysFrom && sundayOf(day) !== day && civilFromDays(day).day !== 1) continue;
    const midnight = startOfDay(timezone, day);
    if (midnight > first) boundaries.add(midnight);
  }
  return [...boundaries].sort((a, b) => a - b).concat(INSTANT_MS_MAX);
}
