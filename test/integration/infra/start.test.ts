// `npm start` as its user meets it: one command, an address that answers, a clean end, and a start after a kill -9.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensureDownloaded } from '../../../infra/local/download.ts';
import { downloadsDirectory, PROJECT_DIRECTORY } from '../../../infra/local/paths.ts';
import { startTimeOf } from '../../../infra/local/run-file.ts';
import type { Endpoints } from '../../../infra/local/system.ts';
import { systemScheduler } from '../../../infra/runtime/clock.ts';
import { RUNNING_SYSTEM_CHECKS } from '../../support/running-system.ts';

const READY_TIMEOUT_MS = 180_000;
const PORTS = ['ingest', 'query', 'metrics-ingest', 'metrics-processor', 'metrics-query', 'kafka', 'registry', 'postgres'];
const ARGS = ['--import', 'tsx', 'infra/local/start.ts', '--no-demo', ...PORTS.flatMap((name) => [`--port-${name}`, '0'])];

type Start = { child: ChildProcess; output: () => string };

describe('npm start', { timeout: 600_000 }, () => {
  let directory: string;
  const running: ChildProcess[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'playhead-start-'));
    const downloads = downloadsDirectory(process.env['PLAYHEAD_LOCAL_DIR'] ?? '');
    await ensureDownloaded(downloads);
    await mkdir(join(directory, 'data'));
    await symlink(downloads, join(directory, 'data', 'downloads'));
    // PostgreSQL may run as another user: mkdtemp makes directories for its owner alone.
    await chmod(directory, 0o755);
  });
  after(async () => {
    for (const child of running) if (child.exitCode === null) child.kill('SIGINT');
    await rm(directory, { recursive: true, force: true });
  });

  const data = (): string => join(directory, 'data');
  const start = (...more: string[]): Start => {
    const child = spawn(process.execPath, [...ARGS, '--directory', data(), ...more], {
      cwd: PROJECT_DIRECTORY,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    return { child, output: () => output };
  };
  const endpoints = async (started: Start): Promise<Endpoints> => {
    const deadline = systemScheduler.monotonicMs() + READY_TIMEOUT_MS;
    while (!existsSync(join(data(), 'endpoints.json'))) {
      assert.equal(started.child.exitCode, null, started.output());
      assert.ok(systemScheduler.monotonicMs() < deadline, started.output());
      await systemScheduler.sleep(100);
    }
    return JSON.parse(readFileSync(join(data(), 'endpoints.json'), 'utf8')) as Endpoints;
  };
  const children = (): { name: string; pid: number; startedAt: string }[] =>
    (JSON.parse(readFileSync(join(data(), 'run.json'), 'utf8')) as { children: { name: string; pid: number; startedAt: string }[] })
      .children;
  const stillAlive = async (recorded: readonly { pid: number; startedAt: string }[]): Promise<number> => {
    const times = await Promise.all(recorded.map(({ pid }) => startTimeOf(pid)));
    return times.filter((time, index) => time === recorded[index]?.startedAt).length;
  };

  it('stands, passes the checks of a running system, and refuses a second start in the same place', async () => {
    const first = start();
    const found = await endpoints(first);
    assert.equal((await stat(join(data(), 'endpoints.json'))).mode & 0o777, 0o600);
    for (const check of RUNNING_SYSTEM_CHECKS) await check.run(found);
    const second = start();
    const [code] = await once(second.child, 'exit');
    assert.equal(code, 1);
    assert.match(second.output(), new RegExp(`already running here \\(process ${first.child.pid}\\)`));
  });

  it('recovers from a kill -9 with its data, and ends with Ctrl-C leaving no process behind', async () => {
    const first = running[0] as ChildProcess;
    const left = children();
    assert.deepEqual(
      left.map(({ name }) => name).sort(),
      ['Kafka', 'PostgreSQL', 'ingest', 'processor', 'query', 'the schema registry'].sort(),
    );
    const before = JSON.parse(readFileSync(join(data(), 'endpoints.json'), 'utf8')) as Endpoints;
    first.kill('SIGKILL');
    await once(first, 'exit');
    const again = start();
    while (existsSync(join(data(), 'endpoints.json')) && again.child.exitCode === null) await systemScheduler.sleep(50);
    const found = await endpoints(again);
    assert.equal(await stillAlive(left), 0);
    assert.equal(found.readKey, before.readKey);
    const answer = await fetch(`${found.query}/v1/plays`, { headers: { authorization: `Bearer ${found.readKey}` } });
    assert.ok(((await answer.json()) as { data: { plays: number } }).data.plays >= 1, 'plays of the first start are still there');
    const now = children();
    again.child.kill('SIGINT');
    const [code] = await once(again.child, 'exit');
    assert.equal(code, 0, again.output());
    assert.equal(await stillAlive(now), 0);
    for (const file of ['endpoints.json', 'run.json']) assert.equal(existsSync(join(data(), file)), false, file);
    const stopped = [...again.output().matchAll(/\] stopping (.+)/g)].map(([, name]) => name);
    assert.deepEqual(stopped, ['ingest', 'processor', 'query', 'the schema registry', 'Kafka', 'PostgreSQL']);
  });

  it('a wrong option ends it at once with one sentence', async () => {
    const wrong = start('--port-ingest', 'none');
    await once(wrong.child, 'exit');
    assert.match(wrong.output(), /--port-ingest.*must be a number/);
    assert.notEqual(wrong.child.exitCode, 0);
  });
});
