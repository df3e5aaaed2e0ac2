import type { Statement } from '../../infra/runtime/ports.ts';

/** `through` = number of the last committed emission; `published` = of the last one in the topic. */
export type OutboxPosition = { partition: number; epoch: number; through: number; published: number };

/** Where the outbox of these partitions stands. Emissions up to `through` are committed: they moved with it in one transaction (D3). */
export const outboxPositions: Statement<[topic: string, partitions: readonly number[]], OutboxPosition> = {
  name: 'processor_outbox_positions',
  text: `
    SELECT p.partition, p.epoch, p.emission_seq AS through, coalesce(o.published_seq, 0)::int8 AS published
    FROM partition_progress p LEFT JOIN outbox_progress o ON o.topic = $1 AND o.partition = p.partition
    WHERE p.partition = ANY ($2::int2[]) ORDER BY p.partition`,
};
