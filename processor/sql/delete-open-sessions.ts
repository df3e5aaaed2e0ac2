import type { Statement } from '../../infra/runtime/ports.ts';

/** Removes provisional rows by key: those sealed now, and those about to be replaced. */
export const deleteOpenSessions: Statement<
  [partition: number, sites: readonly string[], sessions: readonly string[], videos: readonly string[], parts: readonly number[]],
  never
> = {
  name: 'processor_delete_open_sessions',
  text: `
    DELETE FROM open_sessions AS o
    USING unnest($2::text[], $3::text[], $4::text[], $5::smallint[]) AS k (site, session, video, part)
    WHERE o.partition = $1 AND o.site = k.site AND o.session = k.session AND o.video = k.video AND o.part = k.part`,
};
