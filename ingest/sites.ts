// Which site a request belongs to: write keys, foreign identifiers, host names and the default site, in that order (protocols.md 0.4).
// The table of aliases is in memory like the write keys: read every few seconds, and the last known one stays in force.
import { messageOf } from '../infra/runtime/errors.ts';
import type { Cancel, Scheduler, Statement } from '../infra/runtime/ports.ts';
import type { Protocol } from '../schemas/beacon.ts';
import { type AliasKind, normaliseForeignId } from './core/aliases.ts';
import type { DoorRequest } from './doors/door.ts';
import { type Keys, originAllowed, type WriteKey } from './keys.ts';

/** What a site wants of a door: JSON values by name. Source: `playhead sites door`, `playhead sites alias`. */
export type DoorSettings = Readonly<Record<string, unknown>>;

type AliasRow = { protocol: string; foreign_id: string; site: string; settings: Record<string, unknown>; viewer_keys: boolean };
type DoorRow = { site: string; protocol: string; settings: Record<string, unknown> };
type SiteRow = { site: string; viewer_keys: boolean };

export const selectAliases: Statement<[], AliasRow> = {
  name: 'select-site-aliases',
  text: 'SELECT a.protocol, a.foreign_id, a.site, a.settings, s.viewer_keys FROM site_aliases a JOIN sites s USING (site)',
};
export const selectSiteDoors: Statement<[], DoorRow> = {
  name: 'select-site-doors',
  text: 'SELECT site, protocol, settings FROM site_doors',
};
export const selectSites: Statement<[], SiteRow> = { name: 'select-sites', text: 'SELECT site, viewer_keys FROM sites' };

/** Whose a request is: the key to collect with, how it was found, and what the site wants of this door. */
export type SiteDecision =
  | { ok: true; key: WriteKey; by: 'key' | 'alias' | 'host' | 'default'; settings: DoorSettings }
  | { ok: false; reason: 'unknown-key' | 'origin-not-allowed' };

export type SitesDeps = {
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  keys: Keys;
  scheduler: Scheduler;
  refreshIntervalMs: number;
  /** Site of requests that name none; '' = there is no such site. */
  defaultSite: string;
  trustedHops: number;
  logger: { warn(fields: object, message: string): void };
};

export type Sites = {
  /**
   * Finds the site of a request by the order of protocols.md 0.4. `foreignIds` are what the protocol names as its own, most telling first;
   * each may be an alias or one of our write keys. `ownIdOnly`: host name and default site do not count, as some protocols demand it.
   */
  siteOf(request: DoorRequest, protocol: Protocol, foreignIds: readonly string[], options?: { ownIdOnly?: boolean }): SiteDecision;
  /** What a site wants of a door; {} = nothing. */
  settingsOf(site: string, protocol: Protocol): DoorSettings;
  /** Everyone who may send through a door by name: all write keys, then its aliases. The same object until one of both is read again. */
  consumers(protocol: Protocol): readonly WriteKey[];
  /** The table was read at least once. */
  loaded(): boolean;
  /** Reads now; the running read if there is one. Never rejects. */
  refresh(): Promise<void>;
  stop(): void;
};

type Alias = { key: WriteKey; settings: DoorSettings };
type Tables = {
  aliases: ReadonlyMap<string, Alias>;
  doors: ReadonlyMap<string, DoorSettings>;
  defaultKey: WriteKey | undefined;
};

const NO_SETTINGS: DoorSettings = Object.freeze({});

/** Starts reading at once. */
export function startSites(deps: SitesDeps): Sites {
  let tables: Tables = { aliases: new Map(), doors: new Map(), defaultKey: undefined };
  let loaded = false;
  let running: Promise<void> | undefined;
  const consumersOf = createConsumerLists();
  const read = async (): Promise<void> => {
    try {
      tables = await readTables(deps);
      loaded = true;
    } catch (thrown) {
      deps.logger.warn({ error: messageOf(thrown) }, 'site aliases could not be read; the last known ones stay in force');
    } finally {
      running = undefined;
    }
  };
  const refresh = (): Promise<void> => {
    running ??= read();
    return running;
  };
  const cancel: Cancel = deps.scheduler.every(deps.refreshIntervalMs, () => void refresh());
  void refresh();
  return {
    siteOf: (request, protocol, foreignIds, options) => siteOf({ ...deps, tables }, { request, protocol, foreignIds, options }),
    settingsOf: (site, protocol) => tables.doors.get(placeOf(protocol, site)) ?? NO_SETTINGS,
    consumers: (protocol) => consumersOf(protocol, deps.keys.all(), tables),
    loaded: () => loaded,
    refresh,
    stop: cancel,
  };
}

type ConsumerLists = (protocol: Protocol, keys: ReadonlyMap<string, WriteKey>, tables: Tables) => readonly WriteKey[];

function createConsumerLists(): ConsumerLists {
  const lists = new Map<Protocol, { keys: ReadonlyMap<string, WriteKey>; tables: Tables; list: readonly WriteKey[] }>();
  return (protocol, keys, tables) => {
    const known = lists.get(protocol);
    if (known !== undefined && known.keys === keys && known.tables === tables) return known.list;
    const prefix = placeOf(protocol, '');
    const ofAliases = [...tables.aliases].filter(([place]) => place.startsWith(prefix)).map(([, alias]) => alias.key);
    const list = [...keys.values(), ...ofAliases];
    lists.set(protocol, { keys, tables, list });
    return list;
  };
}

const placeOf = (protocol: string, id: string): string => `${protocol}\n${id}`;

async function readTables(deps: SitesDeps): Promise<Tables> {
  const [aliases, doors, sites] = await Promise.all([
    deps.query(selectAliases, []),
    deps.query(selectSiteDoors, []),
    deps.query(selectSites, []),
  ]);
  const ofDefault = sites.find((row) => row.site === deps.defaultSite);
  if (deps.defaultSite !== '' && ofDefault === undefined) {
    deps.logger.warn({ site: deps.defaultSite }, 'there is no site of that name: PLAYHEAD_DEFAULT_SITE is not in force');
  }
  return {
    aliases: new Map(aliases.map((row) => [placeOf(row.protocol, row.foreign_id), aliasOf(row)])),
    doors: new Map(doors.map((row) => [placeOf(row.protocol, row.site), Object.freeze(row.settings)])),
    defaultKey: ofDefault === undefined ? undefined : keyFor('default', ofDefault, NO_SETTINGS),
  };
}

function aliasOf(row: AliasRow): Alias {
  return { key: keyFor(`${row.protocol}/${row.foreign_id}`, row, row.settings), settings: row.settings };
}

/** A key in the sense of the collector for what is none: `origins`, `app` and `requestsPerSecond` are settings of the alias. */
function keyFor(name: string, row: SiteRow, settings: DoorSettings): WriteKey {
  const { origins, app, requestsPerSecond } = settings;
  return {
    key: name,
    site: row.site,
    origins: Array.isArray(origins) ? origins.filter((each) => typeof each === 'string').map((each) => each.trim().toLowerCase()) : [],
    app: app === true,
    requestsPerSecond: typeof requestsPerSecond === 'number' && requestsPerSecond > 0 ? requestsPerSecond : null,
    viewerKeys: row.viewer_keys,
  };
}

type Lookup = Pick<SitesDeps, 'keys' | 'trustedHops'> & { tables: Tables };
type Question = {
  request: DoorRequest;
  protocol: Protocol;
  foreignIds: readonly string[];
  options: { ownIdOnly?: boolean } | undefined;
};
type Found = { key: WriteKey; by: 'key' | 'alias' | 'host' | 'default'; settings: DoorSettings };

function siteOf(lookup: Lookup, question: Question): SiteDecision {
  const found = find(lookup, question);
  if (found === undefined) return { ok: false, reason: 'unknown-key' };
  if (!originAllowed(found.key, question.request.origin)) return { ok: false, reason: 'origin-not-allowed' };
  const wanted = lookup.tables.doors.get(placeOf(question.protocol, found.key.site)) ?? NO_SETTINGS;
  const settings = found.settings === NO_SETTINGS ? wanted : { ...wanted, ...found.settings };
  return { ok: true, key: found.key, by: found.by, settings };
}

function find(lookup: Lookup, { request, protocol, foreignIds, options }: Question): Found | undefined {
  const { keys, tables } = lookup;
  const byKey = (text: string): Found | undefined => {
    const key = keys.find(text);
    return key === undefined ? undefined : { key, by: 'key', settings: NO_SETTINGS };
  };
  const byAlias = (kind: AliasKind, text: string): Found | undefined => {
    const alias = tables.aliases.get(placeOf(kind, normaliseForeignId(kind, text)));
    return alias === undefined ? undefined : { ...alias, by: kind === 'host' ? 'host' : 'alias' };
  };
  // The prefix beats every other source, also where it is wrong.
  if (request.prefixKey !== '') return byKey(request.prefixKey);
  for (const text of [bearerOf(request), request.query.get('key') ?? '']) {
    const found = text === '' ? undefined : byKey(text);
    if (found !== undefined) return found;
  }
  for (const id of foreignIds) {
    const found = id === '' ? undefined : (byAlias(protocol, id) ?? byKey(id));
    if (found !== undefined) return found;
  }
  if (options?.ownIdOnly === true) return undefined;
  const found = byAlias('host', hostOf(request, lookup.trustedHops));
  if (found !== undefined) return found;
  return tables.defaultKey === undefined ? undefined : { key: tables.defaultKey, by: 'default', settings: NO_SETTINGS };
}

/** The token of `Authorization: Bearer`, '' = none. */
export const bearerOf = (request: Pick<DoorRequest, 'headers'>): string =>
  /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';

/** The host name that the client asked for; a proxy of ours may have kept it in X-Forwarded-Host. */
function hostOf({ headers }: DoorRequest, trustedHops: number): string {
  const forwarded = trustedHops > 0 ? headers['x-forwarded-host'] : undefined;
  return (Array.isArray(forwarded) ? forwarded[0] : forwarded)?.split(',')[0] ?? headers.host ?? '';
}
