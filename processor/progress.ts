// A partition's place: how far its log is in the database, and under whose claim (D1, D2).
import { createHash } from 'node:crypto';
import type { LogRecord } from '../infra/runtime/ports.ts';
import type { ProgressRow } from './sql/progress-row.ts';

/** First offset whose effects are not all in the database, and the number of the last emission that is (D16). */
export type Position = { nextOffset: number; emissionSeq: number };

/** The last folded record, so that a recreated or cut log is noticed (D23). */
export type Fingerprint = { offset: number; hash: Buffer };

/** What a claim reads back. */
export type Claim = Position & {
  epoch: number;
  claimToken: string;
  foldVersion: number;
  configHash: Buffer;
  fingerprint: Fingerprint | undefined;
  streamTimeMs: number | undefined;
  ledger: unknown;
};

/** SHA-256 of append time, key and value. The time tells one tick from the next: their bytes are the same. The key's length keeps it apart. */
export function fingerprintOf(record: LogRecord): Fingerprint {
  const head = Buffer.alloc(12);
  head.writeDoubleBE(record.appendAt);
  head.writeInt32BE(record.key?.length ?? -1, 8);
  const hash = createHash('sha256')
    .update(head)
    .update(record.key ?? '')
    .update(record.value ?? '')
    .digest();
  return { offset: record.offset, hash };
}

/** A progress row as a claim. */
export function claimOf(row: ProgressRow): Claim {
  const { fingerprint_offset: offset, fingerprint_hash: hash } = row;
  return {
    epoch: row.epoch,
    claimToken: row.claim_token,
    nextOffset: row.next_offset,
    emissionSeq: row.emission_seq,
    foldVersion: row.fold_version,
    configHash: row.config_hash,
    fingerprint: offset === null || hash === null ? undefined : { offset, hash },
    streamTimeMs: row.stream_time ?? undefined,
    ledger: row.ledger,
  };
}

export const samePosition = (a: Position, b: Position): boolean => a.nextOffset === b.nextOffset && a.emissionSeq === b.emissionSeq;
