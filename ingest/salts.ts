// The salts of viewer keys: one per UTC day, the same for all gateways through a table, tomorrow's made ahead of midnight, yesterday's
// where there is none yet (a site's day can be a day behind), the day before yesterday's destroyed. Without a salt for the day there is no viewer key.
import { randomBytes } from 'node:crypto';
import { messageOf } from '../infra/runtime/errors.ts';
import type { Clock, Scheduler, Statement } from '../infra/runtime/ports.ts';
import { dayOf, dayText } from './core/viewer.ts';

const SALT_BYTES = 32;
/** Days whose salt is kept beside today's: yesterday's, for requests that were under way at midnight and for sites whose day is not over. */
const PAST_DAYS_KEPT = 1;
/** How soon it is tried again while there is none for today: doors that need one take nothing until then. */
const RETRY_INTERVAL_MS = 2_000;

export const insertSalt: Statement<[string, Buffer], never> = {
  name: 'insert-viewer-salt',
  text: 'INSERT INTO viewer_salts (day, salt) VALUES ($1, $2) ON CONFLICT (day) DO NOTHING',
};
export const deleteOldSalts: Statement<[string], never> = {
  name: 'delete-old-viewer-salts',
  text: 'DELETE FROM viewer_salts WHERE day < $1',
};
export const selectSalts: Statement<[], { day: string; salt: Buffer }> = {
  name: 'select-viewer-salts',
  text: 'SELECT day::text AS day, salt FROM viewer_salts',
};

export type SaltsDeps = {
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  clock: Clock;
  scheduler: Scheduler;
  refreshIntervalMs: number;
  logger: { warn(fields: object, message: string): void };
};

export type Salts = {
  /** The salt of that instant's UTC day, undefined if there is none (yet, or any more). */
  saltFor(instantMs: number): Buffer | undefined;
  /** They were read at least once. */
  loaded(): boolean;
  /** Makes, reads and destroys what is due. Never rejects. */
  refresh(): Promise<void>;
  stop(): void;
};

/** Starts at once. */
export function startSalts(deps: SaltsDeps): Salts {
  let salts: ReadonlyMap<string, Buffer> = new Map();
  let loaded = false;
  const refresh = async (): Promise<void> => {
    const today = dayOf(deps.clock.now());
    const oldest = dayText(today - PAST_DAYS_KEPT);
    salts = new Map([...salts].filter(([day]) => day >= oldest));
    try {
      for (const day of [today - PAST_DAYS_KEPT, today, today + 1]) {
        if (!salts.has(dayText(day))) await deps.query(insertSalt, [dayText(day), randomBytes(SALT_BYTES)]);
      }
      await deps.query(deleteOldSalts, [oldest]);
      const rows = await deps.query(selectSalts, []);
      salts = new Map(rows.map(({ day, salt }) => [day, salt]));
      loaded = true;
    } catch (thrown) {
      deps.logger.warn({ error: messageOf(thrown) }, 'viewer salts could not be refreshed; the last known ones stay in use');
    }
  };
  const saltFor = (instantMs: number): Buffer | undefined => salts.get(dayText(dayOf(instantMs)));
  const cancels = [
    deps.scheduler.every(deps.refreshIntervalMs, () => void refresh()),
    deps.scheduler.every(RETRY_INTERVAL_MS, () => {
      if (saltFor(deps.clock.now()) === undefined) void refresh();
    }),
  ];
  void refresh();
  return {
    saltFor,
    loaded: () => loaded,
    refresh,
    stop: () => {
      for (const cancel of cancels) cancel();
    },
  };
}
