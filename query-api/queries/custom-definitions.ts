// What a site means by the numbered custom values of its hits.
import { type Bound, bound } from './bound.ts';

export type CustomDefinitionRow = {
  type: 'dimension' | 'metric';
  index: number;
  name: string;
  scope: 'hit' | 'session';
  active: boolean;
};

const COLUMNS = 'type, index, name, scope, active';

export const customDefinitions = (site: string): Bound<CustomDefinitionRow> =>
  bound('custom_definitions', `SELECT ${COLUMNS} FROM custom_definitions WHERE site = $1::text ORDER BY type, index`, [site]);

export const customDefinitionPut = (site: string, row: CustomDefinitionRow): Bound<CustomDefinitionRow> =>
  bound(
    'custom_definition_put',
    `INSERT INTO custom_definitions (site, ${COLUMNS}) VALUES ($1, $2, $3::int2, $4, $5, $6)
ON CONFLICT (site, type, index) DO UPDATE SET name = excluded.name, scope = excluded.scope, active = excluded.active RETURNING ${COLUMNS}`,
    [site, row.type, row.index, row.name, row.scope, row.active],
  );

export const customDefinitionDelete = (site: string, type: string, index: number): Bound<CustomDefinitionRow> =>
  bound(
    'custom_definition_delete',
    `DELETE FROM custom_definitions WHERE site = $1::text AND type = $2::text AND index = $3::int2 RETURNING ${COLUMNS}`,
    [site, type, index],
  );
