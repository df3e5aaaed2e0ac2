// What is asked of an operator when the state of a partition cannot be rebuilt (D22, D25).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DatabaseConnection, Scheduler } from '../../../infra/runtime/ports.ts';
import { FOLD_VERSION } from '../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../processor/core/settings.ts';
import type { Claim } from '../../../processor/progress.ts';
import { recover } from '../../../processor/recovery.ts';
import { Slices } from '../../../processor/slices.ts';
import type { GapRow } from '../../../processor/sql/read-gaps.ts';
import type { SnapshotRow } from '../../../processor/sql/read-snapshots.ts';

const configHash = Buffer.from('settings');
const claim: Claim = {
  nextOffset: 12,
  emissionSeq: 3,
  epoch: 2,
  claimToken: 'token',
  foldVersion: FOLD_VERSION,
  configHash,
  fingerprint: undefined,
  streamTimeMs: undefined,
  ledger: {},
};
/** A snapshot whose bytes were damaged. */
const damaged = (nextOffset: number): SnapshotRow => ({
  epoch: 1,
  next_offset: nextOffset,
  emission_seq: 3,
  schema_id: 5,
  fold_version: FOLD_VERSION,
  config_hash: configHash,
  fingerprint_offset: null,
  fingerprint_hash: null,
  state_hash: Buffer.alloc(32),
  checksum: Buffer.alloc(32),
  payload: Buffer.from('damaged'),
});

function recovering(log: { low: number; high: number }, snapshots: readonly SnapshotRow[], gaps: readonly GapRow[]) {
  const query = async ({ name }: { name: string }): Promise<unknown[]> => (name === 'processor_read_gaps' ? [...gaps] : [...snapshots]);
  const connection = { query } as unknown as DatabaseConnection;
  const use = <T>(work: (connection: DatabaseConnection) => Promise<T>): Promise<T> => work(connection);
  const scheduler = { monotonicMs: () => 0, yield: async () => {} } as unknown as Scheduler;
  const deps = {
    admin: { partitionCount: async () => 1, bounds: async () => log, fetchOne: async () => undefined, close: async () => {} },
    writers: { use, beside: use, close: () => {} },
    slices: new Slices(scheduler, 5),
    partitions: 1,
    settings: FOLD_SETTINGS_DEFAULT,
    configHash,
  };
  return recover(deps, 0, claim, () => true);
}

describe('recovery without a usable snapshot', () => {
  it('from a log that still begins at 0, everything is folded again', async () => {
    const found = await recovering({ low: 0, high: 20 }, [damaged(12), damaged(8)], []);
    assert.ok(found?.ok);
    assert.equal(found.folding.nextOffset, 0);
  });

  it('a cut log and damaged snapshots within it: the operator is asked for the empty gap at the position (F32)', async () => {
    const asked = await recovering({ low: 1, high: 20 }, [damaged(12), damaged(8)], []);
    assert.ok(asked !== undefined && !asked.ok);
    assert.equal(asked.reason, 'log_cut');
    assert.deepEqual(asked.gap, { from: 12, to: 12 });
    assert.match(asked.detail, /no snapshot can be read.*--from 12 --to 12/);
    const accepted = { from_offset: 12, to_offset: 12, reason: 'damaged', operator: 'o' };
    const found = await recovering({ low: 1, high: 20 }, [damaged(12), damaged(8)], [accepted]);
    assert.ok(found?.ok);
    assert.deepEqual([found.folding.nextOffset, found.folding.position.emissionSeq, found.snapshotNow], [12, 3, true]);
  });

  it('a snapshot ahead of the position says nothing about what is missing (H1)', async () => {
    const asked = await recovering({ low: 10, high: 20 }, [damaged(15), damaged(8)], []);
    assert.ok(asked !== undefined && !asked.ok);
    assert.deepEqual(asked.gap, { from: 8, to: 10 });
  });

  it('a snapshot behind the log: the operator is asked for what lies between (D25)', async () => {
    const asked = await recovering({ low: 10, high: 20 }, [damaged(8)], []);
    assert.ok(asked !== undefined && !asked.ok);
    assert.deepEqual(asked.gap, { from: 8, to: 10 });
    assert.match(asked.detail, /records \[8, 10\) are needed.*--from 8 --to 10/);
  });
});
