// I10: heap and RSS stay under a ceiling and do not trend upward while nothing grows, descriptors and connections return to the idle
// count, no log holds an error that nobody handled. Samples come from /proc and from each process's own metrics.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import type { Violation } from './invariants.ts';
import type { TestSystem } from './system.ts';

/** What a process holds at one moment. MB = 2^20 B; -1 = it did not say in time. */
export type UsageSample = { atMs: number; rssMb: number; heapMb: number; files: number; sockets: number; openSessions: number };
export type UsageLimits = { rssMb: number; heapMb: number };
/** Samples of one instance while nothing grew. */
export type SteadyStretch = { instance: string; samples: readonly UsageSample[] };

const SERVICES = ['ingest', 'processor'] as const;
const METRICS_TIMEOUT_MS = 1_000;
const MB = 1024 * 1024;
/** A trend needs some time and some samples to show. */
const STEADY_MIN_MS = 60_000;
const STEADY_SAMPLES_MIN = 12;
/** What a fault itself sets in motion (buffers that fill, connections tried again) is over after this share of a stretch. */
const SETTLING_SHARE = 0.2;
/** The end may lie this much above the beginning: what the collector leaves lying about. */
const HEAP_RISE_MAX = { share: 0.1, mb: 8 };
const RSS_RISE_MAX = { share: 0.1, mb: 24 };
/** More open sessions than this may take more memory: such a stretch says nothing. */
const OPEN_RISE_MAX = 0.1;
/** Above the count after the start: connections to brokers and of writers are opened when they are first needed. */
const FILES_ABOVE_IDLE_MAX = 12;
const IDLE_WAIT_MS = 20_000;
const ESTABLISHED = '01';
const POLL_MS = 250;
const UNHANDLED = /unhandledRejection|uncaughtException|UnhandledPromiseRejection|TypeError|ReferenceError|heap out of memory/;

/** Memory and open files of a process; undefined where /proc does not tell. */
function procUsage(pid: number): Pick<UsageSample, 'rssMb' | 'files' | 'sockets'> | undefined {
  try {
    const rssKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    const files = readdirSync(`/proc/${pid}/fd`);
    return { rssMb: rssKb / 1024, files: files.length, sockets: files.filter((file) => isSocket(pid, file)).length };
  } catch {
    return undefined;
  }
}

function isSocket(pid: number, file: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/${file}`).startsWith('socket:');
  } catch {
    return false;
  }
}

/** Sum of a metric over its labels in the text of /metrics; -1 if it is not there. */
export function metricIn(text: string, name: string): number {
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map((match) => Number(match[1]));
  return values.length === 0 ? -1 : values.reduce((sum, value) => sum + value, 0);
}

/** What an instance holds now; undefined if it has ended. */
export async function sampleOf({ pid, metrics }: { pid: number; metrics: string }): Promise<UsageSample | undefined> {
  const text = await fetch(`${metrics}/metrics`, { signal: AbortSignal.timeout(METRICS_TIMEOUT_MS) }).then(
    (response) => response.text(),
    () => '',
  );
  const usage = procUsage(pid);
  const heap = metricIn(text, 'nodejs_heap_size_used_bytes');
  const openSessions = metricIn(text, 'playhead_processor_open_sessions');
  return usage && { ...usage, atMs: systemScheduler.monotonicMs(), heapMb: heap < 0 ? -1 : heap / MB, openSessions };
}

type Instances = Pick<TestSystem, 'instances'>;

/** What all running instances of gateway and processor hold now. */
export async function usages(system: Instances): Promise<Map<string, UsageSample>> {
  const all = SERVICES.flatMap((name) => system.instances(name));
  const found = await Promise.all(all.map(async (each) => [each.instance, await sampleOf(each)] as const));
  return new Map(found.flatMap(([instance, sample]) => (sample === undefined ? [] : [[instance, sample]])));
}

export type UsageWatch = {
  /** Samples by instance, a restarted one under its old name. */
  samples: ReadonlyMap<string, readonly UsageSample[]>;
  stretches: readonly SteadyStretch[];
  /** Nothing may grow while this is under way. */
  steady(work: Promise<void>): Promise<void>;
  stop(): Promise<void>;
};

/** Takes samples of all running instances until it is stopped. */
export function watchUsage(system: Instances, everyMs: number): UsageWatch {
  const samples = new Map<string, UsageSample[]>();
  const stretches: SteadyStretch[] = [];
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      for (const [instance, sample] of await usages(system)) samples.set(instance, [...(samples.get(instance) ?? []), sample]);
      await systemScheduler.sleep(everyMs);
    }
  })();
  return {
    samples,
    stretches,
    async steady(work) {
      const from = systemScheduler.monotonicMs();
      await work;
      const to = systemScheduler.monotonicMs();
      for (const [instance, all] of samples) {
        const during = all.filter(({ atMs }) => from <= atMs && atMs <= to);
        if (during.length > 0) stretches.push({ instance, samples: during });
      }
    },
    async stop() {
      stopped = true;
      await watching;
    },
  };
}

/** First and last third of a stretch once it has settled, and what lay lowest in them: below the collector's saw teeth. */
export type Trend = { heapFromMb: number; heapToMb: number; rssFromMb: number; rssToMb: number; openFrom: number; openTo: number };

/** undefined = too short to tell. */
export function trendOf(all: readonly UsageSample[]): Trend | undefined {
  const first = all[0];
  const last = all.at(-1);
  if (first === undefined || last === undefined || last.atMs - first.atMs < STEADY_MIN_MS) return undefined;
  const settledMs = first.atMs + (last.atMs - first.atMs) * SETTLING_SHARE;
  const samples = all.filter(({ atMs, heapMb }) => atMs >= settledMs && heapMb >= 0);
  const third = Math.floor(samples.length / 3);
  if (samples.length < STEADY_SAMPLES_MIN) return undefined;
  const [begin, end] = [samples.slice(0, third), samples.slice(-third)];
  const least = (some: readonly UsageSample[], name: 'heapMb' | 'rssMb'): number => Math.min(...some.map((sample) => sample[name]));
  return {
    heapFromMb: least(begin, 'heapMb'),
    heapToMb: least(end, 'heapMb'),
    rssFromMb: least(begin, 'rssMb'),
    rssToMb: least(end, 'rssMb'),
    openFrom: begin[0]?.openSessions ?? -1,
    openTo: end.at(-1)?.openSessions ?? -1,
  };
}

const rises = (from: number, to: number, limit: { share: number; mb: number }): boolean => to > from * (1 + limit.share) + limit.mb;

/** I10, memory: no sample above the ceiling, no stretch that rises. */
export function checkMemory(watch: Pick<UsageWatch, 'samples' | 'stretches'>, limits: UsageLimits): Violation[] {
  const found: string[] = [];
  for (const [instance, samples] of watch.samples) {
    const rssMb = Math.max(...samples.map((sample) => sample.rssMb));
    const heapMb = Math.max(...samples.map((sample) => sample.heapMb));
    if (rssMb > limits.rssMb) found.push(`${instance} took ${Math.round(rssMb)} MB, ceiling ${limits.rssMb}`);
    if (heapMb > limits.heapMb) found.push(`the heap of ${instance} took ${Math.round(heapMb)} MB, ceiling ${limits.heapMb}`);
  }
  for (const { instance, samples } of watch.stretches) {
    const trend = trendOf(samples);
    if (trend === undefined || trend.openTo > trend.openFrom * (1 + OPEN_RISE_MAX)) continue;
    const { heapFromMb, heapToMb, rssFromMb, rssToMb } = trend;
    if (rises(heapFromMb, heapToMb, HEAP_RISE_MAX))
      found.push(`the heap of ${instance} rose from ${Math.round(heapFromMb)} to ${Math.round(heapToMb)} MB`);
    if (rises(rssFromMb, rssToMb, RSS_RISE_MAX)) found.push(`${instance} rose from ${Math.round(rssFromMb)} to ${Math.round(rssToMb)} MB`);
  }
  return found.map((detail) => ({ invariant: 'I10', detail }));
}

/** Connections that clients still keep open to a port of this machine: they are theirs to close. */
function keptByClients(url: string): number {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0');
  const lines = ['tcp', 'tcp6'].flatMap((table) => readFileSync(`/proc/net/${table}`, 'utf8').split('\n'));
  return lines.map((line) => line.trim().split(/\s+/)).filter(([, local, , state]) => local?.endsWith(`:${port}`) && state === ESTABLISHED)
    .length;
}

/** I10, descriptors and connections: back at the idle count within a while, what clients keep open aside; what is still there is named. */
export async function checkIdle(
  system: Instances & { ingest: string },
  idle: ReadonlyMap<string, UsageSample>,
  waitMs = IDLE_WAIT_MS,
): Promise<Violation[]> {
  const deadline = systemScheduler.monotonicMs() + waitMs;
  for (;;) {
    const found: string[] = [];
    for (const name of SERVICES) {
      for (const instance of system.instances(name)) {
        const sample = await sampleOf(instance);
        const before = idle.get(instance.instance) ?? firstOf(system, name, idle);
        if (sample === undefined || before === undefined) continue;
        const kept = name === 'ingest' ? keptByClients(system.ingest) : 0;
        if (sample.files - kept <= before.files + FILES_ABOVE_IDLE_MAX) continue;
        found.push(
          `${instance.instance} has ${sample.files - kept} files open (${sample.sockets - kept} connections), ${before.files} (${before.sockets}) when idle`,
        );
      }
    }
    if (found.length === 0) return [];
    if (systemScheduler.monotonicMs() > deadline) return found.map((detail) => ({ invariant: 'I10', detail }));
    await systemScheduler.sleep(POLL_MS);
  }
}

/** What an instance of the same service held that ran from the beginning. */
function firstOf(system: Instances, name: (typeof SERVICES)[number], idle: ReadonlyMap<string, UsageSample>): UsageSample | undefined {
  for (const { instance } of system.instances(name)) if (idle.has(instance)) return idle.get(instance);
  return undefined;
}

/** I10, logs: none holds an error that nobody handled. `logs` by instance, those that have ended too. */
export function checkLogs(logs: ReadonlyMap<string, string>): Violation[] {
  return [...logs].flatMap(([instance, text]) => {
    const line = text.split('\n').find((each) => UNHANDLED.test(each));
    return line === undefined ? [] : [{ invariant: 'I10', detail: `${instance} logged ${line.slice(0, 300)}` }];
  });
}
