// A run for people: a short table of what mattered to the partition and the session that a broken invariant names.
import type { RunResult } from './run.ts';
import type { Moment } from './world.ts';

const ROWS_MAX = 60;
const ACTOR = /^(processor|gateway|operator)[0-9]*\b/;
const EFFECT_CHARACTERS_MAX = 110;

type Row = [time: string, who: string, what: string, effect: string];

/** What the failure is about; empty = everything. */
type Subject = { partitions: ReadonlySet<string>; sessions: ReadonlySet<string> };

const all = (text: string, pattern: RegExp): ReadonlySet<string> => new Set([...text.matchAll(pattern)].map((match) => match[1] as string));

/** False for what names only other partitions or other sessions. */
function concerns({ partitions, sessions }: Subject, { detail }: Moment): boolean {
  const namedSessions = all(detail, /\b(v\d+-\d+)\b/g);
  if (sessions.size > 0 && namedSessions.size > 0) return [...namedSessions].some((name) => sessions.has(name));
  const named = all(detail, /\bpartition (\d+)\b/g);
  return partitions.size === 0 || named.size === 0 || [...named].some((name) => partitions.has(name));
}

/** The last noted moments before the failure, one row each: virtual time in s, who, what, effect. */
export function table({ timeline, failure }: Pick<RunResult, 'timeline' | 'failure'>): string[] {
  const text = failure?.message ?? '';
  const subject = { partitions: all(text, /\bpartition (\d+)\b/g), sessions: all(text, /\b(v\d+-\d+)\b/g) };
  const rows = timeline.filter((moment) => moment.noted && concerns(subject, moment)).map(rowOf);
  const endMs = timeline.at(-1)?.atMs ?? 0;
  const verdict: Row = [(endMs / 1000).toFixed(3), 'check', 'broken', text.split('\n')[0] as string];
  const shown = [...withoutRepeats(rows).slice(-ROWS_MAX), verdict];
  const widths = [0, 1, 2].map((column) => Math.max(...shown.map((row) => (row[column] as string).length), 4));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(['time', 'who', 'what', 'effect']), ...shown.map(line)];
}

function rowOf({ atMs, what, detail }: Moment): Row {
  const actor = ACTOR.exec(detail)?.[0];
  const who = actor ?? (what.startsWith('fault:') ? 'fate' : what === 'appended' ? 'broker' : 'world');
  const effect = (actor === undefined ? detail : detail.slice(actor.length)).trim();
  return [(atMs / 1000).toFixed(3), who, what.replace('fault:', ''), effect.slice(0, EFFECT_CHARACTERS_MAX)];
}

/** Left out: ticks after ticks, and rows that but for the time say what was said last. */
function withoutRepeats(rows: readonly Row[]): Row[] {
  let said = '';
  let ticked = false;
  return rows.filter((row) => {
    const isTick = row[3].endsWith(': tick');
    const saying = row.slice(1).join();
    const keep = isTick ? !ticked : saying !== said;
    if (!isTick) said = saying;
    if (keep) ticked = isTick;
    return keep;
  });
}
