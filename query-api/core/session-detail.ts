// One session in full: its parts put together as the queries do it for many (queries/combined.ts), with its sections in the
// order played and its evidence.

type Section = readonly [run: number, fromMs: number, toMs: number, startedAtMs: number, rateMilli: number];

/** What is added up over the parts of a session. */
export const PART_SUMS = [
  'total_watch_ms',
  'stalls',
  'stall_ms',
  'seeks',
  'bitrate_kbps_ms',
  'bitrate_known_ms',
  'switches_up',
  'switches_down',
  'received',
  'lost',
  'duplicates',
  'late',
  'conflicts',
  'limit_hits',
] as const;
/** What a session has at most once, whichever part it is in. */
export const PART_FLAGS = ['attempts', 'plays', 'completions', 'start_failures', 'playback_failures', 'exits_before_start'] as const;

export type PartLike = {
  part: number;
  open: boolean;
  video: string;
  started_at: number;
  ended_at: number;
  unique_watch_ms: number;
  startup_ms: number | null;
  errors: readonly { code: string; fatal: boolean; count: number }[];
  sections: readonly Section[];
} & Record<(typeof PART_SUMS)[number] | (typeof PART_FLAGS)[number], number>;

export type SessionDetail<P extends PartLike> = {
  /** The part whose context counts. */
  first: P;
  open: boolean;
  parts: number;
  endedAtMs: number;
  uniqueWatchMs: number;
  startupMs: number | null;
  sums: Record<(typeof PART_SUMS)[number] | (typeof PART_FLAGS)[number], number>;
  errors: { code: string; fatal: boolean; count: number }[];
  sections: Section[];
};

/** Groups parts by (video, started_at) and puts each group together. Parts must be ordered by started_at, video, part. */
export function sessionDetails<P extends PartLike>(parts: readonly P[]): SessionDetail<P>[] {
  const groups = new Map<string, P[]>();
  for (const part of parts) {
    const id = `${part.started_at}\u0000${part.video}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [part]);
    else group.push(part);
  }
  return [...groups.values()].map(detailOf);
}

function detailOf<P extends PartLike>(parts: readonly P[]): SessionDetail<P> {
  const first = parts[0] as P;
  const sums = {} as SessionDetail<P>['sums'];
  for (const name of PART_SUMS) sums[name] = parts.reduce((sum, part) => sum + part[name], 0);
  for (const name of PART_FLAGS)
    sums[name] = Math.min(
      1,
      parts.reduce((sum, part) => sum + part[name], 0),
    );
  const startups = parts.map((part) => part.startup_ms).filter((ms) => ms !== null);
  const sections = parts.flatMap((part) => part.sections);
  return {
    first,
    open: parts.some((part) => part.open),
    parts: parts.length,
    endedAtMs: Math.max(...parts.map((part) => part.ended_at)),
    uniqueWatchMs: parts.length === 1 ? first.unique_watch_ms : unionMs(sections),
    startupMs: startups.length === 0 ? null : Math.min(...startups),
    sums,
    errors: errorsOf(parts),
    sections,
  };
}

/** Length of the union of sections, ms. */
export function unionMs(sections: readonly Section[]): number {
  let covered = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const [, fromMs, toMs] of [...sections].sort((a, b) => a[1] - b[1])) {
    if (toMs <= end) continue;
    covered += toMs - Math.max(fromMs, end);
    end = toMs;
  }
  return covered;
}

function errorsOf(parts: readonly PartLike[]): { code: string; fatal: boolean; count: number }[] {
  const errors = new Map<string, { code: string; fatal: boolean; count: number }>();
  for (const { code, fatal, count } of parts.flatMap((part) => part.errors)) {
    const id = `${fatal}\u0000${code}`;
    const seen = errors.get(id);
    if (seen === undefined) errors.set(id, { code, fatal, count });
    else seen.count += count;
  }
  return [...errors.values()];
}
