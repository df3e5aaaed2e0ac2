// Runs the tests: lists the files (Node 20 takes no globs), starts the shared servers where a suite needs them, and ends with
// one line of counts over everything that ran.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';
import { addTally, emptyTally, reportRun, type Tally } from './support/suite-report.ts';

const PROJECT = resolve(fileURLToPath(new URL('..', import.meta.url)));
const FILE_TIMEOUT_MS = 40 * 60_000;
const CORES = Math.max(1, availableParallelism());

/** Tests that the fold's core must be covered by, and how far: a floor, not a goal. */
const CORE_TESTS = ['scenario', 'golden', 'unit/processor/core', 'property/processor'];
const CORE_FLOOR = ['--lines', '99', '--functions', '99', '--branches', '96'];

type Suite = {
  name: string;
  about: string;
  folders: readonly string[];
  servers: boolean;
  concurrency: number;
  /** A suite that mostly waits, so that this one, which gives way to others, can run meanwhile. */
  beside?: string;
};

const SUITES: readonly Suite[] = [
  {
    name: 'fast',
    about: 'unit, property, scenario and golden tests; no services',
    folders: ['unit', 'property', 'scenario', 'golden'],
    servers: false,
    concurrency: CORES,
  },
  { name: 'sim', about: 'the deterministic simulator', folders: ['sim'], servers: false, concurrency: CORES, beside: 'browser' },
  {
    name: 'determinism',
    about: 'the same logs under every supported Node.js, fetched from npm',
    folders: ['determinism'],
    servers: false,
    concurrency: 1,
  },
  {
    name: 'integration',
    about: 'against a real Kafka, PostgreSQL and schema registry',
    folders: ['integration', 'regression'],
    servers: true,
    concurrency: Math.min(2, CORES),
  },
  { name: 'browser', about: 'real Chromium, real players', folders: ['browser'], servers: true, concurrency: 1 },
  {
    name: 'chaos',
    about: 'faults against the running services, on servers of its own',
    folders: ['chaos'],
    servers: false,
    concurrency: 1,
  },
  {
    name: 'system',
    about: 'the compose stack in containers; skips where there is no Docker',
    folders: ['system'],
    servers: false,
    concurrency: 1,
  },
];
const CHECK = 'check';

const HELP = `Usage: node --import tsx test/run.ts [suite] [part of a file name ...]

Suites:
  all          everything below (default)
  ${CHECK}        compiler, Biome, unused code, house style
${SUITES.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`).join('\n')}

Environment:
  TEST_KAFKA_BROKERS, TEST_DATABASE_URL, TEST_REGISTRY_URL   use these servers instead of starting some;
                                                             the database's name must contain "test"
Without them the suites that need servers start their own. That takes Java 17 or newer, and Maven for the first download.
`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function testFiles(folder: string): string[] {
  const directory = join(PROJECT, 'test', folder);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) =>
      entry.isDirectory() ? testFiles(join(folder, entry.name)) : entry.name.endsWith('.test.ts') ? [join(directory, entry.name)] : [],
    )
    .sort();
}

/** Test files that lie in test/ itself: the house style. */
const styleFiles = (): string[] =>
  readdirSync(join(PROJECT, 'test'))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(PROJECT, 'test', name));

const chosen = (files: readonly string[], parts: readonly string[]): string[] =>
  files.filter((file) => parts.length === 0 || parts.some((part) => relative(PROJECT, file).includes(part)));

function runFiles(files: string[], concurrency: number): Promise<Tally> {
  if (files.length === 0) return Promise.resolve(emptyTally());
  return reportRun(run({ files, concurrency, timeout: FILE_TIMEOUT_MS }), print);
}

const isCoreTest = (file: string): boolean =>
  CORE_TESTS.some((folder) => relative(join(PROJECT, 'test', folder), file).match(/^[^.]/) !== null);

/** Runs the tests of the fold's core with V8's coverage on, and holds the result against the floor. */
async function runCovered(files: string[], concurrency: number): Promise<Tally> {
  const directory = await mkdtemp(join(tmpdir(), 'playhead-coverage-'));
  try {
    process.env['NODE_V8_COVERAGE'] = directory;
    const tally = await runFiles(files, concurrency).finally(() => delete process.env['NODE_V8_COVERAGE']);
    const report = [
      'report',
      '--temp-directory',
      directory,
      '--include',
      'processor/core/**',
      '--exclude-after-remap',
      '--reporter',
      'text',
    ];
    return addTally(tally, await step('coverage of processor/core', 'c8', [...report, '--check-coverage', ...CORE_FLOOR]));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Starts what is not given and tells the test files by environment variables. */
async function withServers(start: boolean, body: () => Promise<Tally>): Promise<Tally> {
  if (!start) return body();
  process.env['TEST_RUNNER'] = 'true';
  const servers = await import('./support/servers.ts');
  const stop = (signal: NodeJS.Signals): void => void servers.stopTestServers().finally(() => process.kill(process.pid, signal));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    print('starting Kafka, PostgreSQL and the schema registry');
    const [kafka, database, registry] = await Promise.all([servers.testKafka(), servers.testDatabaseServer(), servers.testRegistry()]);
    process.env['TEST_KAFKA_BROKERS'] = kafka.brokers.join(',');
    process.env['TEST_DATABASE_URL'] = database;
    process.env['TEST_REGISTRY_URL'] = registry.url;
    return await body();
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await servers.stopTestServers();
  }
}

/** A command that counts as one test. */
function step(name: string, command: string, args: readonly string[]): Promise<Tally> {
  return new Promise((settle) => {
    const began = performance.now();
    const child = spawn(join(PROJECT, 'node_modules', '.bin', command), args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', (error) => settle(finish(name, `${error.message}: run npm ci`, began, false)));
    child.once('close', (code) => settle(finish(name, output, began, code === 0)));
  });
}

function finish(name: string, output: string, began: number, ok: boolean): Tally {
  if (!ok) print(output.trimEnd());
  print(`${ok ? ' ok ' : 'FAIL'} ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 };
}

async function runCheck(parts: readonly string[]): Promise<Tally> {
  print(`\n# ${CHECK}`);
  const projects = ['.', 'ingest/sdk', 'query-api/dashboard', 'test/browser/page'].filter((folder) =>
    existsSync(join(PROJECT, folder, 'tsconfig.json')),
  );
  let tally = emptyTally();
  for (const folder of projects)
    tally = addTally(tally, await step(`tsc ${folder === '.' ? '' : folder}`.trim(), 'tsc', ['--noEmit', '-p', folder]));
  tally = addTally(tally, await step('biome', 'biome', ['check', '--diagnostic-level=error']));
  if (existsSync(join(PROJECT, 'knip.json'))) tally = addTally(tally, await step('knip', 'knip', ['--no-progress']));
  return addTally(tally, await runFiles(chosen(styleFiles(), parts), CORES));
}

async function runSuites(wanted: readonly Suite[], parts: readonly string[]): Promise<Tally> {
  let tally = emptyTally();
  const files = new Map(wanted.map((suite) => [suite, chosen(suite.folders.flatMap(testFiles), parts)]));
  const runOne = async (suite: Suite): Promise<void> => {
    const list = files.get(suite) ?? [];
    if (list.length === 0) return;
    print(`\n# ${suite.name}: ${suite.about}`);
    // A part of the suite covers a part of the core: that says nothing.
    const covered = suite.name === 'fast' && parts.length === 0 ? list.filter(isCoreTest) : [];
    const ofCore = covered.length > 0 ? await runCovered(covered, suite.concurrency) : emptyTally();
    const rest = list.filter((file) => !covered.includes(file));
    const ofRest = await runFiles(rest, suite.concurrency);
    // Only now: another suite may have added to it meanwhile.
    tally = addTally(tally, addTally(ofCore, ofRest));
  };
  const isBeside = ({ beside }: Suite): boolean => wanted.some((suite) => suite.name === beside);
  for (const suite of wanted.filter((each) => !each.servers && !isBeside(each))) await runOne(suite);
  const served = wanted.filter((suite) => suite.servers);
  await withServers(
    served.some((suite) => (files.get(suite) ?? []).length > 0),
    async () => {
      for (const suite of served) await Promise.all([suite, ...wanted.filter(({ beside }) => beside === suite.name)].map(runOne));
      return tally;
    },
  );
  return tally;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  const [name = 'all', ...parts] = args;
  const wanted = SUITES.filter((suite) => name === 'all' || suite.name === name);
  if (wanted.length === 0 && name !== CHECK) {
    process.stderr.write(`There is no suite "${name}".\n\n${HELP}`);
    return 2;
  }
  let tally = emptyTally();
  if (name === 'all' || name === CHECK) tally = addTally(tally, await runCheck(parts));
  tally = addTally(tally, await runSuites(wanted, parts));
  if (tally.passed + tally.failed + tally.skipped === 0) process.stderr.write(`No test file matches ${parts.join(' ')}.\n`);
  print(`\n${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  return tally.failed > 0 || tally.passed + tally.skipped === 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
