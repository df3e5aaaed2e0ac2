// English names of regions, learned from the operator's city database as addresses are looked up and kept in a table: what enters the log is a
// region's code, and whoever answers by name (PeerTube's statistics) has no database of places of its own.
import { messageOf } from '../infra/runtime/errors.ts';
import type { Scheduler, Statement } from '../infra/runtime/ports.ts';

/** Regions whose name is kept; ISO 3166-2 has half as many. */
export const REGION_NAMES_MAX = 10_000;

export const upsertRegionNames: Statement<[regions: readonly string[], names: readonly string[]], never> = {
  name: 'upsert-region-names',
  text: `INSERT INTO region_names AS r (region, name) SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT (region) DO UPDATE SET name = excluded.name WHERE r.name <> excluded.name`,
};

export type RegionNames = {
  /** Costs a look-up in memory; what is new is written soon. */
  note(region: string, name: string): void;
  stop(): void;
};

/** Writes what is new at each interval; what could not be written waits for the next. */
export function startRegionNames(deps: {
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  scheduler: Pick<Scheduler, 'every'>;
  intervalMs: number;
  logger: { warn(fields: object, message: string): void };
  /** A name was not kept because there are too many. */
  onLimit: () => void;
}): RegionNames {
  const known = new Map<string, string>();
  const waiting = new Map<string, string>();
  const write = async (): Promise<void> => {
    const batch = [...waiting].sort(([a], [b]) => (a < b ? -1 : 1));
    if (batch.length === 0) return;
    waiting.clear();
    try {
      await deps.query(upsertRegionNames, [batch.map(([region]) => region), batch.map(([, name]) => name)]);
    } catch (thrown) {
      for (const [region, name] of batch) if (!waiting.has(region)) waiting.set(region, name);
      deps.logger.warn({ error: messageOf(thrown) }, 'names of regions could not be written yet');
    }
  };
  const cancel = deps.scheduler.every(deps.intervalMs, () => void write());
  return {
    note(region, name) {
      if (known.get(region) === name) return;
      if (known.size >= REGION_NAMES_MAX && !known.has(region)) {
        deps.onLimit();
        return;
      }
      known.set(region, name);
      waiting.set(region, name);
    },
    stop: cancel,
  };
}
