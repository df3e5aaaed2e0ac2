// A row that the database refuses would stop its partition for ever (H13). It is found by halving, through temporary tables, and
// its emission becomes a dead letter under the same number, so that the numbering stays dense (I4).
import { encodeCopy } from '../infra/runtime/copy-binary.ts';
import type { DeadLetterOutput, Output } from './core/outputs.ts';
import { emissionRows, type Writer } from './rows.ts';
import { createProbe, probeName } from './sql/create-probe.ts';
import { isRefusedRow } from './sqlstates.ts';
import type { Writers } from './writers.ts';

/** `reason` of the dead letter that stands for a refused row. */
export const ROW_REFUSED = 'row_refused';
/** Characters kept of what was refused. */
const PAYLOAD_CHARACTERS_MAX = 2_000;

/** The dead letter in place of an output that the database does not take; it stands for the same event copies. */
export function deadLetterOf(output: Output): DeadLetterOutput {
  const { emissionSeq, sourceOffset, appendAt } = output;
  const named = output.kind === 'sealed' ? output.part : output;
  return {
    kind: 'dead',
    emissionSeq,
    sourceOffset,
    appendAt,
    site: named.site,
    session: named.session,
    eventIndex: -1,
    seq: -1,
    reason: ROW_REFUSED,
    detail: `the database refused a row of kind ${output.kind}`,
    payload: JSON.stringify(output).slice(0, PAYLOAD_CHARACTERS_MAX),
    events: copiesOf(output),
  };
}

/** Event copies that a row would have accounted for; those of a custom event are in its session. */
function copiesOf(output: Output): number {
  if (output.kind === 'sealed') return output.part.received + output.part.duplicates;
  if (output.kind === 'duplicate') return output.duplicates;
  return output.kind === 'dead' ? output.events : 0;
}

/** The same outputs with each refused one replaced. Throws what the database throws for other reasons. */
export async function replaceRefused(
  writers: Writers,
  outputs: readonly Output[],
  writer: Writer,
): Promise<{ outputs: Output[]; replaced: number }> {
  const refused = new Set(await refusedAmong(writers, outputs, writer));
  return { outputs: outputs.map((output) => (refused.has(output) ? deadLetterOf(output) : output)), replaced: refused.size };
}

async function refusedAmong(writers: Writers, outputs: readonly Output[], writer: Writer): Promise<readonly Output[]> {
  if (outputs.length === 0 || (await accepts(writers, outputs, writer))) return [];
  if (outputs.length === 1) return outputs;
  const middle = outputs.length >> 1;
  const first = await refusedAmong(writers, outputs.slice(0, middle), writer);
  return [...first, ...(await refusedAmong(writers, outputs.slice(middle), writer))];
}

async function accepts(writers: Writers, outputs: readonly Output[], writer: Writer): Promise<boolean> {
  const payloads = emissionRows(outputs, writer).map(({ target, rows }) => ({
    table: target.table,
    payload: encodeCopy({ ...target, table: probeName(target.table) }, rows),
  }));
  try {
    await writers.use(async (connection) => {
      await connection.begin();
      for (const { table, payload } of payloads) {
        await connection.query(createProbe(table), []);
        await connection.copy(payload);
      }
      await connection.rollback();
    });
    return true;
  } catch (thrown) {
    if (isRefusedRow(thrown)) return false;
    throw thrown;
  }
}
