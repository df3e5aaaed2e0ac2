// What the statements of a flush do to the tables of a simulated PostgreSQL, by name (ports.ts).
import { ROLLUP_COUNTS } from '../../processor/sql/rollup-counts.ts';
import type { Tables } from './sim-tables.ts';

type Write = (apply: (tables: Tables) => void) => void;

/** Changes tables as the statement says; `write` applies at COMMIT. @throws Error for a statement it does not know. */
export function change(write: Write, name: string, params: readonly unknown[]): void {
  const partition = params[0] as number;
  const added = addedCounts(name, params);
  if (added !== undefined) return write((tables) => addTo(tables.rollups, added));
  switch (name) {
    case 'processor_record_claim': {
      const [, epoch, token, startOffset, startSeq, , instance] = params as [number, number, string, number, number, string, string];
      write((tables) => tables.claims.push({ partition, epoch, token, startOffset, startSeq, instance }));
      break;
    }
    case 'processor_write_snapshot': {
      const [
        ,
        epoch,
        nextOffset,
        emissionSeq,
        schemaId,
        foldVersion,
        configHash,
        fingerprintOffset,
        fingerprintHash,
        stateHash,
        checksum,
        payload,
      ] = params as [number, number, number, number, number, number, Buffer, number | null, Buffer | null, Buffer, Buffer, Buffer];
      const row = {
        partition,
        epoch,
        next_offset: nextOffset,
        emission_seq: emissionSeq,
        schema_id: schemaId,
        fold_version: foldVersion,
        config_hash: configHash,
        fingerprint_offset: fingerprintOffset,
        fingerprint_hash: fingerprintHash,
        state_hash: stateHash,
        checksum,
        payload,
      };
      write((tables) => {
        tables.taken.push(row);
        tables.snapshots = [
          ...tables.snapshots.filter((old) => old.partition !== partition || old.epoch !== epoch || old.next_offset !== nextOffset),
          row,
        ];
      });
      break;
    }
    case 'processor_clear_snapshots':
      write((tables) => {
        tables.snapshots = tables.snapshots.filter((row) => row.partition !== partition);
      });
      break;
    case 'processor_drop_old_snapshots':
      write((tables) => {
        const mine = tables.snapshots
          .filter((row) => row.partition === partition)
          .sort((a, b) => b.next_offset - a.next_offset || b.epoch - a.epoch);
        const kept = new Set(mine.slice(0, 2));
        tables.snapshots = tables.snapshots.filter((row) => row.partition !== partition || kept.has(row));
      });
      break;
    case 'processor_delete_open_sessions': {
      const [, sites, sessions, videos, parts] = params as [number, string[], string[], string[], number[]];
      const keys = sites.map((site, index) => `${partition} ${site} ${sessions[index]} ${videos[index]} ${parts[index]}`);
      write((tables) => {
        for (const key of keys) tables.open.delete(key);
      });
      break;
    }
    case 'processor_clear_open_sessions':
      write((tables) => {
        for (const key of [...tables.open.keys()]) if (key.startsWith(`${partition} `)) tables.open.delete(key);
      });
      break;
    case 'processor_upsert_rollup_engagement':
    case 'processor_clear_live_viewers':
    case 'processor_write_live_viewers':
    case 'processor_raise_live_minutes':
    case 'processor_upsert_videos':
      break;
    default:
      throw new Error(`the simulated database does not know the statement ${name}`);
  }
}

/** Rollup statements: how many columns after the partition are the key, and how many counts follow them. */
const ROLLUP_COLUMNS: Readonly<Record<string, { keys: number; counts: number }>> = {
  processor_upsert_rollup_daily: { keys: 7, counts: ROLLUP_COUNTS.length },
  processor_upsert_rollup_hourly: { keys: 5, counts: ROLLUP_COUNTS.length },
  processor_upsert_rollup_events_daily: { keys: 7, counts: 1 },
  processor_upsert_rollup_events_hourly: { keys: 7, counts: 1 },
};
type AddedCounts = readonly { key: string; counts: readonly number[] }[];

/** What a rollup statement adds, by key; undefined for other statements. */
export function addedCounts(name: string, params: readonly unknown[]): AddedCounts | undefined {
  const shape = ROLLUP_COLUMNS[name];
  if (shape === undefined) return undefined;
  const columns = params.slice(1) as unknown[][];
  const counts = columns.slice(shape.keys, shape.keys + shape.counts);
  return (columns[0] ?? []).map((_, row) => {
    let key = `${name}|${params[0]}`;
    for (let column = 0; column < shape.keys; column++) key += `|${columns[column]?.[row]}`;
    return { key, counts: counts.map((column) => column[row] as number) };
  });
}

/** Adds counts to those under the same keys. */
export function addTo(sums: Map<string, readonly number[]>, added: AddedCounts): void {
  for (const { key, counts } of added) {
    const old = sums.get(key);
    sums.set(key, old === undefined ? counts : old.map((count, index) => count + (counts[index] as number)));
  }
}
