// Where registry ids are remembered once they were verified, so that a start without the registry works (F34). A database that is
// away is no reason not to start: the registry then decides alone.
import type { SchemaIdStore } from '../../schemas/codec.ts';
import { messageOf } from './errors.ts';
import type { Statement } from './ports.ts';

const selectSchemaIds: Statement<[], { subject: string; fingerprint: string; id: number }> = {
  name: 'select-schema-ids',
  text: 'SELECT subject, fingerprint, id FROM schema_ids',
};
const upsertSchemaId: Statement<[string, string, number], never> = {
  name: 'upsert-schema-id',
  text: `INSERT INTO schema_ids (subject, fingerprint, id) VALUES ($1, $2, $3)
ON CONFLICT (subject, fingerprint) DO UPDATE SET id = excluded.id, verified_at = now()`,
};

export type SchemaIdStoreDeps = {
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  logger: { warn(fields: object, message: string): void };
};

/** A store over the table schema_ids. Neither call rejects: failures are logged, and nothing is then remembered. */
export function createSchemaIdStore(deps: SchemaIdStoreDeps): SchemaIdStore {
  return {
    async load() {
      try {
        const rows = await deps.query(selectSchemaIds, []);
        return new Map(rows.map(({ subject, fingerprint, id }) => [`${subject} ${fingerprint}`, id]));
      } catch (thrown) {
        deps.logger.warn({ error: messageOf(thrown) }, 'remembered schema ids could not be read');
        return new Map();
      }
    },
    async save(entries) {
      try {
        for (const { subject, fingerprint, id } of entries) await deps.query(upsertSchemaId, [subject, fingerprint, id]);
      } catch (thrown) {
        deps.logger.warn({ error: messageOf(thrown) }, 'schema ids could not be remembered');
      }
    },
  };
}
