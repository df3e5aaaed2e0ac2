// When sessions are sealed and what happens afterwards, as timelines (SPEC.md: Sessions and parts, Time).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPartition, ledger, openSessionCount, step, tombstoneCount } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import { LogBuilder } from '../support/records.ts';
import { timeline } from '../support/scenario.ts';

describe('sealing (V8, V11)', () => {
  it('leave seals after its linger, unless the player comes back (ST9, E12)', () => {
    timeline(`
      0s    playing@0      |
      5s    leave@5000     |
      12s   playing@5000   |
      30s   heartbeat@23000 | open watched=0-5000,5000-23000
      31s   leave@24000    |
      45s                  | sealed leave watched=0-5000,5000-24000
    `);
  });

  it('silence seals after the idle gap, in log-active time (V9)', () => {
    timeline(`
      0s     playing@0       |
      10s    heartbeat@10000 |
      29m    heartbeat@10000 |
      58.9m                  |
      60m                    | sealed idle watched=0-10000
    `);
  });

  it('an outage of any length closes nobody: one step adds no more than the cap (V9)', () => {
    const log = new LogBuilder();
    const state = createPartition(FOLD_SETTINGS_DEFAULT);
    const play = log.beacon(0, { events: [{ type: 'playing', seq: 0, positionMs: 0 }] });
    assert.deepEqual(
      [play, log.tick(86_400_000), log.tick(86_405_000)].flatMap((record) => step(state, record)),
      [],
    );
    assert.equal(state.activeTime, FOLD_SETTINGS_DEFAULT.stepCapMs + 5_000);
    assert.equal(openSessionCount(state), 1);
  });

  it('age seals what never falls silent', () => {
    timeline(
      `
      0s   playing@0         |
      10m  heartbeat@600000  |
      20m  heartbeat@1200000 |
      30m  heartbeat@1800000 |
      35m                    | sealed age received=4 watched=0-1800000
    `,
      { ageMaxMs: 2_000_000 },
    );
  });

  it('size seals a part and the next event opens a supplement (V13)', () => {
    timeline(
      `
      0s  playing@0       |
      1s  heartbeat@1000  |
      2s  heartbeat@2000  |
      3s  heartbeat@3000  | sealed size received=3 limitHits=1 watched=0-2000 ; open part=1 received=1 late=1
    `,
      { partEventsMax: 3 },
    );
  });

  it('an operator closes everything, a site or a door', () => {
    timeline(`
      0s  playing@0                            |
      1s  playing@0 session=bob protocol=mave  |
      2s  heartbeat@2000#4                     |
      3s  close_all protocol=mave              | sealed closed session=bob
      4s  close_all site=elsewhere             |
      5s  close_all site=demo                  | sealed closed watched=0-2000 lost=3
    `);
  });

  it('later beacons of a sealed session become supplements, with its start and duration (V8)', () => {
    const { state } = timeline(`
      0s    playing@0 context.durationMs=60000 |
      10s   leave@10000                        |
      25s                                      | sealed leave part=0 plays=1
      30s   playing@10000                      | open part=1 plays=0 attempts=0 late=1
      40s   heartbeat@20000                    |
      41s   leave@90000                        |
      60s                                      | sealed leave part=1 plays=0 watched=10000-20000 received=3 late=3 startedAt=1764000000000
    `);
    const { folded, late, eventsInLog } = ledger(state);
    assert.deepEqual([folded, late, eventsInLog], [2, 3, 5]);
  });

  it('copies of a sealed session count in an emission, until the tombstone is gone (V4)', () => {
    const { state } = timeline(`
      0s    playing@0 , heartbeat@100 at:100 |
      10s   leave@10000                      |
      25s                                    | sealed leave
      30s   playing@0#0 at:0 , heartbeat@100#1 at:100 | duplicate 2 conflicts=0
      31s   playing@7#0                      | duplicate 1 conflicts=1
      6h                                     |
      6.1h                                   |
    `);
    assert.equal(tombstoneCount(state), 0);
  });

  it('a tombstone limit forgets the oldest, and counts it (V13)', () => {
    const lines = Array.from({ length: 9 }, (_, i) => `${i * 30}s playing@0 , leave@0 session=s${i} |${i === 0 ? '' : ' sealed leave'}`);
    const { state } = timeline(lines.join('\n'), { tombstonesMax: 5 });
    assert.equal(state.limits.tombstonesMax, 3);
    assert.ok(tombstoneCount(state) <= 6);
  });

  it('an open session limit seals the longest silent first, and counts it (V13)', () => {
    timeline(
      `
      0s  playing@0 session=a |
      1s  playing@0 session=b |
      2s  playing@0 session=c |
      3s  heartbeat@3000 session=a |
      4s  playing@0 session=d | sealed size session=b
    `,
      { openSessionsMax: 3 },
    );
  });

  it('several videos of one session id are sessions of their own', () => {
    timeline(`
      0s  playing@0 video=one       |
      5s  pause@5000 video=one      | open video=one watched=0-5000
      6s  playing@0 video=two       |
      9s  heartbeat@3000 video=     | open video=two watched=0-3000
      10s leave@4000 video=two      |
      21s                           | sealed leave video=two
      31m                           | sealed idle video=one
    `);
  });

  it('events without a video wait for its first name (E17)', () => {
    const { state } = timeline(`
      0s  attempt@0 video=           | open video= attempts=1
      1s  playing@0 video=           |
      2s  heartbeat@1000 video=intro | open video=intro attempts=1 plays=1 received=3
      3s  heartbeat@2000 video=other | open video=other received=1
    `);
    assert.deepEqual(state.gone, [{ site: 'demo', session: 'alice', video: '', part: 0 }]);
  });

  it('too many videos or parts become dead letters, counted (V13)', () => {
    timeline(
      `
      0s  playing@0 video=a |
      1s  playing@0 video=b |
      2s  playing@0 video=c | dead videos_limit
    `,
      { videosPerStreamMax: 2 },
    );
    timeline(
      `
      0s  playing@0      |
      1s  leave@1000     |
      15s playing@2000   | sealed leave
      16s leave@1000     |
      40s playing@3000   | sealed leave part=1 ; dead parts_limit
    `,
      { partsMax: 2 },
    );
  });

  it('settings travel in the log and are in force at once', () => {
    timeline(
      `
      0s  playing@0                            |
      1s  playing@0 session=bob protocol=cmcd  |
      60s set idleGapMs=30000 protocol=cmcd    | sealed idle session=bob
      61s set site=demo leaveLingerMs=0        |
      62s leave@62000                          |
      63s                                      |
      66s                                      | sealed leave
    `,
    );
  });

  it('wrong control records are told, never thrown (C3)', () => {
    const { outputs } = timeline('0s set volume=3 idleGapMs=-4 graceMs=1.5 | dead bad_control ; dead bad_control ; dead bad_control');
    assert.deepEqual(
      outputs.map((output) => output.kind === 'dead' && output.detail),
      ['graceMs out of range', 'idleGapMs out of range', 'no setting volume'],
    );
  });
});
