// A number that is taken although nothing of ours was committed under it is a fault: of ours, or of somebody's hand in the database. So
// that data still flows, the row that is there stays, what the fold gave is kept beside it, and an alarm is raised (D8). Rollups are added
// to for what is written only, so they go on being the sum of the rows (I7).
import type { Output } from './core/outputs.ts';
import { json } from './rows.ts';
import type { FlushBatch } from './sink.ts';
import { setAside } from './sql/set-aside.ts';
import { takenBeacons } from './sql/taken-beacons.ts';
import { takenEmissions } from './sql/taken-emissions.ts';
import { type PreparedStatement, prepared } from './statements.ts';
import type { Writers } from './writers.ts';

/**
 * The batch without what is in the database already. undefined = nothing of it is: the violation has another cause. Throws what the
 * database throws.
 */
export async function withoutTaken(writers: Writers, batch: FlushBatch, partition: number): Promise<FlushBatch | undefined> {
  const { from, to, outputs, beacons } = batch;
  const [numbers, offsets] = await writers.use(async (connection) => [
    await connection.query(takenEmissions, [partition, from.emissionSeq, to.emissionSeq]),
    await connection.query(takenBeacons, [partition, from.nextOffset, to.nextOffset]),
  ]);
  const taken = new Set(numbers.map(({ emission_seq: seq }) => seq));
  const stored = new Set(offsets.map(({ log_offset: offset }) => offset));
  const aside = outputs.filter(({ emissionSeq }) => taken.has(emissionSeq));
  const kept = beacons.filter(({ offset }) => !stored.has(offset));
  if (aside.length === 0 && kept.length === beacons.length) return undefined;
  return {
    ...batch,
    outputs: outputs.filter((output) => !aside.includes(output)),
    beacons: kept,
    setAside: [...(batch.setAside ?? []), ...aside],
  };
}

/** Keeps the outputs that were set aside, for the transaction of the flush. */
export function setAsideStatements(
  aside: readonly Output[] | undefined,
  owner: { partition: number; epoch: number; writer: string },
): PreparedStatement[] {
  if (aside === undefined || aside.length === 0) return [];
  const { partition, epoch, writer } = owner;
  const numbers = aside.map(({ emissionSeq }) => emissionSeq);
  const kinds = aside.map(({ kind }) => kind);
  const texts = aside.map((output) => json(JSON.stringify(output), '{}'));
  return [prepared(setAside, [partition, epoch, writer, numbers, kinds, texts])];
}
