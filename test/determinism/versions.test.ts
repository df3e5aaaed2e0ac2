// F38: the same log gives the same bytes in another process, in any batch cut, through any snapshot, under every supported Node.js.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NODE_VERSIONS, nodeBinary } from '../support/node-versions.ts';
import { CUTS, difference, differences, foldUnder, type Results } from './everywhere.ts';
import { writeLogs } from './logs.ts';

const SIM_SEEDS = 40;
const logs = mkdtempSync(join(tmpdir(), 'playhead-logs-'));
const results = new Map<string, Results>();
let written: ReturnType<typeof writeLogs> = { names: [], records: 0 };

describe('determinism across versions of Node.js (F38, I6)', () => {
  before(() => {
    written = writeLogs(logs);
  });
  after(() => rmSync(logs, { recursive: true, force: true }));

  for (const version of NODE_VERSIONS) {
    it(`Node ${version} folds every log, in every cut`, async (test) => {
      const node = await nodeBinary(version);
      if (!node.ok) return test.skip(node.reason);
      const found = await foldUnder({ version, path: node.path }, logs, [...CUTS, `sim:${SIM_SEEDS}`]);
      assert.equal(found.size, written.names.length * CUTS.length + 1);
      results.set(version, found);
    });
  }

  it('emissions, rows, states and snapshots are equal byte by byte', () => {
    assert.ok(results.size >= 1 && written.records > 3_000, `${results.size} versions, ${written.records} records`);
    const [first] = results.values();
    const emissions = written.names.flatMap((name) => String(first?.get(`${name}.${CUTS[0]}`)).match(/"emissionSeq":/g) ?? []).length;
    assert.ok(emissions > 200, `${emissions} emissions`);
    assert.deepEqual(differences(results, written.names), []);
  });

  it('seeds of the simulator leave the same trace and hold', () => {
    const [first] = results.values();
    for (const [version, files] of results) assert.equal(difference(first?.get('sim'), files.get('sim')), undefined, `Node ${version}`);
    const traces = String(first?.get('sim'))
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      traces.filter(({ failure }) => failure !== null),
      [],
    );
    assert.equal(new Set(traces.map(({ traceHash }) => traceHash)).size, SIM_SEEDS);
  });

  it('a single other byte is noticed, and where (negative control)', () => {
    const [[version, files] = ['', new Map<string, Buffer>()]] = results;
    const name = written.names.find((each) => each.startsWith('audience')) as string;
    const changed = Buffer.from(files.get(`${name}.64`) as Buffer);
    changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1;
    const tampered = new Map([
      [version, files],
      ['other', new Map([...files, [`${name}.64`, changed]])],
    ]);
    const found = differences(tampered, written.names);
    assert.equal(found.length, 1);
    assert.match(found[0] as string, /Node other cut 64 .* line \d+:/s);
  });

  it('a platform for which npm has no binary is a reason to skip, not an error', async () => {
    const missing = await nodeBinary('22.23.2', { platform: 'nowhere', arch: 'x64' });
    assert.deepEqual(missing, { ok: false, reason: 'npm has no node-nowhere-x64@22.23.2' });
  });
});
