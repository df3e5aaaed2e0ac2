// Snapshots through the real Avro schema (SPEC.md, V7).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import avsc from 'avsc';
import { createPartition, step } from '../../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../../processor/core/settings.ts';
import { type PartitionSnapshot, restore, SNAPSHOT_VERSION, snapshot, stateHashInput } from '../../../../processor/core/snapshot.ts';
import { PLAY_STATES } from '../../../../processor/core/transitions.ts';
import { context, LogBuilder } from '../../../support/records.ts';

const schema = JSON.parse(readFileSync(new URL('../../../../schemas/snapshot.avsc', import.meta.url), 'utf8'));
const type = avsc.Type.forSchema(schema);

/** A state with a little of everything in it. */
function busyState() {
  const log = new LogBuilder();
  const state = createPartition(FOLD_SETTINGS_DEFAULT);
  const known = context({ title: 'Intro', durationMs: 60_000, meta: '{"a":1}' });
  const records = [
    log.control(0, { site: 'demo', settings: { idleGapMs: 60_000 } }),
    log.beacon(1_000, {
      context: known,
      events: [
        { type: 'attempt', seq: 0 },
        { type: 'playing', seq: 1, at: 900, positionMs: 0 },
      ],
    }),
    log.beacon(5_000, { events: [{ type: 'heartbeat', seq: 4, at: 5_000, positionMs: 4_000 }] }),
    log.tick(9_000),
    log.tick(12_000),
    log.beacon(12_500, {
      events: [
        { type: 'error', seq: 5, at: 12_000, positionMs: 11_000, detail: { code: 'net', flag: 0 } },
        { type: 'pause', seq: 6, at: 12_100 },
      ],
    }),
    log.beacon(13_000, { events: [{ type: 'custom', seq: 9, at: 13_000, detail: { name: 'like', text: '{}' } }], context: known }),
    log.beacon(13_100, { events: [], rejects: [{ index: 0, seq: 8, reason: 'bad_event', detail: '', payload: '{}' }] }),
    log.beacon(13_200, {
      session: 'bob',
      video: 'other',
      protocol: 'mave',
      baseAt: -1,
      events: [{ type: 'playing', positionMs: 5 }, { type: 'leave' }],
    }),
    log.beacon(13_300, {
      session: 'carol',
      protocol: 'mave',
      events: [
        { type: 'pause', at: 13_300, positionMs: 4_000 },
        { type: 'playing', at: 9_300, positionMs: 0 },
      ],
    }),
  ];
  for (const record of records) step(state, record);
  return state;
}

describe('snapshot (V7)', () => {
  it('goes through Avro and comes back equal', () => {
    const state = busyState();
    const bytes = type.toBuffer(snapshot(state));
    const back = restore(type.fromBuffer(bytes) as PartitionSnapshot, FOLD_SETTINGS_DEFAULT);
    assert.deepEqual(stateHashInput(back), stateHashInput(state));
    assert.deepEqual(type.toBuffer(snapshot(back)), bytes);
  });

  it('shares nothing with the state', () => {
    const state = busyState();
    const taken = snapshot(state);
    const before = JSON.stringify(taken);
    const log = new LogBuilder();
    step(
      state,
      log.beacon(14_000, { events: [{ type: 'heartbeat', seq: 7, at: 14_000, positionMs: 12_000 }], context: context({ title: 'New' }) }),
    );
    assert.equal(JSON.stringify(taken), before);
  });

  it('equal states have equal text, different ones do not', () => {
    assert.deepEqual(stateHashInput(busyState()), stateHashInput(busyState()));
    const other = busyState();
    step(other, new LogBuilder().tick(13_300));
    assert.notDeepEqual(stateHashInput(other), stateHashInput(busyState()));
  });

  it('refuses a layout it does not know', () => {
    const data = { ...snapshot(busyState()), version: SNAPSHOT_VERSION + 1 };
    assert.throws(() => restore(data, FOLD_SETTINGS_DEFAULT), RangeError);
  });

  it('the schema knows the states of playback in their order', () => {
    assert.match(JSON.stringify(schema), new RegExp(JSON.stringify(PLAY_STATES).replace(/[[\]]/g, '\\$&')));
  });
});
