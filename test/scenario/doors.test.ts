// Doors that leave out what others tell, as timelines (SPEC.md: Sessions and parts, Sections; doors.ts).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countLiveViewers, limitHits } from '../../processor/core/partition.ts';
import { timeline } from '../support/scenario.ts';

describe('doors without heartbeats: mave', () => {
  it('a film played in one go is not idle until it must have ended', () => {
    timeline(`
      0s    playing@0#- protocol=mave context.durationMs=7200000 |
      5s                                                         | open watched=
      100m                                                       | open watched=
      120m  pause@7199500#- protocol=mave                        |
      121m                                                       | open watched=0-7199500 completions=1
      151m                                                       | sealed idle totalWatchMs=7199500 received=2
    `);
  });

  it('an open play is closed by timeout with five seconds, and is live no longer than the video', () => {
    const text = `
      0s    playing@0#- protocol=mave context.durationMs=60000 |
      2m                                                       |`;
    assert.equal(countLiveViewers(timeline(text).state).length, 1);
    assert.equal(countLiveViewers(timeline(`${text}\n4m |`).state).length, 0);
    timeline(`${text}\n30m | open watched=\n32m | sealed idle watched=0-5000`);
  });

  it('a batch sent again, whole or in pieces, changes nothing but the count of copies (V4)', () => {
    const events = Array.from({ length: 250 }, (_, i) => [
      `playing@${i * 4000}#- at:${i * 4000}`,
      `pause@${i * 4000 + 2000}#- at:${i * 4000 + 2000}`,
    ]);
    const batch = events.flat().join(',');
    timeline(`
      1000s  ${batch} protocol=mave  |
      1002s  ${batch} protocol=mave  |
      1005s                          | open totalWatchMs=500000 received=500 duplicates=500
      1007s  ${batch} protocol=mave  | open totalWatchMs=500000 received=500 duplicates=1000
    `);
  });

  it('a pause told with the target of the seek credits the time that passed (protocols.md section 2)', () => {
    timeline(`
      0s     playing@20160#- protocol=mave  |
      3.9s   pause@2000#- protocol=mave     |
      10s                                   | open watched=20160-24060 seeks=1
      10.1s  playing@2160#- protocol=mave   |
      12.1s  pause@4160#- protocol=mave     |
      20s                                   | open watched=20160-24060,2160-4160 seeks=1
    `);
  });
});

describe('events stamped but not numbered: mave (V5)', () => {
  it('wait for older ones: a pause that overtakes its play proves it all the same', () => {
    timeline(`
      10s    pause@10000#- protocol=mave            |
      10.4s  playing@0#- at:0 protocol=mave         |
      14.9s                                         |
      15s                                           | open watched=0-10000 plays=1 seeks=0 received=2
    `);
  });

  it('wait no longer than that: what is older still counts, and adds no watch time', () => {
    timeline(`
      10s    pause@10000#- protocol=mave            |
      15s                                           | open watched= plays=0
      16s    playing@0#- at:0 protocol=mave         |
      25s                                           | open watched= plays=0 received=2
      26s    playing@10000#- protocol=mave          |
      29s    pause@13000#- protocol=mave            |
      35s                                           | open watched=10000-13000 plays=1
    `);
  });

  it('are signs of life while they wait, and count once however often they come', () => {
    timeline(`
      0s     set idleGapMs=10000                    |
      1s     playing@0#- protocol=mave context.durationMs=2000 |
      2s     pause@1000#- protocol=mave             |
      10s                                           | open watched=0-1000
      11.9s  playing@1000#- protocol=mave           |
      12s    playing@1000#- at:11900 protocol=mave  |
      15s                                           | open watched=0-1000 received=2 duplicates=1
      20s                                           | open watched=0-1000 received=3
      25s                                           | sealed idle watched=0-1000,1000-2000
    `);
  });

  it('do not wait where a control record says so, and are folded before everything is closed', () => {
    timeline(`
      0s   set graceMs=0 protocol=mave              |
      1s   playing@0#- protocol=mave                | open plays=1
      2s   pause@1000#- protocol=mave               |
      3s   close_all protocol=mave                  | sealed closed watched=0-1000
    `);
    timeline(`
      2s   pause@2000#- protocol=mave               |
      3s   playing@0#- at:0 protocol=mave           |
      4s   close_all                                | sealed closed watched=0-2000
    `);
  });

  it('are folded early, oldest first, where too many wait (V13)', () => {
    const { state } = timeline(
      `
      1s   pause@1000#- protocol=mave               |
      2s   playing@0#- at:0 protocol=mave           |
      3s   playing@1000#- at:1500 protocol=mave     | open plays=1 watched=
      10s                                           | open watched=0-1000
    `,
      { pendingEventsMax: 2 },
    );
    assert.equal(limitHits(state).pendingEventsMax, 1);
  });
});

describe('connections that break: mave_socket', () => {
  const line = 'protocol=mave_socket clock=none';

  it('a break is a departure after 60 s, credited up to the break and never beyond the video', () => {
    timeline(`
      0s    playing@0#- ${line}  | open plays=1
      20s   leave#- ${line}      | open watched=
      75s                        | open watched=
      85s                        | sealed leave watched=0-20000
    `);
    timeline(`
      0s    playing@50000#- ${line} context.durationMs=60000 |
      20s   leave#- ${line}                                  |
      85s                                                    | sealed leave watched=50000-60000 completions=1
    `);
  });

  it('a sign of life undoes it, and the next position proves the whole play', () => {
    timeline(`
      0s    playing@0#- ${line} context.durationMs=600000 |
      20s   leave#- ${line}      |
      25s   ${line}              | open watched=
      200s  pause@200000#- ${line} | open watched=0-200000 seeks=0 received=3
    `);
  });

  it('so does an event: a pause behind the break shortens what would have been credited', () => {
    timeline(`
      0s    playing@0#- ${line}    |
      20s   leave#- ${line}        |
      30s   pause@15000#- ${line}  | open watched=0-15000
    `);
  });

  it('who was paused comes back paused, and nothing is credited', () => {
    timeline(`
      0s    playing@0#- ${line}  |
      10s   pause@10000#- ${line}|
      20s   leave#- ${line}      |
      30s   ${line}              |
      50s   leave#- ${line}      |
      115s                       | sealed leave watched=0-10000
    `);
  });

  it('a sign of life opens nothing, and does not wake what is sealed', () => {
    timeline(`
      0s   ${line}              |
      1s   playing@0#- ${line}  | open received=1
      2s   leave#- ${line}      |
      70s                       | sealed leave watched=0-1000
      71s  ${line}              |
      80s                       |
    `);
  });

  it('a false pause with no play after it is undone by the next position that time allows', () => {
    timeline(`
      0s    playing@0#- ${line}     |
      10s   pause@10000#- ${line}   | open watched=0-10000
      40s   pause@40000#- ${line}   | open totalWatchMs=40000
    `);
  });

  it('stalls under 250 ms are noise (E6)', () => {
    timeline(`
      0s     playing@0#- ${line}          |
      5s     stall_start@5000#- ${line}   |
      5.1s   stall_end#- ${line}          | open stalls=0 stallMs=0
      8s     stall_start@7900#- ${line}   |
      9s     stall_end#- ${line}          | open stalls=1 stallMs=1000
    `);
  });
});

describe('what closes where', () => {
  it('peertube is idle after an hour; a control record for it says otherwise', () => {
    timeline(`
      0s   playing@0#- protocol=peertube |
      59m                                |
      61m                                | sealed idle
    `);
    timeline(`
      0s   set protocol=peertube idleGapMs=60000 |
      1s   playing@0#- protocol=peertube         |
      2m                                         | sealed idle
    `);
  });
});
