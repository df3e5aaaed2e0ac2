// What is watched, as timelines (SPEC.md: Sections, Transitions).
import { describe, it } from 'node:test';
import { timeline } from '../support/scenario.ts';

describe('watching (V1, V2, V3)', () => {
  it('a play from attempt to leave (ST1, ST2, ST3, ST9, E1, E2, E4, E12)', () => {
    timeline(`
      0s      attempt@0       | open attempts=1 plays=0 exitsBeforeStart=0
      400ms   playing@0       | open plays=1 startupMs=400
      5s      heartbeat@4600  | open watched=0-4600
      12s     leave@11600     | open watched=0-11600
      21s                     |
      25s                     | sealed leave watched=0-11600 totalWatchMs=11600 uniqueWatchMs=11600 received=4 lost=0
    `);
  });

  it('a pause ends a section, going on keeps the run (ST4, E3)', () => {
    timeline(`
      0s    playing@0       |
      5s    pause@5000      | open watched=0-5000
      60s   heartbeat@5000  | open watched=0-5000
      70s   playing@5000    |
      75s   heartbeat@10000 | open watched=0-5000,5000-10000 runs=0,0
    `);
  });

  it('a seek ends a section and starts a new run (ST6, E5)', () => {
    timeline(`
      0s    playing@0                        |
      5s    seek@60000 fromMs:5000 toMs:60000 | open watched=0-5000 seeks=1
      6s    playing@60000                    |
      9s    heartbeat@63000                  | open watched=0-5000,60000-63000 runs=0,1
      10s   seek fromMs:64000                | open watched=0-5000,60000-64000 seeks=2
      10.2s seek toMs:1000                   | open seeks=2
      10.5s playing@1000                     |
      12.5s leave@3000                       | open watched=0-5000,60000-64000,1000-3000 uniqueWatchMs=9000 totalWatchMs=11000
    `);
  });

  it('a seek without a word of play is proven by the next heartbeat (ST6)', () => {
    timeline(`
      0s    playing@0       |
      5s    seek toMs:90000 | open watched=
      10s   heartbeat@93000 | open watched=90000-93000
    `);
  });

  it('a seek while paused moves nothing but the place to go on (E5)', () => {
    timeline(`
      0s   playing@0               |
      4s   pause@4000              |
      9s   seek fromMs:4000 toMs:100 | open seeks=1
      10s  playing@100             |
      12s  pause@2100              | open watched=0-4000,100-2100 runs=0,1
    `);
  });

  it('an advance that time forbids is a jump: the section ends where play is proven (V3)', () => {
    timeline(`
      0s    playing@0       |
      5s    heartbeat@5000  |
      10s   heartbeat@70000 | open watched=0-5000
      15s   heartbeat@75000 | open watched=0-5000,70000-75000 runs=0,1
    `);
  });

  it('tolerances do not add up: a player a tenth too fast is believed, one half too fast is not (V3)', () => {
    timeline(`
      0s   playing@0        |
      10s  heartbeat@11000  |
      20s  heartbeat@22000  | open watched=0-22000
      30s  heartbeat@37000  | open watched=0-22000
    `);
  });

  it('a small step back is ignored, a large one is a jump (V2)', () => {
    timeline(`
      0s   playing@0        |
      10s  heartbeat@10000  |
      11s  heartbeat@9500   | open watched=0-10000
      12s  heartbeat@12000  | open watched=0-12000
      13s  heartbeat@2000   | open watched=0-12000
      15s  heartbeat@4000   | open watched=0-12000,2000-4000 uniqueWatchMs=12000 totalWatchMs=14000
    `);
  });

  it('no position proves nothing, the next one does (E4, E13, E14, E15, E16)', () => {
    timeline(`
      0s   playing@0        |
      5s   heartbeat        | open watched=
      6s   fullscreen flag:1 | open watched=
      7s   volume@7000 levelMilli:500 | open watched=0-7000
      8s   captions@8000 flag:1 code:de | open watched=0-8000
      9s   ad@1 code:start name:a | open watched=0-8000
      10s  heartbeat@10000  | open watched=0-10000
    `);
  });

  it('a change of rate starts a section in the same run (E8)', () => {
    timeline(`
      0s   playing@0                 |
      10s  rate@10000 rateMilli:2000 | open watched=0-10000
      15s  heartbeat@20000           | open watched=0-10000,10000-20000 runs=0,0 rates=1000,2000
      16s  rate rateMilli:1000       |
      20s  pause@26000               | open watched=0-10000,10000-20000,20000-26000 runs=0,0,0 rates=1000,2000,1000
    `);
  });

  it('frames that move without a word are inferred (ST1, ST2, ST4)', () => {
    timeline(`
      0s   attempt@0       |
      5s   heartbeat@3000  | open plays=1 startupMs=-1 watched=0-3000
      6s   pause@4000      |
      10s  heartbeat@4000  |
      15s  heartbeat@7000  | open watched=0-4000,4000-7000
    `);
  });

  it('the end without a position is at the known duration (ST7, E11)', () => {
    timeline(`
      0s    playing@0 context.durationMs=14000 |
      10s   heartbeat@10000                    |
      14.1s ended                              | open watched=0-14000 completions=1
      313s                                     |
      325s                                     | sealed ended watched=0-14000 completions=1
    `);
  });

  it('after the end a replay goes on in the same session (ST7)', () => {
    timeline(`
      0s    playing@0     |
      5s    ended@5000    |
      20s   playing@0     |
      25s   ended@5000    | open watched=0-5000,0-5000 runs=0,1 uniqueWatchMs=5000 totalWatchMs=10000
    `);
  });

  it('sections are cut to the duration, once it is known (V1)', () => {
    timeline(`
      0s   playing@0       |
      10s  heartbeat@10000 | open watched=0-10000
      11s  heartbeat@11000 context.durationMs=9000 | open watched=0-9000 completions=1
      12s  heartbeat@12000 context.live=1 | open watched=0-12000 completions=0
    `);
  });

  it('a door without heartbeats is credited at most five seconds of silence, at the seal (V3)', () => {
    timeline(`
      0s   playing@0 protocol=mave  | open watched=
      4.4h                          | open watched=
      4.6h                          | sealed idle watched=0-5000
      281m playing@0 session=bob protocol=mave |
      282m pause session=bob protocol=mave | open session=bob watched=0-5000
      283m playing@9000 session=bob protocol=mave | open session=bob seeks=0
      284m pause@2000 session=bob protocol=mave | open session=bob watched=0-5000,9000-14000 seeks=1
    `);
  });

  it('at the section limit neighbours are merged, the total stays exact, and it is counted (V13)', () => {
    const loops = Array.from({ length: 12 }, (_, i) => [
      `${i * 10}s playing@${i * 5000} |`,
      `${i * 10 + 4}s pause@${i * 5000 + 4000} |`,
    ]).flat();
    timeline([...loops, '200s heartbeat@59000 | open totalWatchMs=48000 uniqueWatchMs=48000 limitHits=3'].join('\n'), { sectionsMax: 10 });
  });
});
