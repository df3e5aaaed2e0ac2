// What tests of a log have in common: records, waiting, and a group member that writes down what happens to it.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogBatch, LogConsumer, LogConsumerHandlers, LogRecord, RecordToAppend } from '../../infra/runtime/ports.ts';

const WAIT_MS = 30_000;

/** A record to append; its key is `k` unless given. */
export const record = (value: string, key: string | null = 'k'): RecordToAppend => ({
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from(value),
});

/** Polls until the condition holds; fails the test after the timeout. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = WAIT_MS): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`never happened: ${what}`);
    await sleep(15);
  }
}

type Seen = { partition: number; offset: number; value: string; appendAt: number };

/** A group member that writes down what happens to it and resolves what it reads. */
export class Reader implements LogConsumerHandlers {
  readonly consumer: LogConsumer;
  readonly seen: Seen[] = [];
  readonly assignments: number[][] = [];
  readonly crashes: Array<{ error: Error; willRestart: boolean }> = [];
  heartbeats = 0;
  /** What to do on assignment; the default reads everything from the start. */
  assign: (partitions: readonly number[]) => void;
  /** Called for each batch before it is resolved. */
  visit: (batch: LogBatch) => void | Promise<void> = () => {};

  constructor(consumer: LogConsumer) {
    this.consumer = consumer;
    this.assign = (partitions) => {
      consumer.resumeAll();
      for (const partition of partitions) consumer.seek(partition, 0);
    };
  }

  onAssigned(partitions: readonly number[]): void {
    this.assignments.push([...partitions]);
    this.assign(partitions);
  }

  async onBatch(batch: LogBatch): Promise<void> {
    await this.visit(batch);
    for (const { offset, value, appendAt } of batch.records) {
      this.seen.push({ partition: batch.partition, offset, value: String(value), appendAt });
    }
    batch.resolve((batch.records.at(-1) as LogRecord).offset);
    await batch.heartbeat();
  }

  onHeartbeat(): void {
    this.heartbeats += 1;
  }

  onCrash(error: Error, willRestart: boolean): void {
    this.crashes.push({ error, willRestart });
  }

  assigned(): number[] {
    return this.assignments.at(-1) ?? [];
  }

  values(partition: number): string[] {
    return this.seen.filter((each) => each.partition === partition).map((each) => each.value);
  }

  offsets(partition: number): number[] {
    return this.seen.filter((each) => each.partition === partition).map((each) => each.offset);
  }
}
