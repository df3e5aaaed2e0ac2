import type { Statement } from '../../infra/runtime/ports.ts';

/** Keeps what was not written because its number was taken; outputs as JSON texts, in the order of their numbers (D8). */
export const setAside: Statement<
  [partition: number, epoch: number, writer: string, numbers: readonly number[], kinds: readonly string[], outputs: readonly string[]],
  never
> = {
  name: 'processor_set_aside',
  text: `
    INSERT INTO set_aside_emissions (partition, epoch, writer, emission_seq, kind, output)
    SELECT $1, $2, $3, seq, kind, output::jsonb FROM unnest($4::bigint[], $5::text[], $6::text[]) AS u (seq, kind, output)`,
};
