// Startup, stalls, renditions, errors and figures that count once, as timelines (SPEC.md: Quality).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countLiveViewers, takeChanged } from '../../processor/core/partition.ts';
import { EPOCH } from '../support/records.ts';
import { timeline } from '../support/scenario.ts';

describe('quality (V10)', () => {
  it('startup is from the first attempt to the first frame (E1, E2)', () => {
    timeline(`
      0s     attempt@0  | open startupMs=-1
      1s     attempt@0  |
      1.2s   playing@0  | open startupMs=1200
      5s     attempt@0  |
      6s     playing@4800 | open startupMs=1200 attempts=1 plays=1
    `);
  });

  it('stalls count while playing only (ST2, ST5, ST6, E6, E7)', () => {
    timeline(`
      0s    attempt@0           |
      1s    stall_start@0       | open stalls=0
      2s    stall_end@0         |
      3s    playing@0           |
      8s    stall_start@5000    | open stalls=1 watched=0-5000
      9s    heartbeat@5000      | open stallMs=1000
      10s   stall_end@5000      | open stallMs=2000
      12s   heartbeat@7000      | open watched=0-5000,5000-7000 runs=0,0
      13s   seek toMs:30000     |
      14s   stall_start@30000   | open stalls=1
      15s   playing@30000       |
      16s   stall_start@31000   | open stalls=2
      17s   playing@31000       | open stallMs=3000
      18s   stall_start@32000   |
      19s   pause@32000         | open stallMs=4000 stalls=3
      20s   stall_start@32000   | open stalls=3
    `);
  });

  it('a stall open at the end counts to the last known time, one that ends without a word to when frames moved (E6)', () => {
    timeline(`
      0s   playing@0          |
      5s   stall_start@5000   |
      10s  heartbeat@8000     | open stallMs=2000 watched=0-5000,5000-8000
      11s  stall_start@9000   |
      14s  leave@9000         |
      30s                     | sealed leave stallMs=5000 stalls=2
    `);
  });

  it('bitrate weighs what is played under it (E9)', () => {
    timeline(`
      0s   quality bitrateBps:1000000    |
      1s   playing@0                     |
      5s   quality@4000 bitrateBps:3000000 height:1080 | open bitrateKbpsMs=4000000 bitrateKnownMs=4000 switchesUp=1
      7s   quality@6000 bitrateBps:2000000 | open bitrateKbpsMs=10000000 switchesUp=1 switchesDown=1
      8s   quality@7000 bitrateBps:2000400 | open bitrateKbpsMs=12000000 switchesUp=1 switchesDown=1
    `);
  });

  it('errors by code, failures by when they happen (ST8, E10, E18)', () => {
    timeline(`
      0s   attempt@0                       |
      1s   error code:net flag:0           | open errors=net:1 startFailures=0
      2s   error code:drm flag:1           | open errors=net:1,drm!:1 startFailures=1 exitsBeforeStart=0
      3s   attempt@0                       |
      4s   playing@0                       | open startFailures=0 plays=1 startupMs=1000
      9s   error@5000 code:net flag:1      | open errors=net:1,drm!:1,net!:1 playbackFailures=1 watched=0-5000
      10s  error@5000 code:net flag:1      | open errors=net:1,drm!:1,net!:2
    `);
  });

  it('too many error codes are counted under none (V13)', () => {
    timeline(
      `
      0s  error code:a |
      1s  error code:b |
      2s  error code:c | open errors=a:1,b:1,:1 limitHits=1
    `,
      { errorsMax: 2 },
    );
  });

  it('an exit before start is an attempt that ended without frame and failure (E12)', () => {
    timeline(`
      0s   attempt@0    | open exitsBeforeStart=0
      3s   leave@0      | open exitsBeforeStart=1
      15s               | sealed leave exitsBeforeStart=1 plays=0 attempts=1 startupMs=-1
      16s  playing@0    | open plays=1 exitsBeforeStart=0 attempts=0
    `);
  });

  it('completion by the end or close to it, once (E11)', () => {
    timeline(`
      0s    playing@0 context.durationMs=200000 |
      100s  heartbeat@100000 | open completions=0
      198s  heartbeat@198000 | open completions=1
      200s  ended@200000     | open completions=1
      201s  leave@200000     |
      216s                   | sealed leave completions=1
      217s  ended            | open completions=0
    `);
  });

  it('custom events are emitted in order, with event time (E17)', () => {
    const { outputs } = timeline(`
      0s  playing@0                      |
      3s  custom@2500#2 name:like text:{"a":1} |
      4s  heartbeat@1000#1 at:1000       | custom like positionMs=2500 seq=2 data={"a":1}
      5s  custom name:bare               | custom bare data={} positionMs=-1
    `);
    assert.equal(outputs[0]?.kind === 'custom' && outputs[0].at, EPOCH + 3_000);
  });

  it('context is refined in folded order and never blanked (V5)', () => {
    timeline(`
      0s  playing@0#0 context.title=One context.country=DE context.meta={"a":1} |
      2s  heartbeat@2#2 context.title=Three context.bot=1 |
      3s  heartbeat@1#1 at:1000 context.title=Two context.browser=Firefox context.meta={"b":2,"a":3} | open context.title=Three context.country=DE context.browser=Firefox context.meta={"a":3,"b":2}
    `);
  });

  it('clocks: the start is anchored at receipt, later times are client deltas (A6)', () => {
    timeline(`
      60s  playing@0 at:0      | open startedAt=${EPOCH}
      70s  heartbeat@10000 at:10000 | open endedAt=${EPOCH + 10_000} watched=0-10000
      80s  heartbeat@20000 at:-90000 | open endedAt=${EPOCH + 10_000} watched=0-10000
      90s  heartbeat@30000 at:-80000 | open endedAt=${EPOCH + 20_000} watched=0-10000,20000-30000
      95s  heartbeat@35000 at:-75000 | open endedAt=${EPOCH + 25_000} watched=0-10000,20000-35000
      99s  heartbeat@99000 at:90000000 | open endedAt=${EPOCH + 99_000}
    `);
  });

  it('live viewers are those playing now, by video, and not the silent (ST3, ST5, ST6)', () => {
    const { state } = timeline(`
      0s    playing@0                        |
      1s    playing@0 session=b              |
      2s    playing@0 session=c video=other  |
      3s    pause@1000 session=c video=other |
      4s    playing@0 session=d protocol=mave video=other |
      110s  heartbeat@100000                 |
      125s                                   |
    `);
    assert.deepEqual(countLiveViewers(state), [
      { site: 'demo', video: 'intro', viewers: 1 },
      { site: 'demo', video: 'other', viewers: 1 },
    ]);
  });

  it('changed sessions are taken longest unpublished first, within the budget', () => {
    const { state } = timeline(`
      0s  playing@0 session=a |
      1s  playing@0 session=b |
      2s  heartbeat@2000 session=a |
      3s  playing@0 session=c |
    `);
    assert.deepEqual(
      takeChanged(state, 2).map(({ part }) => part.session),
      ['a', 'b'],
    );
    assert.deepEqual(
      takeChanged(state, 10).map(({ part, playing }) => [part.session, playing]),
      [['c', true]],
    );
    assert.deepEqual(takeChanged(state, 10), []);
  });
});
