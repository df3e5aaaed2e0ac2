// Is this processor alive, and can it do its job? Ready means: it has an assignment, every partition of it runs or is being
// restored, and the database takes flushes.
import type { HealthReport } from '../infra/runtime/metrics.ts';
import type { TaskView } from './task-view.ts';

/** A partition that has folded records and flushed none of them for this long is not well. */
const FLUSH_AGE_MS_MAX = 30_000;

type Check = HealthReport['checks'][string];

/** Report from what the tasks show. `crashed` = the consumer died for good; `generation` -1 = no assignment yet. */
export function healthOf(options: { views: readonly TaskView[]; generation: number; crashed: boolean; nowMs: number }): HealthReport {
  const { views, generation, crashed, nowMs } = options;
  const checks = { assignment: assignmentCheck(views, generation), partitions: partitionsCheck(views), flush: flushCheck(views, nowMs) };
  return { alive: !crashed, ready: !crashed && Object.values(checks).every((check) => check.ok), checks };
}

function assignmentCheck(views: readonly TaskView[], generation: number): Check {
  if (generation < 0) return { ok: false, detail: 'not in the consumer group yet' };
  const count = (mode: TaskView['mode']): number => views.filter((view) => view.mode === mode).length;
  return {
    ok: true,
    detail: `${count('running')} running, ${count('restoring')} restoring, ${count('claiming')} claiming, ${count('fenced')} fenced`,
  };
}

function partitionsCheck(views: readonly TaskView[]): Check {
  const halted = views.filter((view) => view.halt !== undefined);
  const waiting = views.filter((view) => view.unknownSchemaId !== undefined);
  const words = [
    ...halted.map((view) => `partition ${view.partition} halted (${view.halt?.reason}): ${view.halt?.detail}`),
    ...waiting.map((view) => `partition ${view.partition} waits for the registry: schema id ${view.unknownSchemaId}`),
  ];
  return { ok: words.length === 0, detail: words.join('; ') || 'none halted' };
}

function flushCheck(views: readonly TaskView[], nowMs: number): Check {
  const behind = views.filter(
    (view) =>
      view.mode === 'running' &&
      view.nextOffset > view.committedOffset &&
      view.lastFlushMs >= 0 &&
      nowMs - view.lastFlushMs > FLUSH_AGE_MS_MAX,
  );
  const stuck = views.filter((view) => view.mode === 'claiming' || view.mode === 'fenced').length;
  if (behind.length === 0)
    return { ok: true, detail: stuck === 0 ? 'the database takes flushes' : `${stuck} partitions wait for the database or the group` };
  return { ok: false, detail: `partitions ${behind.map((view) => view.partition).join(', ')} cannot flush: is the database up?` };
}
