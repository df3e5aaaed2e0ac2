// What a site says about its visits: its time zone, and its definitions of custom values. In memory, read every few seconds, and the last
// known ones stay in force.
import { messageOf } from '../infra/runtime/errors.ts';
import type { Scheduler, Statement } from '../infra/runtime/ports.ts';
import type { Definitions } from './core/protocols/visit-hits.ts';

export const selectTimezones: Statement<[], { site: string; timezone: string }> = {
  name: 'select-site-timezones',
  text: `SELECT site, timezone FROM sites WHERE timezone <> 'UTC'`,
};
export const selectDefinitions: Statement<[], DefinitionRow> = {
  name: 'select-custom-definitions',
  text: 'SELECT site, type, index, scope, active FROM custom_definitions',
};
type DefinitionRow = { site: string; type: 'dimension' | 'metric'; index: number; scope: 'hit' | 'session'; active: boolean };

export type VisitSettings = {
  timezoneOf(site: string): string;
  definitionsOf(site: string): Definitions;
  /** Both were read at least once; until then no hit can be dated. */
  loaded(): boolean;
  stop(): void;
};

export type VisitSettingsDeps = {
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  scheduler: Pick<Scheduler, 'every'>;
  refreshIntervalMs: number;
  logger: { warn(fields: object, message: string): void };
};

const NONE: Definitions = new Map();

/** Starts reading at once. */
export function startVisitSettings(deps: VisitSettingsDeps): VisitSettings {
  let timezones: ReadonlyMap<string, string> = new Map();
  let definitions: ReadonlyMap<string, Definitions> = new Map();
  let loaded = false;
  const read = async (): Promise<void> => {
    try {
      const [zones, defined] = await Promise.all([deps.query(selectTimezones, []), deps.query(selectDefinitions, [])]);
      timezones = new Map(zones.map(({ site, timezone }) => [site, timezone]));
      definitions = bySite(defined);
      loaded = true;
    } catch (thrown) {
      deps.logger.warn({ error: messageOf(thrown) }, 'settings of visits could not be read; the last known ones stay in force');
    }
  };
  const cancel = deps.scheduler.every(deps.refreshIntervalMs, () => void read());
  void read();
  return {
    timezoneOf: (site) => timezones.get(site) ?? 'UTC',
    definitionsOf: (site) => definitions.get(site) ?? NONE,
    loaded: () => loaded,
    stop: cancel,
  };
}

function bySite(rows: readonly DefinitionRow[]): Map<string, Definitions> {
  const sites = new Map<string, Map<string, { scope: 'hit' | 'session'; active: boolean }>>();
  for (const { site, type, index, scope, active } of rows) {
    const ofSite = sites.get(site) ?? new Map();
    sites.set(site, ofSite.set(`${type === 'metric' ? 'cm' : 'cd'}${index}`, { scope, active }));
  }
  return sites;
}
