// The supervisor of our own processes: restarts after a crash, gives up a start that fails, stops for good.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startService } from '../../../../infra/local/services.ts';
import { systemScheduler } from '../../../../infra/runtime/clock.ts';

const scratch = await mkdtemp(join(tmpdir(), 'playhead-services-'));
after(() => rm(scratch, { recursive: true, force: true }));

const deps = (said: string[], pids: number[]) => ({
  scheduler: systemScheduler,
  onProcess: async (_: string, pid: number) => void pids.push(pid),
  onEnd: () => {},
  onCrash: (line: string) => void said.push(line),
});

async function spec(name: string, source: string) {
  const file = join(scratch, `${name}.mjs`);
  await writeFile(file, source);
  return { name, file, env: { PATH: process.env['PATH'] ?? '' }, logFile: join(scratch, `${name}.log`) };
}

test('a service that crashes is started again, one that is stopped is not', async () => {
  const said: string[] = [];
  const pids: number[] = [];
  const service = await startService(
    deps(said, pids),
    await spec('crashing', "setTimeout(() => { console.log('bye'); process.exit(3); }, 200);"),
  );
  await service.ready(0);
  while (service.restarts() < 2) await systemScheduler.sleep(50);
  await service.stop(5_000);
  const seen = pids.length;
  await systemScheduler.sleep(2_500);
  assert.equal(pids.length, seen);
  assert.match(said[0] ?? '', /crashing ended \(code 3\); starting it again in 0\.5 s/);
  assert.match(await readFile(join(scratch, 'crashing.log'), 'utf8'), /bye/);
});

test('a service that ends while it starts fails the start with the end of its log', async () => {
  const said: string[] = [];
  const failing = { ...(await spec('failing', "console.log('no settings'); process.exit(78);")), readyUrl: 'http://127.0.0.1:1/readyz' };
  const service = await startService(deps(said, []), failing);
  await assert.rejects(service.ready(10_000), { code: 'ERR_SERVICE', message: /code 78[\s\S]*no settings/ });
  assert.deepEqual(said, []);
});

test('a service that does not stop in time is killed', async () => {
  const stubborn = await spec('stubborn', "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000);");
  const service = await startService(deps([], []), stubborn);
  await service.ready(0);
  while (!(await readFile(stubborn.logFile, 'utf8')).includes('up')) await systemScheduler.sleep(50);
  const began = systemScheduler.monotonicMs();
  await service.stop(300);
  assert.ok(systemScheduler.monotonicMs() - began < 5_000);
});
