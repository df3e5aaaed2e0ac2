// The rule of what counts as appended (K1), apart from any client: an answer is believed for a partition only if it names it
// with error code 0, a base offset and an append time. Everything else is sent again, one partition at a time, until a deadline.
// Duplicates that this makes are harmless (D17); a record that was reported appended and is not there would not be.
import { PlayheadError, toError } from './errors.ts';
import type { AppendResult, LogWriter, RecordToAppend, Scheduler } from './ports.ts';

/** What a broker answered for one partition; numbers as the protocol's decimal strings. */
export type ProduceAnswer = { partition: number; errorCode: number; baseOffset?: string | undefined; logAppendTime?: string | undefined };

type Batches = ReadonlyMap<number, readonly RecordToAppend[]>;

/** One produce call over one or more partitions. May throw, and may answer for fewer partitions than it was given. */
export type SendRecords = (batches: Batches) => Promise<readonly ProduceAnswer[]>;

export const APPEND_FAILURES = ['unnamed', 'rejected', 'timeout', 'refused', 'hopeless'] as const;
/** unnamed = the answer left the partition out, rejected = the call failed, refused = never sent, hopeless = no use sending again. */
export type AppendFailure = (typeof APPEND_FAILURES)[number];

/** Told about every call: for metrics and for the watchdog. */
export type AppendHooks = {
  /** A partition of a call was acknowledged. */
  acknowledged(): void;
  /** A partition of a call was not. */
  failed(reason: AppendFailure): void;
  /** A call came back, well or badly. */
  called(durationMs: number): void;
};

export type CheckedAppenderDeps = {
  send: SendRecords;
  scheduler: Scheduler;
  hooks: AppendHooks;
  partitions: number;
  /** From the call of append to its answer, waiting for an earlier append to the same partition included. */
  appendTimeoutMs: number;
  /** Pause before a partition is sent again. */
  resendPauseMs: number;
  /** Largest uncompressed batch of one partition, below the topic's max.message.bytes (K18). */
  batchBytesMax: number;
};

/** Bytes of a record around its key and value, and of a batch around its records, rounded up. Source: Kafka message format v2. */
const RECORD_OVERHEAD_BYTES = 24;
const BATCH_OVERHEAD_BYTES = 61;

/** Errors that sending again cannot cure. Source: Kafka protocol error codes. */
const HOPELESS_ERRORS: readonly string[] = [
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_REQUIRED_ACKS',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
];

/** Upper estimate of the bytes that a batch of these records takes on the wire, uncompressed. */
export function batchBytes(records: readonly RecordToAppend[]): number {
  let bytes = BATCH_OVERHEAD_BYTES;
  for (const { key, value } of records) bytes += RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + value.length;
  return bytes;
}

/** Reads one partition's result from an answer: undefined unless the answer proves that it was appended (K1). */
export function acknowledgedBy(answers: readonly ProduceAnswer[], partition: number): AppendResult | undefined {
  for (const answer of answers) {
    if (answer.partition !== partition || answer.errorCode !== 0) continue;
    const baseOffset = answer.baseOffset === undefined ? -1 : Number(answer.baseOffset);
    const appendAt = answer.logAppendTime === undefined ? -1 : Number(answer.logAppendTime);
    if (baseOffset >= 0 && appendAt >= 0) return { outcome: 'appended', baseOffset, appendAt };
  }
  return undefined;
}

/**
 * The `append` of a LogWriter over any produce call. All partitions that are free go in one call; a partition with an append
 * still under way waits for its turn, so that calls to one partition never overlap (K2). Never throws; answers within
 * `appendTimeoutMs`. Empty batches have no result.
 */
export function createCheckedAppender(deps: CheckedAppenderDeps): LogWriter['append'] {
  const turns = createTurns();
  return async (batches) => {
    const deadline = deps.scheduler.monotonicMs() + deps.appendTimeoutMs;
    const results = new Map<number, AppendResult>();
    const together: Job[] = [];
    const alone: Promise<void>[] = [];
    for (const [partition, records] of batches) {
      if (records.length === 0) continue;
      const refusal = refusalOf(deps, partition, records);
      if (refusal !== undefined) {
        deps.hooks.failed('refused');
        results.set(partition, refusal);
        continue;
      }
      const { turn, release } = turns.take(partition);
      const job: Job = { partition, records, deadline, release, settle: (result) => results.set(partition, result) };
      if (turn === undefined) together.push(job);
      else alone.push(runInTurn(deps, job, turn));
    }
    if (together.length > 0) alone.push(runTogether(deps, together));
    await Promise.all(alone);
    return results;
  };
}

type Job = {
  partition: number;
  records: readonly RecordToAppend[];
  deadline: number;
  /** Lets the next append to the partition go. */
  release(): void;
  settle(result: AppendResult): void;
};

type Call = { answers: readonly ProduceAnswer[] } | { error: Error };

function refusalOf(deps: CheckedAppenderDeps, partition: number, records: readonly RecordToAppend[]): AppendResult | undefined {
  if (!Number.isInteger(partition) || partition < 0 || partition >= deps.partitions) {
    return unknown(new PlayheadError('ERR_LOG_PARTITION', `partition ${partition} is not in 0..${deps.partitions - 1}; nothing was sent`));
  }
  const bytes = batchBytes(records);
  if (bytes <= deps.batchBytesMax) return undefined;
  const detail = `batch of ${bytes} bytes for partition ${partition} is over ${deps.batchBytesMax}; nothing was sent`;
  return unknown(new PlayheadError('ERR_LOG_BATCH_TOO_LARGE', detail));
}

async function runInTurn(deps: CheckedAppenderDeps, job: Job, turn: Promise<void>): Promise<void> {
  if ((await within(deps, turn, job.deadline)) === 'late') {
    turn.then(job.release);
    deps.hooks.failed('timeout');
    job.settle(unknown(new PlayheadError('ERR_LOG_TIMEOUT', `partition ${job.partition}: the append before it is still under way`)));
    return;
  }
  await runTogether(deps, [job]);
}

async function runTogether(deps: CheckedAppenderDeps, jobs: readonly Job[]): Promise<void> {
  const call = startCall(deps, jobs);
  const outcome = await within(deps, call, (jobs[0] as Job).deadline);
  const again: Promise<void>[] = [];
  for (const job of jobs) {
    const rest = conclude(deps, job, outcome, call);
    if (rest !== undefined) again.push(resend(deps, job, rest));
  }
  await Promise.all(again);
}

/** Settles and releases a job if the call decided it; else gives the reason to send it again. */
function conclude(deps: CheckedAppenderDeps, job: Job, outcome: Call | 'late', call: Promise<Call>): Error | undefined {
  if (outcome === 'late') {
    // The call cannot be aborted (K4): the partition stays taken until it ends, so that no other call overlaps it.
    call.then(job.release);
    deps.hooks.failed('timeout');
    job.settle(unknown(new PlayheadError('ERR_LOG_TIMEOUT', `no answer for partition ${job.partition} in ${deps.appendTimeoutMs} ms`)));
    return undefined;
  }
  const result = 'answers' in outcome ? acknowledgedBy(outcome.answers, job.partition) : undefined;
  if (result !== undefined) {
    deps.hooks.acknowledged();
    job.settle(result);
    job.release();
    return undefined;
  }
  if ('answers' in outcome) {
    deps.hooks.failed('unnamed');
    return new PlayheadError('ERR_LOG_UNNAMED', `the answer does not name partition ${job.partition} as appended`);
  }
  if (!isHopeless(outcome.error)) {
    deps.hooks.failed('rejected');
    return outcome.error;
  }
  // In a call over several partitions the error may be another partition's: alone it shows whose it is.
  return outcome.error;
}

async function resend(deps: CheckedAppenderDeps, job: Job, reason: Error): Promise<void> {
  let last = reason;
  for (let alone = false; ; alone = true) {
    if (alone && isHopeless(last)) {
      deps.hooks.failed('hopeless');
      break;
    }
    if (deps.scheduler.monotonicMs() + deps.resendPauseMs >= job.deadline) break;
    await deps.scheduler.sleep(deps.resendPauseMs);
    const call = startCall(deps, [job]);
    const next = conclude(deps, job, await within(deps, call, job.deadline), call);
    if (next === undefined) return;
    last = next;
  }
  job.settle(unknown(last));
  job.release();
}

function startCall(deps: CheckedAppenderDeps, jobs: readonly Job[]): Promise<Call> {
  const startedAt = deps.scheduler.monotonicMs();
  const ended = <T>(outcome: T): T => {
    deps.hooks.called(deps.scheduler.monotonicMs() - startedAt);
    return outcome;
  };
  return deps.send(new Map(jobs.map((job) => [job.partition, job.records]))).then(
    (answers) => ended({ answers }),
    (error: unknown) => ended({ error: toError(error) }),
  );
}

/** What comes first: the promise or the deadline. The promise must not reject. */
async function within<T>(deps: CheckedAppenderDeps, promise: Promise<T>, deadline: number): Promise<T | 'late'> {
  let cancel = () => {};
  const late = new Promise<'late'>((resolve) => {
    cancel = deps.scheduler.after(Math.max(0, deadline - deps.scheduler.monotonicMs()), () => resolve('late'));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}

function unknown(error: Error): AppendResult {
  return { outcome: 'unknown', error };
}

function isHopeless(error: Error): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (HOPELESS_ERRORS.includes((at as { type?: unknown }).type as string)) return true;
  }
  return false;
}

/** One at a time per partition, in the order of arrival. */
function createTurns(): { take(partition: number): { turn: Promise<void> | undefined; release(): void } } {
  const last = new Map<number, Promise<void>>();
  return {
    take(partition) {
      const turn = last.get(partition);
      let free = () => {};
      const mine = new Promise<void>((resolve) => {
        free = resolve;
      });
      last.set(partition, mine);
      return {
        turn,
        release() {
          if (last.get(partition) === mine) last.delete(partition);
          free();
        },
      };
    },
  };
}
