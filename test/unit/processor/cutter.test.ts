// While a snapshot is made in slices its partition holds back what comes, and the batch that is cut then is that of the snapshot (D21, D22).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemScheduler } from '../../../infra/runtime/clock.ts';
import { createPartition, step } from '../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../processor/core/settings.ts';
import { Cutter } from '../../../processor/cutter.ts';
import { Folding } from '../../../processor/folding.ts';
import { NO_METRICS } from '../../../processor/metrics.ts';
import { Slices } from '../../../processor/slices.ts';
import { LogBuilder } from '../../support/records.ts';

const task = {
  flushIntervalMs: 1_000,
  flushOutputsMax: 10,
  bufferOutputsMax: 10,
  bufferBytesMax: 1_000,
  provisionalIntervalMs: 1,
  provisionalRowsPerSecondMax: 10,
  snapshotIntervalMs: 0,
  snapshotSliceMs: 0,
};

function start() {
  const slices = new Slices(systemScheduler, task.snapshotSliceMs);
  const cutter = new Cutter({ scheduler: systemScheduler, task, slices, snapshotSchemaId: 5, metrics: NO_METRICS });
  const state = createPartition(FOLD_SETTINGS_DEFAULT);
  const log = new LogBuilder();
  step(state, log.beacon(0, { events: [{ type: 'playing', seq: 0, positionMs: 0 }] }));
  const committed = { nextOffset: 0, emissionSeq: 0 };
  const folding = new Folding({ state, nextOffset: 1, committed, fingerprint: undefined, clearOpen: false });
  cutter.begin();
  return { cutter, folding, slices };
}

describe('cutter', () => {
  it('holds back while a snapshot is made, from its first slice to the cut', async () => {
    const { cutter, folding } = start();
    assert.equal(cutter.holdsBack(), false);
    const cutting = cutter.next(folding, false, () => true);
    assert.equal(cutter.holdsBack(), true);
    const batch = await cutting;
    assert.equal(batch?.snapshot?.position.nextOffset, 1);
    assert.deepEqual(batch.snapshot.position, batch.to);
    assert.equal(cutter.holdsBack(), false);
    assert.equal(cutter.takeHeldBack(), true);
    assert.equal(cutter.takeHeldBack(), false);
  });

  it('a snapshot that must come first holds back from the beginning, also while another partition has its turn (D25)', async () => {
    const first = start();
    const second = start();
    const waiting = new Cutter({ scheduler: systemScheduler, task, slices: first.slices, snapshotSchemaId: 5, metrics: NO_METRICS });
    waiting.begin();
    waiting.reset(true);
    assert.equal(waiting.holdsBack(), true);
    const one = first.cutter.next(first.folding, false, () => true);
    const two = waiting.next(second.folding, false, () => true);
    assert.equal(waiting.holdsBack(), true);
    await one;
    assert.ok((await two)?.snapshot);
    assert.equal(waiting.holdsBack(), false);
    assert.equal(waiting.takeHeldBack(), true);
  });

  it('cuts nothing once the partition is lost, and holds nothing back any more', async () => {
    const { cutter, folding } = start();
    let held = true;
    const cutting = cutter.next(folding, false, () => held);
    held = false;
    assert.equal(await cutting, undefined);
    assert.equal(cutter.holdsBack(), false);
    assert.equal(folding.unflushed, undefined);
  });

  it('lets a snapshot that is not urgent wait while another one is made', async () => {
    const { cutter, folding, slices } = start();
    cutter.reset(false);
    const other = slices.run(
      (function* () {
        yield;
      })(),
      () => true,
    );
    assert.equal((await cutter.next(folding, false, () => true))?.snapshot, undefined);
    folding.settle();
    await other;
    assert.ok((await cutter.next(folding, true, () => true))?.snapshot, 'the last one of a clean stop is taken');
  });
});
