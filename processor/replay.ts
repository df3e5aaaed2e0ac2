// Folds a stretch of a partition's log again, beside the processors and without writing: what they did must come out once more (H20).
import type { LogRecord } from '../infra/runtime/ports.ts';
import type { Codec } from '../schemas/codec.ts';
import type { Output } from './core/outputs.ts';
import { type PartitionState, step } from './core/partition.ts';
import { readRecord } from './reader.ts';

export type ReplayDeps = {
  codec: Pick<Codec, 'decode'>;
  /** The next records from an offset on; empty or undefined = the log holds none there. */
  fetchFrom: (partition: number, offset: number) => Promise<readonly LogRecord[] | undefined>;
  /** Asks for a schema that was never seen; throws if nobody knows it. */
  learnSchema: (id: number) => Promise<void>;
  partition: number;
  partitions: number;
};

/** A state and the offset to fold next; both move on. */
export type ReplayPlace = { state: PartitionState; nextOffset: number };

export type ReplayEnd = { ok: true } | { ok: false; detail: string };

/**
 * Folds [place.nextOffset, to) and hands over what each record gave. Ends early where the log no longer holds a record.
 * @throws what the log and the registry throw.
 */
export async function replayTo(
  deps: ReplayDeps,
  place: ReplayPlace,
  to: number,
  take: (outputs: readonly Output[]) => void,
): Promise<ReplayEnd> {
  while (place.nextOffset < to) {
    const wanted = place.nextOffset;
    const records = (await deps.fetchFrom(deps.partition, wanted)) ?? [];
    if (records[0]?.offset !== wanted) return { ok: false, detail: `the log does not hold offset ${wanted} any more` };
    for (const raw of records) {
      if (raw.offset >= to) break;
      if (raw.offset !== place.nextOffset) return { ok: false, detail: `the log goes on at ${raw.offset} after ${place.nextOffset - 1}` };
      let read = readRecord(deps.codec, deps, raw);
      if (!read.ok) {
        await deps.learnSchema(read.unknownSchemaId);
        read = readRecord(deps.codec, deps, raw);
      }
      if (!read.ok) return { ok: false, detail: `offset ${raw.offset} has the schema ${read.unknownSchemaId}, which nobody knows` };
      take(step(place.state, read.record));
      place.nextOffset = raw.offset + 1;
    }
  }
  return { ok: true };
}
