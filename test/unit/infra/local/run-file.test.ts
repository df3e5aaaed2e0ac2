// Two starts in one directory, and what a killed one leaves behind.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startTimeOf, takeRunFile } from '../../../../infra/local/run-file.ts';

const scratch = await mkdtemp(join(tmpdir(), 'playhead-run-file-'));
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true });
});

async function sleeper(): Promise<ChildProcess & { pid: number }> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child as ChildProcess & { pid: number };
}

test('a start time belongs to one process only', async () => {
  const child = await sleeper();
  const began = await startTimeOf(child.pid);
  assert.ok(began);
  assert.equal(await startTimeOf(child.pid), began);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(await startTimeOf(child.pid), undefined);
});

test('a second start is refused while the first one lives', async () => {
  const file = join(scratch, 'alive.json');
  const first = await sleeper();
  const self = { name: 'start', pid: first.pid, startedAt: await startTimeOf(first.pid) };
  await writeFile(file, JSON.stringify({ self, children: [] }));
  await assert.rejects(
    takeRunFile(file, () => {}),
    { code: 'ERR_RUNNING', message: new RegExp(`kill ${first.pid}`) },
  );
});

test('what a killed start left behind is stopped, and only that', async () => {
  const file = join(scratch, 'killed.json');
  const [orphan, stranger] = [await sleeper(), await sleeper()];
  const left = [
    { name: 'Kafka', pid: orphan.pid, startedAt: await startTimeOf(orphan.pid) },
    // The number was given out again: another start time, so not ours.
    { name: 'ingest', pid: stranger.pid, startedAt: 'long ago' },
  ];
  await writeFile(file, JSON.stringify({ self: { name: 'start', pid: 999_999_999, startedAt: 'x' }, children: left }));
  const said: string[] = [];
  const ended = once(orphan, 'exit');
  const runFile = await takeRunFile(file, (line) => said.push(line));
  await ended;
  assert.match(said.join(), /Kafka/);
  assert.doesNotMatch(said.join(), /ingest/);
  assert.equal(stranger.exitCode, null);
  assert.notEqual(await startTimeOf(stranger.pid), undefined);
  runFile.remove();
  assert.equal(existsSync(file), false);
});

test('children are noted and forgotten', async () => {
  const file = join(scratch, 'own.json');
  const runFile = await takeRunFile(file, () => {});
  const child = await sleeper();
  const names = async (): Promise<string[]> =>
    (JSON.parse(await readFile(file, 'utf8')) as { children: { name: string }[] }).children.map(({ name }) => name);
  await runFile.add('processor', child.pid);
  assert.deepEqual(await names(), ['processor']);
  runFile.drop(child.pid);
  assert.deepEqual(await names(), []);
});

test('a file that cannot be read is no reason not to start', async () => {
  const file = join(scratch, 'torn.json');
  await writeFile(file, '{"self":');
  (await takeRunFile(file, () => {})).remove();
});
