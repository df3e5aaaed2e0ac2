// The simulator in the test suite: many seeds over two processes, the same seed twice, and controls that must be noticed.
// SIM_SEEDS sets how many (default below, to fit CI).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runSeed } from './run.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const SEEDS_DEFAULT = 20_000;
const seeds = process.env['SIM_SEEDS'] ?? String(SEEDS_DEFAULT);

function simulate(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      process.stdout.write(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.once('close', (code) => resolve({ code, output }));
  });
}

describe('simulator: I1, I2, I4 to I9, H7, H8', () => {
  it('the same seed gives the same trace', async () => {
    for (const seed of [1, 7, 42]) {
      const [first, second] = [await runSeed(seed), await runSeed(seed)];
      assert.equal(first.traceHash, second.traceHash, `seed ${seed}`);
      assert.equal(first.failure, undefined);
    }
    assert.notEqual((await runSeed(1)).traceHash, (await runSeed(2)).traceHash);
  });

  it('control: a writer whose epoch nobody checks is noticed (NC3)', async () => {
    const { code, output } = await simulate(['--seeds', '400', '--control', 'noEpochCheck']);
    assert.equal(code, 0, output);
    assert.match(output, /noticed in \d+ seeds/);
  });

  it('control: log-active time without a cap is noticed (H7)', async () => {
    const { code, output } = await simulate(['--seeds', '400', '--control', 'sealOnLeap']);
    assert.equal(code, 0, output);
  });

  it(`${seeds} seeds: nothing is lost, nothing is doubled, everything comes to rest, every fault fired`, {
    timeout: 30 * 60_000,
  }, async () => {
    const { code, output } = await simulate(['--seeds', seeds]);
    assert.equal(code, 0, output.slice(-4_000));
  });
});
