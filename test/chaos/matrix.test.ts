// The dangerous rows of the fault matrix with short times, on three brokers and a real PostgreSQL; and three builds that are wrong
// on purpose and must break an invariant, or none of this proves anything. Full times: node --import tsx test/chaos/main.ts --full
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { platform } from 'node:os';
import { after, before, describe, it } from 'node:test';
import type { Fault } from './fault.ts';
import { FAULTS, playFault } from './runner.ts';
import { type Servers, startServers } from './servers.ts';

const AT_ONCE = 3;
const TIMEOUT_MS = 15 * 60_000;
const seed = process.env['CHAOS_SEED'] ?? randomBytes(4).toString('hex');
/** Stopped processes are recognised by /proc, and signals that stop are not portable. */
const skip = platform() === 'linux' ? false : 'needs Linux: SIGSTOP and /proc';

describe(`fault matrix, CHAOS_SEED=${seed}`, { skip, timeout: TIMEOUT_MS }, () => {
  let servers: Servers;
  before(async () => {
    servers = await startServers();
  });
  after(() => servers?.stop());

  const play = (fault: Fault): void =>
    void it(`${fault.id}: ${fault.about}`, { timeout: TIMEOUT_MS }, async () => {
      const progress = (line: string): void => void process.stdout.write(`${line}\n`);
      const { ok, violations } = await playFault(servers, fault, { seed, full: false, progress });
      const said = violations.slice(0, 8).map(({ invariant, detail }) => `${invariant}: ${detail}`);
      assert.ok(
        ok,
        fault.mustBreak === undefined
          ? said.join('\n')
          : `broke ${said.join('\n') || 'nothing'}, must break ${fault.mustBreak.join(' or ')}`,
      );
    });

  describe('faults of one system', { concurrency: AT_ONCE }, () => {
    for (const fault of FAULTS.filter(({ alone }) => !alone).sort((a, b) => b.loadMs - a.loadMs)) play(fault);
  });
  describe('faults of what all share', { concurrency: 1 }, () => {
    for (const fault of FAULTS.filter(({ alone }) => alone)) play(fault);
  });
});
