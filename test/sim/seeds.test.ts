// The simulator in the test suite: the same seed twice, controls that must be noticed, and many seeds over a process per core.
// SIM_SEEDS sets how many (default below, to fit CI).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CONTROL_NAMES, specOf } from './controls.ts';
import { controlTable, faultTable } from './docs.ts';
import { type RunResult, runSeed } from './run.ts';
import { shrink } from './shrink.ts';
import { table } from './timeline.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const PAGE = new URL('../../docs/simulator.md', import.meta.url);
const SEEDS_DEFAULT = 50_000;
const seeds = process.env['SIM_SEEDS'] ?? String(SEEDS_DEFAULT);
/** No control needed more than 160. */
const CONTROL_SEEDS = '800';

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

/** The first of these seeds that a control build fails. */
async function firstFailure(control: 'noEpochCheck'): Promise<RunResult> {
  for (let seed = 1; seed < 300; seed++) {
    const result = await runSeed(seed, { control });
    if (result.failure !== undefined) return result;
  }
  throw new Error(`no seed noticed ${control}`);
}

describe('simulator: I1, I2, I4 to I9, D25, H7 to H9', () => {
  it('the same seed gives the same trace', async () => {
    for (const seed of [1, 7, 42]) {
      const [first, second] = [await runSeed(seed), await runSeed(seed)];
      assert.equal(first.traceHash, second.traceHash, `seed ${seed}`);
      assert.equal(first.failure, undefined);
    }
    assert.notEqual((await runSeed(1)).traceHash, (await runSeed(2)).traceHash);
  });

  it('a failing run becomes a short one that breaks the same, and a table that says when, who and what', async () => {
    const found = await firstFailure('noEpochCheck');
    const small = await shrink(found.seed, { control: 'noEpochCheck' });
    assert.equal(small.failure?.message.split(':')[0], found.failure?.message.split(':')[0]);
    // How much smaller depends on the run; that something could be left out does not.
    assert.ok(small.occurrences.length < found.occurrences.length, `${small.occurrences.length} of ${found.occurrences.length}`);
    const again = await runSeed(found.seed, {
      control: 'noEpochCheck',
      without: small.without,
      faults: (drawn) => new Map([...drawn].filter(([name]) => small.faults.includes(name))),
    });
    assert.equal(again.traceHash, small.traceHash);
    const rows = table(small);
    assert.match(rows[0] ?? '', /^time +who +what +effect$/);
    assert.ok(
      rows.some((row) => /^ *\d+\.\d{3} +processor\d+ +commit +partition \d+: epoch \d+, offset/.test(row)),
      rows.join('\n'),
    );
  });

  for (const control of CONTROL_NAMES) {
    const { what, breaks } = specOf(control);
    it(`control ${control}: ${what}: ${breaks.length > 0 ? `some seed breaks ${breaks.join(' or ')}` : 'nothing breaks'}`, async () => {
      const { code, output } = await simulate(['--control', control, '--seeds', breaks.length > 0 ? CONTROL_SEEDS : '200']);
      assert.equal(code, 0, output);
    });
  }

  it('the page names every fault and every control', () => {
    const page = readFileSync(PAGE, 'utf8');
    assert.ok(page.includes(faultTable()), `docs/simulator.md should hold this table of faults:\n${faultTable()}`);
    assert.ok(page.includes(controlTable()), `docs/simulator.md should hold this table of controls:\n${controlTable()}`);
  });

  it(`${seeds} seeds: nothing is lost, nothing is doubled, everything comes to rest, every fault fired`, {
    timeout: 30 * 60_000,
  }, async () => {
    const { code, output } = await simulate(['--seeds', seeds]);
    assert.equal(code, 0, output.slice(-4_000));
  });
});
