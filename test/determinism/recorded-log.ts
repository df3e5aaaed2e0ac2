// A log as a file, one record a line, so that another process under another Node.js can fold it: as it lay in Kafka (bytes), or, for
// golden and wild logs, as the fold takes it (decoded).
import { readFileSync, writeFileSync } from 'node:fs';
import type { LogRecord } from '../../infra/runtime/ports.ts';
import type { FoldRecord } from '../../processor/core/partition.ts';
import type { FoldSettings } from '../../processor/core/settings.ts';
import type { SchemaIds } from '../../schemas/codec.ts';

export type RecordedLog =
  | { form: 'decoded'; settings: FoldSettings; records: FoldRecord[] }
  | { form: 'raw'; settings: FoldSettings; partition: number; partitions: number; ids: SchemaIds; records: LogRecord[] };

const base64 = (bytes: Buffer | null): string | null => (bytes === null ? null : bytes.toString('base64'));
const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'));

/** Writes the log: a line with what it is, then a line for each record. */
export function writeLog(file: string, log: RecordedLog): void {
  const { records, ...head } = log;
  const lines =
    log.form === 'decoded'
      ? records.map((record) => JSON.stringify(record))
      : log.records.map(({ offset, appendAt, key, value }) => JSON.stringify([offset, appendAt, base64(key), base64(value)]));
  writeFileSync(file, `${[JSON.stringify(head), ...lines].join('\n')}\n`);
}

/** Reads what `writeLog` wrote. */
export function readLog(file: string): RecordedLog {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const about = JSON.parse(head) as Omit<RecordedLog, 'records'>;
  if (about.form === 'decoded') return { ...about, records: lines.map((line) => JSON.parse(line)) } as RecordedLog;
  const records = lines.map((line): LogRecord => {
    const [offset, appendAt, key, value] = JSON.parse(line) as [number, number, string | null, string | null];
    return { offset, appendAt, key: bytes(key), value: bytes(value) };
  });
  return { ...about, records } as RecordedLog;
}
