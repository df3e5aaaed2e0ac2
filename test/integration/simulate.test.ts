// `playhead simulate` against a running system, as a user starts it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { SessionTruth } from '../../infra/cli/audience/truth.ts';
import { eventually } from '../support/audience-run.ts';
import { ask } from '../support/query-facts.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

describe('playhead simulate', { timeout: 240_000 }, () => {
  let system: TestSystem;
  let directory: string;

  before(async () => {
    system = await startSystem();
    directory = await mkdtemp(join(tmpdir(), 'playhead-simulate-'));
  });
  after(async () => {
    await system?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  function simulate(...options: string[]): Promise<{ code: number | null; stderr: string }> {
    const to = ['--endpoint', system.ingest, '--key', system.writeKey];
    const child = spawn(process.execPath, ['--import', 'tsx', 'infra/cli/main.ts', 'simulate', ...to, ...options], { cwd: ROOT });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })));
  }

  const plays = async (): Promise<number> => ((await ask(system, '/v1/plays')) as { data: { plays: number } }).data.plays;

  it('sends a finite crowd, writes its truth, and its plays appear while their sessions are open', async () => {
    const file = join(directory, 'truth.ndjson');
    const { code, stderr } = await simulate(
      '--viewers',
      '12',
      '--rate',
      '600',
      '--speed',
      '300',
      '--short',
      '--seed',
      'cli',
      '--truth',
      file,
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /events accepted in \d+ requests, \d+ sent again, 0 refused, 0 unknown/);
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    const truths = lines.flatMap((line) => (JSON.parse(line) as { truths: SessionTruth[] }).truths);
    assert.equal(lines.length, 12);
    const wanted = truths.reduce((sum, truth) => sum + truth.plays, 0);
    await eventually(
      async () => (await plays()) === wanted,
      async () => `${await plays()} of ${wanted} plays`,
      30_000,
    );
  });

  it('is endless without --viewers, and begins with a past', async () => {
    const before = await plays();
    const { code, stderr } = await simulate('--rate', '30', '--history', '3', '--duration', '20', '--seed', 'endless');
    assert.equal(code, 0, stderr);
    await eventually(
      async () => (await plays()) > before + 20,
      async () => `${await plays()} plays, ${before} before`,
      30_000,
    );
    const { data } = (await ask(system, '/v1/plays?granularity=hour')) as { data: { from: string; plays: number }[] };
    const busy = data.filter(({ plays: count }) => count > 0);
    assert.ok(busy.length >= 2, `plays in ${busy.length} hours`);
  });

  it('says what is missing when there is no system', async () => {
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), join(ROOT, 'infra/cli/main.ts'), 'simulate'], {
      cwd: directory,
    });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 1);
    assert.match(stderr, /give --endpoint and --key/);
  });
});
