// Interval algebra of watch sections. Sections are kept flat, five numbers each, so that an open session stays small and a snapshot is a
// copy: run, fromMs, toMs, startedAt, rateMilli, in the order played. All integer ms.
import type { WatchSection } from '../../schemas/session.ts';

/** Numbers of one section in a flat list. */
export const SECTION_WIDTH = 5;

export const sectionCount = (sections: readonly number[]): number => sections.length / SECTION_WIDTH;

type Stretch = { fromMs: number; toMs: number };

/** Sections as objects, cut to [0, durationMs] where that is known (-1 = not); what is cut to nothing is left out (V1). */
export function toWatchSections(sections: readonly number[], durationMs: number): WatchSection[] {
  const result: WatchSection[] = [];
  for (let i = 0; i < sections.length; i += SECTION_WIDTH) {
    const fromMs = sections[i + 1] as number;
    const toMs = durationMs >= 0 ? Math.min(sections[i + 2] as number, durationMs) : (sections[i + 2] as number);
    if (fromMs >= toMs) continue;
    result.push({ run: sections[i] as number, fromMs, toMs, startedAt: sections[i + 3] as number, rateMilli: sections[i + 4] as number });
  }
  return result;
}

/** Sum of lengths: what is watched twice counts twice. */
export const totalMs = (sections: readonly Stretch[]): number => sections.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);

/** The union as sorted, disjoint, non-touching stretches (V2). */
export function unionOf(sections: readonly Stretch[]): Stretch[] {
  const sorted = sections.map(({ fromMs, toMs }) => ({ fromMs, toMs })).sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs);
  const union: Stretch[] = [];
  for (const stretch of sorted) {
    const last = union.at(-1);
    if (last !== undefined && stretch.fromMs <= last.toMs) last.toMs = Math.max(last.toMs, stretch.toMs);
    else union.push(stretch);
  }
  return union;
}

/** Length of the union. */
export const uniqueMs = (sections: readonly Stretch[]): number => totalMs(unionOf(sections));

/**
 * Makes room at the section limit: neighbours on the timeline are merged, smallest gap first (overlap is no gap; among equals the
 * earlier on the timeline), until `keep` are left. A merged section stands where its earliest part was played. Returns how many were merged
 * away and by how much the sum of lengths fell (it rises, negative, where a gap was bridged), so that the total can stay exact.
 */
export function mergeNearest(sections: number[], keep: number): { merges: number; lostMs: number } {
  const count = sectionCount(sections);
  const merges = Math.max(0, count - Math.max(1, keep));
  if (merges === 0) return { merges, lostMs: 0 };
  const order = timelineOrder(sections);
  const gaps = gapsInOrder(sections, order);
  const bridged = new Set(
    gaps
      .map((gap, place) => ({ gap, place }))
      .sort((a, b) => a.gap - b.gap || a.place - b.place)
      .slice(0, merges)
      .map(({ place }) => place),
  );
  return { merges, lostMs: rebuild(sections, order, bridged) };
}

/** Indexes of the sections by (fromMs, toMs, order played). */
function timelineOrder(sections: readonly number[]): number[] {
  const at = (index: number, field: number): number => sections[index * SECTION_WIDTH + field] as number;
  return Array.from({ length: sectionCount(sections) }, (_, index) => index).sort(
    (a, b) => at(a, 1) - at(b, 1) || at(a, 2) - at(b, 2) || a - b,
  );
}

/** Gap between each section in timeline order and the next: 0 where anything before reaches the next. */
function gapsInOrder(sections: readonly number[], order: readonly number[]): number[] {
  const gaps: number[] = [];
  let reachedMs = 0;
  for (let place = 0; place + 1 < order.length; place++) {
    reachedMs = Math.max(reachedMs, sections[(order[place] as number) * SECTION_WIDTH + 2] as number);
    gaps.push(Math.max(0, (sections[(order[place + 1] as number) * SECTION_WIDTH + 1] as number) - reachedMs));
  }
  return gaps;
}

/** Replaces each group of bridged neighbours by one section, in place; returns the fall of the sum of lengths. */
function rebuild(sections: number[], order: readonly number[], bridged: ReadonlySet<number>): number {
  const groups: { first: number; fromMs: number; toMs: number }[] = [];
  let beforeMs = 0;
  let afterMs = 0;
  order.forEach((index, place) => {
    const fromMs = sections[index * SECTION_WIDTH + 1] as number;
    const toMs = sections[index * SECTION_WIDTH + 2] as number;
    beforeMs += toMs - fromMs;
    const group = groups.at(-1);
    if (group !== undefined && bridged.has(place - 1)) {
      group.first = Math.min(group.first, index);
      group.toMs = Math.max(group.toMs, toMs);
    } else groups.push({ first: index, fromMs, toMs });
  });
  groups.sort((a, b) => a.first - b.first);
  const merged: number[] = [];
  for (const { first, fromMs, toMs } of groups) {
    const base = first * SECTION_WIDTH;
    afterMs += toMs - fromMs;
    merged.push(sections[base] as number, fromMs, toMs, sections[base + 3] as number, sections[base + 4] as number);
  }
  sections.length = 0;
  for (const value of merged) sections.push(value);
  return beforeMs - afterMs;
}
