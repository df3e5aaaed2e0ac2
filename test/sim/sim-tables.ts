// What a simulated PostgreSQL holds.
import type { ProgressRow } from '../../processor/sql/progress-row.ts';
import type { SnapshotRow } from '../../processor/sql/read-snapshots.ts';
import type { CopiedRow } from './copy-fields.ts';
import type { Jump } from './reference.ts';

export const EMISSION_TABLES = ['sessions', 'custom_events', 'dead_letters', 'duplicate_counts'] as const;
export const APPEND_TABLES = [...EMISSION_TABLES, 'watch_sections', 'beacons'] as const;
export type AppendTable = (typeof APPEND_TABLES)[number];

export type ClaimRow = { partition: number; epoch: number; token: string; startOffset: number; startSeq: number; instance: string };
export type StoredSnapshot = SnapshotRow & { partition: number };
/** Everything committed. Rows are never changed in place, so a copy of the containers is a backup. */
export type Tables = {
  progress: Map<number, ProgressRow>;
  appended: Record<AppendTable, CopiedRow[]>;
  open: Map<string, CopiedRow>;
  rollups: Map<string, readonly number[]>;
  snapshots: StoredSnapshot[];
  claims: ClaimRow[];
  gaps: { partition: number; from_offset: number; to_offset: number; reason: string; operator: string }[];
  /** Not a table: where a commit went over an accepted gap, or began with an empty state. Goes back with the rows. */
  jumps: Jump[];
  /** Not a table: every snapshot ever committed. Goes back with nothing. */
  taken: StoredSnapshot[];
};

/** A database that was just migrated. */
export const emptyTables = (): Tables => ({
  progress: new Map(),
  appended: { sessions: [], custom_events: [], dead_letters: [], duplicate_counts: [], watch_sections: [], beacons: [] },
  open: new Map(),
  rollups: new Map(),
  snapshots: [],
  claims: [],
  gaps: [],
  jumps: [],
  taken: [],
});

/** A copy that later commits do not reach. */
export const copyOf = (tables: Tables): Tables => ({
  progress: new Map(tables.progress),
  appended: Object.fromEntries(Object.entries(tables.appended).map(([name, rows]) => [name, rows.slice()])) as Tables['appended'],
  open: new Map(tables.open),
  rollups: new Map(tables.rollups),
  snapshots: tables.snapshots.slice(),
  claims: tables.claims.slice(),
  gaps: tables.gaps.slice(),
  jumps: tables.jumps.slice(),
  taken: tables.taken,
});

/** Called with every commit that moved a partition, before it becomes visible; throws what is wrong with it. */
export type CommitCheck = (commit: {
  partition: number;
  before: ProgressRow | undefined;
  after: ProgressRow;
  rows: readonly CopiedRow[];
}) => void;
