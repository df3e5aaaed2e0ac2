// A record of the log as the fold takes it: decoded, its key checked. A beacon whose key is not its session's would be folded in
// the wrong partition's state, so it is unreadable (F27).
import type { LogRecord } from '../infra/runtime/ports.ts';
import type { LogMessage } from '../schemas/beacon.ts';
import type { Codec } from '../schemas/codec.ts';
import { partitionOf, recordKey } from '../schemas/topics.ts';
import type { FoldRecord } from './core/partition.ts';

export type ReadRecord = { ok: true; record: FoldRecord } | { ok: false; unknownSchemaId: number };

/** Decodes a record. An id that was never seen is not a verdict on the record: ask the registry (P17). */
export function readRecord(codec: Pick<Codec, 'decode'>, place: { partition: number; partitions: number }, raw: LogRecord): ReadRecord {
  const decoded = codec.decode(raw.key, raw.value);
  if (decoded.kind === 'unknown_schema') return { ok: false, unknownSchemaId: decoded.id };
  const keyText = raw.key === null ? null : raw.key.toString('utf8');
  const message = checkedKey(decoded, raw.key, keyText, place);
  return { ok: true, record: { offset: raw.offset, appendAt: raw.appendAt, message, keyText } };
}

function checkedKey(
  message: LogMessage,
  key: Buffer | null,
  keyText: string | null,
  place: { partition: number; partitions: number },
): LogMessage {
  if (message.kind !== 'beacon') return message;
  const { site, session } = message.beacon;
  if (key === null || keyText !== recordKey(site, session)) {
    return { kind: 'bad', reason: 'wrong_key', detail: `the key is not ${recordKey(site, session)}` };
  }
  if (partitionOf(key, place.partitions) !== place.partition) {
    return { kind: 'bad', reason: 'wrong_key', detail: `the key belongs to partition ${partitionOf(key, place.partitions)}` };
  }
  return message;
}
