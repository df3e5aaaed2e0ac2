import type { Statement } from '../../infra/runtime/ports.ts';

export type MoveOutboxParams = [topic: string, partition: number, epoch: number, before: number, after: number];

/** Moves the outbox of a partition on, if the claim still stands and nobody else has moved it. No row = not ours to move. */
export const moveOutbox: Statement<MoveOutboxParams, { moved: number }> = {
  name: 'processor_move_outbox',
  text: `
    INSERT INTO outbox_progress AS o (topic, partition, epoch, published_seq)
    SELECT $1::text, p.partition, p.epoch, $5::int8 FROM partition_progress p WHERE p.partition = $2 AND p.epoch = $3
    ON CONFLICT (topic, partition) DO UPDATE SET published_seq = excluded.published_seq, epoch = excluded.epoch, updated_at = now()
      WHERE o.published_seq = $4::int8
    RETURNING 1 AS moved`,
};
