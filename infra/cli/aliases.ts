// Foreign identifiers and what sites want of doors, in the database. Gateways notice within seconds.
import { ALIAS_KINDS, type AliasKind, normaliseForeignId } from '../../ingest/core/aliases.ts';
import { PlayheadError } from '../runtime/errors.ts';
import type { ReadPool } from '../runtime/postgres.ts';
import { aliasDelete } from './sql/alias-delete.ts';
import { type AliasRow, aliasList } from './sql/alias-list.ts';
import { aliasUpsert } from './sql/alias-upsert.ts';
import { siteDoorUpsert } from './sql/site-door-upsert.ts';

export type Settings = Record<string, unknown>;

const FOREIGN_KEY_VIOLATION = '23503';

/** Ties an identifier to a site; returns the site it belonged to before, '' = none. @throws PlayheadError ERR_ALIAS, ERR_SITE. */
export async function setAlias(
  pool: ReadPool,
  alias: { kind: AliasKind; foreignId: string; site: string; settings: Settings },
): Promise<string> {
  const id = normaliseForeignId(alias.kind, alias.foreignId);
  if (id === '') throw new PlayheadError('ERR_ALIAS', `"${alias.foreignId}" cannot be an identifier of ${alias.kind}.`);
  const rows = await withKnownSite(alias.site, () => pool.query(aliasUpsert, [alias.kind, id, alias.site, JSON.stringify(alias.settings)]));
  return rows[0]?.moved_from ?? '';
}

/** Unties an identifier. @throws PlayheadError ERR_ALIAS if it was not tied. */
export async function removeAlias(pool: ReadPool, kind: AliasKind, foreignId: string): Promise<string> {
  const [row] = await pool.query(aliasDelete, [kind, normaliseForeignId(kind, foreignId)]);
  if (row === undefined) throw new PlayheadError('ERR_ALIAS', `No site has ${kind} ${foreignId}: see \`playhead sites alias list\`.`);
  return row.site;
}

/** Changes what a site wants of a door; a null value takes a setting away. Returns all of them. @throws PlayheadError ERR_SITE. */
export async function setDoor(pool: ReadPool, site: string, protocol: string, settings: Settings): Promise<Settings> {
  const [row] = await withKnownSite(site, () => pool.query(siteDoorUpsert, [site, protocol, JSON.stringify(settings)]));
  return row?.settings ?? {};
}

/** Identifiers and door settings of a site, or of all sites for ''. */
export const listAliases = (pool: ReadPool, site: string): Promise<AliasRow[]> => pool.query(aliasList, [site]);

/** `name=value` as a setting: JSON where it is some, else text. @throws PlayheadError ERR_OPTION. */
export function settingFrom(text: string): [string, unknown] {
  const mark = text.indexOf('=');
  const name = text.slice(0, Math.max(0, mark));
  if (!/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name)) throw new PlayheadError('ERR_OPTION', `"${text}" is no setting: write name=value.`);
  const value = text.slice(mark + 1);
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

/** A kind of identifier by its name. @throws PlayheadError ERR_OPTION. */
export function aliasKind(text: string): AliasKind {
  const kind = ALIAS_KINDS.find((each) => each === text);
  if (kind === undefined) throw new PlayheadError('ERR_OPTION', `"${text}" is none of ${ALIAS_KINDS.join(', ')}.`);
  return kind;
}

async function withKnownSite<T>(site: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if ((error as { code?: string }).code !== FOREIGN_KEY_VIOLATION) throw error;
    throw new PlayheadError('ERR_SITE', `There is no site ${site}: see \`playhead sites list\`.`, { cause: error });
  }
}
