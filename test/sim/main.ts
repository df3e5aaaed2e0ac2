// Runs many seeds: `node --import tsx test/sim/main.ts --seeds 50000`. With --worker it runs a share of them and prints JSON lines.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTROL_NAMES, type Control } from './controls.ts';
import { FAULT_NAMES } from './faults.ts';
import { type RunOptions, runSeed } from './run.ts';
import { kindOf, shrink } from './shrink.ts';
import { table } from './timeline.ts';

const HELP = `Deterministic simulator: the real processor over a simulated log, group, database and clock.

  node --import tsx test/sim/main.ts [options]

  --seeds N      how many seeds to run (default 2000)
  --from N       first seed (default 1)
  --seed N       one seed, with its timeline
  --workers N    processes (default: one per core)
  --minutes N    stop after this time, whatever is left
  --control C    build a defect in: ${CONTROL_NAMES.join(', ')} (the run must then find a failure)
  --timeline     with --seed: print everything that happened
`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    workers: { type: 'string' },
    minutes: { type: 'string' },
    control: { type: 'string' },
    timeline: { type: 'boolean', default: false },
    worker: { type: 'boolean', default: false },
    step: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});

type Line = { seed: number; failure?: string; steps: number; counts: Record<string, number> };
const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const options: RunOptions = values.control === undefined ? {} : { control: values.control as Control };

async function runShare(): Promise<void> {
  // Broken connections are errors by the thousand here: their stacks cost more than the runs.
  Error.stackTraceLimit = 0;
  const step = Number(values.step);
  const last = Number(values.from) + Number(values.seeds);
  for (let seed = Number(values.from); seed < last; seed += step) {
    const result = await runSeed(seed, options);
    const line: Line = { seed, steps: result.steps, counts: Object.fromEntries(result.counts) };
    if (result.failure !== undefined) line.failure = result.failure.message;
    print(JSON.stringify(line));
  }
}

async function showSeed(seed: number): Promise<void> {
  const first = await runSeed(seed, { ...options, timeline: true });
  if (values.timeline) for (const { atMs, what, detail } of first.timeline) print(`${atMs.toFixed(0)} ${what} ${detail}`);
  print(`seed ${seed}: ${first.steps} steps, trace ${first.traceHash}, faults ${first.faults.join(', ') || 'none'}`);
  if (first.failure === undefined) return print('all invariants hold');
  print(`${first.failure.stack}`);
  const small = await shrink(seed, options);
  print(`\nsmallest of ${small.runs} runs that still breaks ${kindOf(small)}: ${small.occurrences.join(', ') || 'nothing strikes'}`);
  print(`${small.failure?.message}\n`);
  for (const line of table(small)) print(`  ${line}`);
  print(`\nagain: node --import tsx test/sim/main.ts --seed ${seed}${values.control ? ` --control ${values.control}` : ''}`);
  process.exitCode = 1;
}

async function runAll(): Promise<void> {
  const workers = Number(values.workers ?? availableParallelism());
  const total = Number(values.seeds);
  const startedMs = performance.now();
  const counts = new Map<string, number>();
  const failures: Line[] = [];
  let done = 0;
  let steps = 0;
  const rate = (): number => done / ((performance.now() - startedMs) / 60_000);
  const progress = setInterval(
    () => print(`  ${done} of ${total} seeds, ${Math.round(rate())} a minute, ${failures.length} failed`),
    15_000,
  );
  const children = Array.from({ length: workers }, (_, index) => {
    const passed = [
      '--worker',
      '--from',
      String(Number(values.from) + index),
      '--seeds',
      String(total - index),
      '--step',
      String(workers),
      ...(values.control ? ['--control', values.control] : []),
    ];
    // Runs live for milliseconds: a larger nursery lets most of their garbage die there.
    return spawn(process.execPath, ['--max-semi-space-size=64', '--import', 'tsx', fileURLToPath(import.meta.url), ...passed], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  });
  const limit =
    values.minutes === undefined
      ? undefined
      : setTimeout(() => children.forEach((child) => void child.kill()), Number(values.minutes) * 60_000);
  await Promise.all(
    children.map(async (child) => {
      for await (const text of createInterface({ input: child.stdout })) {
        const line = JSON.parse(text) as Line;
        done += 1;
        steps += line.steps;
        for (const [name, count] of Object.entries(line.counts)) counts.set(name, (counts.get(name) ?? 0) + count);
        if (line.failure !== undefined && failures.push(line) <= 5)
          print(
            `  seed ${line.seed} failed: ${line.failure.split('\n')[0]}\n    again: node --import tsx test/sim/main.ts --seed ${line.seed}`,
          );
      }
    }),
  );
  clearInterval(progress);
  clearTimeout(limit);
  report({ done, total, steps, rate: rate(), counts, failures });
}

function report(all: { done: number; total: number; steps: number; rate: number; counts: Map<string, number>; failures: Line[] }): void {
  print(`\n${all.done} seeds, ${all.steps} steps, ${Math.round(all.rate)} seeds a minute`);
  print('effects:');
  for (const [name, count] of [...all.counts].sort(([a], [b]) => (a < b ? -1 : 1))) print(`  ${String(count).padStart(10)}  ${name}`);
  // A fault that never fires proves nothing (test the tester).
  const never = all.done < 500 ? [] : FAULT_NAMES.filter((name) => !all.counts.has(`fault:${name}`));
  if (never.length > 0) print(`faults that never fired: ${never.join(', ')}`);
  if (values.control !== undefined) {
    print(
      all.failures.length > 0
        ? `control ${values.control}: noticed in ${all.failures.length} seeds, as it must be`
        : `control ${values.control}: NOT NOTICED`,
    );
    process.exitCode = all.failures.length > 0 ? 0 : 1;
    return;
  }
  const died = all.done < all.total && values.minutes === undefined;
  if (died) print(`only ${all.done} of ${all.total} seeds were run: a worker died`);
  print(`${all.done - all.failures.length} passed, ${all.failures.length} failed`);
  process.exitCode = all.failures.length > 0 || never.length > 0 || died ? 1 : 0;
}

if (values.help) print(HELP);
else if (values.worker) await runShare();
else if (values.seed !== undefined) await showSeed(Number(values.seed));
else await runAll();
