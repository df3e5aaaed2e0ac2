// The logs that every Node.js version folds: the golden ones, an audience's as bytes of Kafka records with poison between them, wild ones,
// and whatever a run recorded. All are functions of fixed seeds.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { planCrowd } from '../../infra/cli/audience/audience.ts';
import { SHORT_VIDEOS } from '../../infra/cli/audience/catalog.ts';
import type { LogRecord } from '../../infra/runtime/ports.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import { createCodec, type SchemaIds } from '../../schemas/codec.ts';
import { GOLDEN_FOLDER, recordsIn } from '../golden/record.ts';
import { wildLog } from '../support/arbitraries.ts';
import { logOf } from '../support/audience-fold.ts';
import { type RecordedLog, writeLog } from './recorded-log.ts';

const STARTS_AT = 1_764_000_000_000;
const IDS: SchemaIds = { beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 };
const VIEWERS = 25;
const WILD_LOGS = 60;
const WILD_SEED = 20_261_122;
/** A record nobody can read after every so many. */
const POISON_EVERY = 71;

function goldenLogs(): Map<string, RecordedLog> {
  const logs = new Map<string, RecordedLog>();
  for (const version of readdirSync(GOLDEN_FOLDER, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    for (const file of readdirSync(join(GOLDEN_FOLDER, version.name)))
      logs.set(`golden-${version.name}-${file}`, {
        form: 'decoded',
        settings: FOLD_SETTINGS_DEFAULT,
        records: recordsIn(readFileSync(join(GOLDEN_FOLDER, version.name, file), 'utf8')),
      });
  }
  return logs;
}

/** Everything at once: copies, disorder, losses, stragglers after the seal, players that do not number their events. */
function audienceLog(seed: string, unnumberedShare: number): RecordedLog {
  const plans = planCrowd({
    viewers: VIEWERS,
    seed,
    startsAt: STARTS_AT,
    videos: SHORT_VIDEOS,
    gapMs: 700,
    delivery: { speed: 1, duplicates: 0.2, disorder: 0.3, loss: 0.05, late: 0.05 },
    viewing: { unnumberedShare },
  });
  const codec = createCodec(IDS);
  const records: LogRecord[] = [];
  for (const { message, keyText, appendAt } of logOf(plans, STARTS_AT, { held: true })) {
    const key = keyText === null ? null : Buffer.from(keyText);
    const value = message.kind === 'beacon' && key !== null ? codec.encodeBeacon(message.beacon, key) : codec.encodeTick({ instance: 'g' });
    records.push({ offset: records.length, appendAt, key, value });
    if (records.length % POISON_EVERY === 0) records.push({ offset: records.length, appendAt, key, value: value.subarray(0, 9) });
  }
  return { form: 'raw', settings: FOLD_SETTINGS_DEFAULT, partition: 0, partitions: 1, ids: IDS, records };
}

/** Writes all logs into the folder; returns their names and how many records they hold. */
export function writeLogs(folder: string): { names: string[]; records: number } {
  const logs = goldenLogs();
  logs.set('audience-numbered', audienceLog('determinism', 0));
  logs.set('audience-unnumbered', audienceLog('determinism', 1));
  for (const [index, records] of fc.sample(wildLog, { numRuns: WILD_LOGS, seed: WILD_SEED }).entries())
    logs.set(`wild-${index}`, { form: 'decoded', settings: FOLD_SETTINGS_DEFAULT, records });
  for (const [name, log] of logs) writeLog(join(folder, name), log);
  return { names: [...logs.keys()], records: [...logs.values()].reduce((sum, log) => sum + log.records.length, 0) };
}
