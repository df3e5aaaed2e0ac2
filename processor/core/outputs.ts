// What a step of the fold produces: a closed union. Every output that carries a number is an emission: the partition's
// previous emission_seq + 1 (V12). Imports only the contract.
import type { SealReason, SessionPart } from '../../schemas/session.ts';

/** Where an emission comes from; the shell adds epoch and writer, the only columns that are not a function of the log. */
export type EmissionOrigin = {
  emissionSeq: number;
  /** Offset of the record whose folding produced it. */
  sourceOffset: number;
  /** Append time of that record, epoch ms. */
  appendAt: number;
};

/** part 0 = a sealed session, part n = its n-th supplement. */
export type SealedOutput = EmissionOrigin & { kind: 'sealed'; reason: SealReason; part: SessionPart; foldVersion: number };

export type CustomEventOutput = EmissionOrigin & {
  kind: 'custom';
  site: string;
  session: string;
  video: string;
  /** Event time, epoch ms. */
  at: number;
  name: string;
  /** -1 = unknown. */
  positionMs: number;
  /** JSON text. */
  data: string;
  seq: number;
};

export type DeadLetterOutput = EmissionOrigin & {
  kind: 'dead';
  site: string;
  session: string;
  eventIndex: number;
  seq: number;
  reason: string;
  detail: string;
  payload: string;
  /** Event copies it stands for. */
  events: number;
};

/** Copies that came after their session was sealed (D19). */
export type DuplicateOutput = EmissionOrigin & { kind: 'duplicate'; site: string; session: string; duplicates: number; conflicts: number };

export type Output = SealedOutput | CustomEventOutput | DeadLetterOutput | DuplicateOutput;

/** A session as it would be sealed now (provisional figures). Not an emission: carries no number. */
export type ProvisionalSession = { part: SessionPart; playing: boolean };

/** Running balance of a partition from offset 0: eventsInLog = folded + late + dead + duplicates + waiting. */
export type Ledger = {
  records: number;
  ticks: number;
  controls: number;
  beacons: number;
  eventsInLog: number;
  folded: number;
  late: number;
  dead: number;
  duplicates: number;
  /** Events held back behind a missing number right now. */
  waiting: number;
};
