import type { Statement } from '../../infra/runtime/ports.ts';

/** Numbers beyond the committed one that some row has all the same (D8). */
export const takenEmissions: Statement<[partition: number, after: number, upTo: number], { emission_seq: number }> = {
  name: 'processor_taken_emissions',
  text: ['sessions', 'custom_events', 'dead_letters', 'duplicate_counts']
    .map((table) => `SELECT emission_seq FROM ${table} WHERE partition = $1 AND emission_seq > $2 AND emission_seq <= $3`)
    .join(' UNION '),
};
