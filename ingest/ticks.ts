// One tick per partition every few seconds, by every gateway (D14): it lets log time pass where no beacons come, so that sessions
// close without traffic. Never queued, retried or overlapping: a tick that cannot go now is skipped, since late time is worse than
// no time. A partition that failed last time goes alone, so that it does not hold up the others.
import type { Cancel, LogWriter, RecordToAppend, Scheduler } from '../infra/runtime/ports.ts';

export type TicksDeps = {
  writer: LogWriter;
  scheduler: Scheduler;
  partitions: number;
  intervalMs: number;
  /** A tick record's value. */
  encodeTick: () => Buffer;
  /** Told the outcome of each partition's tick: appended, failed, or skipped since the one before is still under way. */
  onOutcome: (outcome: 'appended' | 'failed' | 'skipped', partitions: number) => void;
};

/** Starts ticking at once. stop() resolves when no tick is under way any more. */
export function startTicks(deps: TicksDeps): { stop(): Promise<void> } {
  const underWay = new Map<number, Promise<void>>();
  const failed = new Set<number>();
  const send = (partitions: readonly number[]): void => {
    if (partitions.length === 0) return;
    const record: RecordToAppend = { key: null, value: deps.encodeTick() };
    const sent = deps.writer.append(new Map(partitions.map((partition) => [partition, [record]]))).then((results) => {
      for (const partition of partitions) {
        underWay.delete(partition);
        const appended = results.get(partition)?.outcome === 'appended';
        if (appended) failed.delete(partition);
        else failed.add(partition);
        deps.onOutcome(appended ? 'appended' : 'failed', 1);
      }
    });
    for (const partition of partitions) underWay.set(partition, sent);
  };
  const round = (): void => {
    const all = Array.from({ length: deps.partitions }, (_, partition) => partition);
    const free = deps.writer.ready() ? all.filter((partition) => !underWay.has(partition)) : [];
    if (free.length < all.length) deps.onOutcome('skipped', all.length - free.length);
    send(free.filter((partition) => !failed.has(partition)));
    for (const partition of free) if (failed.has(partition)) send([partition]);
  };
  round();
  const cancel: Cancel = deps.scheduler.every(deps.intervalMs, round);
  return {
    async stop() {
      cancel();
      await Promise.all(underWay.values());
    },
  };
}
