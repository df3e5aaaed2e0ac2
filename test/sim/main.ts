// Runs many seeds: `node --import tsx test/sim/main.ts --seeds 50000`. With --worker it runs a share of them and prints JSON lines.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, constants, getPriority, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTROL_NAMES, type Control, type Patch, specOf } from './controls.ts';
import { buildWithDefect } from './defect-build.ts';
import { FAULT_NAMES } from './faults.ts';
import { type RunOptions, runSeed } from './run.ts';
import { type Line, type SharesOptions, startShares } from './shares.ts';
import { kindOf, shrink } from './shrink.ts';
import { table } from './timeline.ts';

const HELP = `Deterministic simulator: the real gateways' publishers and the real processors over a simulated log, group, database and clock.

  node --import tsx test/sim/main.ts [options]

  --seeds N      how many seeds to run (default 2000)
  --from N       first seed (default 1)
  --seed N       one seed; if it fails, the smallest run that still breaks the same invariant, as a table
  --workers N    processes (default: one per core)
  --minutes N    stop after this time, whatever is left
  --control C    a build with a defect, run until some seed notices it: ${CONTROL_NAMES.join(', ')}
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
    built: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** Below this number of seeds a rare fault may not have had its turn yet. */
const ALL_FAULTS_SEEDS = 3_000;
const FAILURES_SHOWN_MAX = 5;

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const control = controlOf(values.control);
const patched = control === undefined ? undefined : specOf(control).patches;
const options: RunOptions = control === undefined ? {} : { control };
const shares: Omit<SharesOptions, 'onLine'> = {
  main: fileURLToPath(import.meta.url),
  cwd: fileURLToPath(new URL('../..', import.meta.url)),
  from: Number(values.from),
  seeds: Number(values.seeds),
  workers: Number(values.workers ?? availableParallelism()),
  control,
};

function controlOf(name: string | undefined): Control | undefined {
  const known = CONTROL_NAMES.find((each) => each === name);
  if (name !== undefined && known === undefined) throw new Error(`there is no control ${name}; there are ${CONTROL_NAMES.join(', ')}`);
  return known;
}

async function runShare(): Promise<void> {
  // Broken connections are errors by the thousand here: their stacks cost more than the runs.
  Error.stackTraceLimit = 0;
  const last = shares.from + shares.seeds;
  for (let seed = shares.from; seed < last; seed += Number(values.step)) {
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
  print(
    `\nsmallest of ${small.runs} runs that still breaks ${kindOf(small.failure?.message)}: ${small.occurrences.join(', ') || 'nothing strikes'}`,
  );
  print(`${small.failure?.message}\n`);
  for (const line of table(small)) print(`  ${line}`);
  print(`\nagain: node --import tsx test/sim/main.ts --seed ${seed}${control === undefined ? '' : ` --control ${control}`}`);
  process.exitCode = 1;
}

/** The same in the build that the control needs. */
async function showSeedOfBuild(seed: number, patches: readonly Patch[]): Promise<void> {
  const build = buildWithDefect(patches);
  const passed = ['--seed', String(seed), '--control', control as Control, '--built', ...(values.timeline ? ['--timeline'] : [])];
  const child = spawn(process.execPath, ['--import', 'tsx', build.main, ...passed], { cwd: build.root, stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  build.remove();
  process.exitCode = code ?? 1;
}

/** Runs a build with a defect until a seed breaks what it must break; a variant without a defect until the seeds are done. */
async function runControl(name: Control): Promise<void> {
  const { what, breaks, patches } = specOf(name);
  const build = patches === undefined ? undefined : buildWithDefect(patches);
  const broken = new Map<string, number>();
  let done = 0;
  let found: Line | undefined;
  try {
    const running = startShares({
      ...shares,
      ...(build === undefined ? {} : { main: build.main, cwd: build.root }),
      onLine(line) {
        done += 1;
        const kind = kindOf(line.failure);
        if (kind === undefined) return;
        broken.set(kind, (broken.get(kind) ?? 0) + 1);
        if (!breaks.includes(kind)) return;
        found ??= line;
        running.stop();
      },
    });
    await running.done;
  } finally {
    build?.remove();
  }
  const all = [...broken].map(([kind, times]) => `${kind} ${times}`).join(', ') || 'nothing';
  print(`control ${name}: ${what}`);
  if (breaks.length === 0) {
    print(`  ${done} seeds, broken: ${all}`);
    process.exitCode = broken.size > 0 || done === 0 ? 1 : 0;
    return;
  }
  if (found === undefined) print(`  NOT NOTICED by ${done} seeds, which broke ${all}; it must break ${breaks.join(' or ')}`);
  else print(`  noticed after ${done} seeds, by seed ${found.seed}: ${found.failure?.split('\n')[0]} (broken so far: ${all})`);
  process.exitCode = found === undefined ? 1 : 0;
}

type Tally = { done: number; steps: number; counts: Map<string, number>; failures: Line[] };

async function runAll(): Promise<void> {
  const startedMs = performance.now();
  const tally: Tally = { done: 0, steps: 0, counts: new Map(), failures: [] };
  const rate = (): number => Math.round(tally.done / ((performance.now() - startedMs) / 60_000));
  const progress = setInterval(
    () => print(`  ${tally.done} of ${shares.seeds} seeds, ${rate()} a minute, ${tally.failures.length} failed`),
    15_000,
  );
  const running = startShares({
    ...shares,
    onLine(line) {
      tally.done += 1;
      tally.steps += line.steps;
      for (const [name, count] of Object.entries(line.counts)) tally.counts.set(name, (tally.counts.get(name) ?? 0) + count);
      if (line.failure === undefined || tally.failures.push(line) > FAILURES_SHOWN_MAX) return;
      print(`  seed ${line.seed} failed: ${line.failure.split('\n')[0]}`);
      print(`    again: node --import tsx test/sim/main.ts --seed ${line.seed}`);
    },
  });
  const limit = values.minutes === undefined ? undefined : setTimeout(running.stop, Number(values.minutes) * 60_000);
  await running.done;
  clearInterval(progress);
  clearTimeout(limit);
  report(tally, rate());
}

function report({ done, steps, counts, failures }: Tally, rate: number): void {
  print(`\n${done} seeds, ${steps} steps, ${rate} seeds a minute`);
  print('effects:');
  for (const [name, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) print(`  ${String(count).padStart(10)}  ${name}`);
  // A fault that never fires proves nothing (test the tester).
  const never = done < ALL_FAULTS_SEEDS ? [] : FAULT_NAMES.filter((name) => !counts.has(`fault:${name}`));
  if (never.length > 0) print(`faults that never fired: ${never.join(', ')}`);
  const died = done < shares.seeds && values.minutes === undefined;
  if (died) print(`only ${done} of ${shares.seeds} seeds were run: a worker died`);
  print(`${done - failures.length} passed, ${failures.length} failed`);
  process.exitCode = failures.length > 0 || never.length > 0 || died ? 1 : 0;
}

// Long, and in no hurry: what else runs on the machine goes first. Workers inherit it.
const { PRIORITY_BELOW_NORMAL } = constants.priority;
if (getPriority() < PRIORITY_BELOW_NORMAL) setPriority(PRIORITY_BELOW_NORMAL);

if (values.help) print(HELP);
else if (values.worker) await runShare();
else if (values.seed !== undefined && patched !== undefined && !values.built) await showSeedOfBuild(Number(values.seed), patched);
else if (values.seed !== undefined) await showSeed(Number(values.seed));
else if (control !== undefined) await runControl(control);
else await runAll();
