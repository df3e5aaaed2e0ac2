// The fingerprint of the last folded record: what tells a log from another one under the same name (D23).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogRecord } from '../../../infra/runtime/ports.ts';
import { createPartition } from '../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../processor/core/settings.ts';
import { Folding } from '../../../processor/folding.ts';
import { fingerprintOf } from '../../../processor/progress.ts';

const tick = (change: Partial<LogRecord> = {}): LogRecord => ({
  offset: 7,
  appendAt: 1_000,
  key: null,
  value: Buffer.from('tick'),
  ...change,
});
const hashOf = (change: Partial<LogRecord>): string => fingerprintOf(tick(change)).hash.toString('hex');

describe('fingerprint of a record', () => {
  it('tells one tick from another: their bytes are the same, their append times are not', () => {
    assert.equal(hashOf({}), hashOf({}));
    assert.notEqual(hashOf({}), hashOf({ appendAt: 2_000 }));
    assert.notEqual(hashOf({ key: Buffer.from('ti'), value: Buffer.from('ck') }), hashOf({}));
    assert.notEqual(hashOf({ key: Buffer.alloc(0) }), hashOf({ key: null }));
  });

  it('a record that comes again is recognised; another one in its place is contradicted, and only there', () => {
    const committed = { nextOffset: 0, emissionSeq: 0 };
    const folding = new Folding({
      state: createPartition(FOLD_SETTINGS_DEFAULT),
      nextOffset: 0,
      committed,
      fingerprint: undefined,
      clearOpen: false,
    });
    for (let offset = 0; offset < 3; offset++) {
      const raw = tick({ offset, appendAt: 1_000 + offset });
      folding.fold({ offset, appendAt: raw.appendAt, message: { kind: 'tick', tick: { instance: 'g' } }, keyText: null }, raw);
    }
    assert.equal(folding.contradicts(tick({ offset: 2, appendAt: 1_002 })), false);
    assert.equal(folding.contradicts(tick({ offset: 2, appendAt: 9_999 })), true);
    assert.equal(folding.contradicts(tick({ offset: 1, appendAt: 9_999 })), false);
  });

  it('a replay that comes out at another record than the one that was folded has strayed', () => {
    const committed = { nextOffset: 2, emissionSeq: 0 };
    const written = fingerprintOf(tick({ offset: 1, appendAt: 1_001 }));
    const replay = (lastAt: number): boolean => {
      const state = createPartition(FOLD_SETTINGS_DEFAULT);
      const folding = new Folding({ state, nextOffset: 0, committed, fingerprint: undefined, written, clearOpen: false });
      for (const raw of [tick({ offset: 0, appendAt: 1_000 }), tick({ offset: 1, appendAt: lastAt })]) {
        assert.equal(folding.strayed, false);
        folding.fold(
          { offset: raw.offset, appendAt: raw.appendAt, message: { kind: 'tick', tick: { instance: 'g' } }, keyText: null },
          raw,
        );
      }
      return folding.strayed;
    };
    assert.equal(replay(1_001), false);
    assert.equal(replay(5_000), true);
  });
});
