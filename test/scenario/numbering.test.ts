// Numbers, copies and order, as timelines (SPEC.md: Numbers, copies, order).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ledger } from '../../processor/core/partition.ts';
import { timeline } from '../support/scenario.ts';

describe('numbering (V4, V5, A1, A3)', () => {
  it('an event waits for the missing ones and they are folded in order (V5)', () => {
    const { state } = timeline(
      `
      0s  attempt@0#0            |
      1s  heartbeat@700#3        | open received=1
      2s  heartbeat@600#2 at:900 | open received=1
      3s  playing@0#1 at:300     | open received=4 startupMs=300 watched=0-700 seqHighest=3 lost=0
    `,
    );
    assert.equal(ledger(state).waiting, 0);
  });

  it('after grace the missing numbers are lost, and the fold goes on (A1)', () => {
    timeline(`
      0s   playing@0#0         |
      4s   heartbeat@4000#3    |
      18s                      | open received=1 lost=0
      20s                      | open received=2 lost=2 watched=0-4000
      21s  heartbeat@21000#4   | open received=3 lost=2 watched=0-21000
    `);
  });

  it('each gap has its own grace, from the event that waits longest (V5)', () => {
    timeline(`
      0s   playing@0#0         |
      1s   heartbeat@1000#2    |
      18s  heartbeat@18000#4   | open received=2 lost=1
      32s                      | open received=2 lost=1
      36s                      | open received=3 lost=2
    `);
  });

  it('what fills a hole goes to a supplement and is no longer lost; it never adds watch time (V3)', () => {
    const { state } = timeline(`
      0s   playing@0#0                 |
      9s   heartbeat@9000#3            |
      30s                              | open lost=2
      31s  heartbeat@3000#1 at:3000    | open part=0 lost=1 watched=0-9000 ; open part=1 late=1 watched=
      32s  heartbeat@6000#2 at:6000    | open part=0 lost=0 ; open part=1 received=2 watched=
      33s  heartbeat@6000#2 at:6000    | open part=0 duplicates=1
    `);
    assert.deepEqual([ledger(state).folded, ledger(state).late, ledger(state).duplicates], [2, 2, 1]);
  });

  it('copies change nothing but the count, conflicts are counted among them (V4)', () => {
    timeline(`
      0s  playing@0#0             |
      2s  heartbeat@2000#1        |
      3s  heartbeat@2000#1 at:2000 | open duplicates=1 conflicts=0 received=2
      4s  heartbeat@2001#1 at:2000 | open duplicates=2 conflicts=1 received=2
      5s  heartbeat@5000#3        |
      5s  heartbeat@5001#3 at:5000 | open duplicates=3 conflicts=2 received=2
    `);
  });

  it('copies do not keep a session open (V4)', () => {
    timeline(`
      0s   playing@0#0       |
      29m  playing@0#0 at:0  | open duplicates=1
      31m                    | sealed idle duplicates=1
    `);
  });

  it('copies that come before the session opens are counted in it (V4)', () => {
    timeline(`
      0s  playing@0#1           |
      1s  playing@0#1 at:0      |
      2s  attempt@0#0 at:-100   | open duplicates=1 received=2
    `);
  });

  it('a full pending buffer gives up the first gap at once (V13)', () => {
    const { state } = timeline(
      `
      0s  playing@0#0      |
      1s  heartbeat@100#2  |
      1s  heartbeat@200#3  |
      1s  heartbeat@300#4  | open received=4 lost=1 limitHits=1
    `,
      { pendingEventsMax: 2 },
    );
    assert.equal(state.limits.pendingEventsMax, 1);
  });

  it('beyond the holes that are remembered a number cannot be told from a copy: dead letter (V13)', () => {
    const { state } = timeline(
      `
      0s   playing@0#0     |
      1s   heartbeat@1#2   |
      20s  heartbeat@2#4   |
      40s  heartbeat@3#6   |
      60s  heartbeat@4#1   | dead seq_forgotten
      61s  heartbeat@5#3   | open part=1 received=1
    `,
      { holesMax: 2 },
    );
    assert.equal(state.limits.holesMax, 1);
  });

  it('a number too far ahead is not believed (V13, A6)', () => {
    const { state } = timeline(`
      0s  playing@0#0          |
      1s  heartbeat@1#1000002  | dead seq_jump
      2s  heartbeat@2000#1     | open received=2 lost=0
    `);
    assert.equal(state.limits.seqJumpMax, 1);
  });

  it('a reject is a dead letter and leaves no hole (A2)', () => {
    const { state } = timeline(`
      0s  playing@0#0        |
      1s  heartbeat@1000#2   |
      2s  reject#1           | dead bad_event ; open received=2 lost=0 watched=0-1000
      3s  reject#1           | open duplicates=1
      4s  reject             | dead bad_event
    `);
    assert.equal(ledger(state).dead, 2);
  });

  it('an unknown event is a dead letter and leaves no hole (E19)', () => {
    timeline(`
      0s  playing@0#0        |
      1s  unknown#1          | dead unknown_event
      2s  heartbeat@2000#2   | open received=2 lost=0
    `);
  });

  it('unnumbered events are folded on arrival, copies recognised by content (V4)', () => {
    timeline(`
      0s  playing@0#-              |
      5s  pause@5000#-             |
      6s  pause@5000#- at:5000     | open duplicates=1 received=2
      7s  playing@0#- at:0         | open duplicates=2
      8s  heartbeat@9000#- clock=none |
      8s  heartbeat@9000#- clock=none | open duplicates=3
      9s  heartbeat@9000#- clock=none | open duplicates=3 received=4
    `);
  });

  it('an unnumbered straggler says nothing about what came after it (A6)', () => {
    timeline(`
      0s   playing@0#-             |
      10s  leave@10000#-           |
      11s  heartbeat@9000#- at:9000 | open watched=0-10000 received=3
      25s                          | sealed leave watched=0-10000
    `);
  });

  it('a wrong key or no session is a dead letter (A3)', () => {
    timeline(`
      0s  playing@0 , heartbeat@1 key=demo/bob | dead wrong_key events=2
      1s  playing@0#0 , reject session=        | dead no_session ; dead bad_event
    `);
  });
});
