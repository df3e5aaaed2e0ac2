import type { Statement } from '../../infra/runtime/ports.ts';

export type OutboxEventRow = {
  site: string;
  session: string;
  video: string;
  at: number;
  name: string;
  position_ms: number | null;
  data: unknown;
  seq: number;
  append_at: number;
  emission_seq: number;
  source_offset: number;
};

/** Custom events of a stretch of emissions, both ends included. */
export const outboxEvents: Statement<[partition: number, first: number, last: number], OutboxEventRow> = {
  name: 'processor_outbox_events',
  text: `
    SELECT site, session, video, at, name, position_ms, data, seq, append_at, emission_seq, source_offset
    FROM custom_events WHERE partition = $1 AND emission_seq BETWEEN $2 AND $3 ORDER BY emission_seq`,
};
