// Visits as timelines (SPEC.md: Visits). A hit is written `page`, `event` ... and stands for a stamped custom event.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPartition, type FoldRecord, ledger, step } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import { VISITS_MAX } from '../../processor/core/visits.ts';
import { visitSession } from '../../schemas/visits.ts';
import { EPOCH } from '../support/records.ts';
import { timeline } from '../support/scenario.ts';

let nonce = 0;

/** Puts `<page|event|session [day=..] [source=..] [order=..] [ni]>` in the place of the event it stands for. */
const visits = (text: string) =>
  timeline(
    text.replace(/<(page|event|session)([^>]*)>/g, (_all, kind: string, words: string) => {
      const said = (name: string): string => new RegExp(`${name}=(\\S+)`).exec(words)?.[1] ?? '';
      const at = said('at') === '' ? '' : ` at:${said('at')}`;
      const code = [said('day') || '2026-11-22', kind, said('order'), / ni\b/.test(words) ? 'ni' : '', said('source'), `n${nonce++}`].join(
        '/',
      );
      return `protocol=ga video= custom#-${at} code:${code} name:${kind === 'page' ? 'pageview' : 'event'}`;
    }),
  );

const id = (atMs: number): string => visitSession('alice', EPOCH + atMs);
const MINUTE = 60_000;

describe('visits (VS1 to VS9)', () => {
  it('hits within half an hour of each other are one visit, from its first hit to its last (VS1)', () => {
    visits(`
      0s     <page>  | custom pageview session=${id(0)} ; open endedAt=${EPOCH}
      20m    <event> | custom event session=${id(0)}
      49m    <page>  | custom pageview session=${id(0)} ; open startedAt=${EPOCH} endedAt=${EPOCH + 49 * MINUTE} received=3
      78m            |
      4770s          | sealed idle session=${id(0)} received=3 late=0
    `);
  });

  it('after half an hour of silence the next hit opens another, a page or not (VS2)', () => {
    visits(`
      0s   <page>  | custom pageview
      31m  <event> | sealed idle session=${id(0)} ; custom event session=${id(31 * MINUTE)}
    `);
  });

  it('a new date in the site’s zone splits at the next page; events do not split (VS3)', () => {
    visits(`
      0s   <page day=2026-11-22>  | custom pageview
      5m   <event day=2026-11-23> | custom event session=${id(0)}
      6m   <page day=2026-11-23>  | custom pageview session=${id(6 * MINUTE)}
      7m                          | sealed leave session=${id(0)} received=2 endedAt=${EPOCH + 5 * MINUTE}
    `);
  });

  it('a new campaign splits at a page, the same one and none do not (VS4)', () => {
    visits(`
      0s   <page source=a>   | custom pageview
      1m   <page>            | custom pageview session=${id(0)}
      2m   <page source=a>   | custom pageview session=${id(0)}
      3m   <event source=b>  | custom event session=${id(0)}
      4m   <page source=b>   | custom pageview session=${id(4 * MINUTE)}
    `);
    visits(`
      0s   <page>            | custom pageview
      1m   <page source=a>   | custom pageview session=${id(MINUTE)}
    `);
  });

  it('a page may order a new visit, an event may not (VS5)', () => {
    visits(`
      0s   <page>              | custom pageview
      1m   <event order=start> | custom event session=${id(0)}
      2m   <page order=start>  | custom pageview session=${id(2 * MINUTE)}
      3m                       | sealed leave session=${id(0)}
    `);
  });

  it('an ordered end closes the visit after its linger; what comes then is another (VS5)', () => {
    visits(`
      0s    <page>            | custom pageview
      1m    <event order=end> | custom event session=${id(0)}
      65s   <event>           | custom event session=${id(65_000)}
      75s                     | sealed leave session=${id(0)} received=2
    `);
  });

  it('a hit without interaction counts, keeps the visit open and does not lengthen it (VS6)', () => {
    visits(`
      0s   <page>     | custom pageview
      20m  <event ni> | custom event session=${id(0)} ; open endedAt=${EPOCH} received=2
      45m  <page>     | custom pageview session=${id(0)} ; open endedAt=${EPOCH + 45 * MINUTE}
    `);
  });

  it('disorder never gives a negative length: a queued hit joins the visit it happened in (VS7)', () => {
    visits(`
      10m  <page>            | custom pageview session=${id(10 * MINUTE)}
      11m  <event at=300000> | custom event session=${id(10 * MINUTE)} at=${EPOCH + 300_000} ; open startedAt=${EPOCH + 300_000} endedAt=${EPOCH + 10 * MINUTE}
    `);
    visits(`
      0s   <page source=a>    | custom pageview
      2m   <event>            | custom event
      3m   <page source=b>    | custom pageview session=${id(3 * MINUTE)}
      4m   <event at=60000>   | sealed leave session=${id(0)} part=0 ; custom event session=${id(0)}
      5m   <page source=c at=30000> | sealed leave session=${id(0)} part=1 late=1 startedAt=${EPOCH} ; custom pageview session=${id(0)}
      5.5m <event>            | sealed leave session=${id(0)} part=2 late=1 ; custom event session=${id(3 * MINUTE)}
      36m                     | sealed idle session=${id(3 * MINUTE)} received=2
    `);
  });

  it('an old hit far from every visit was a visit of its own, and does not end the current one (VS7)', () => {
    visits(`
      3h    <page>        | custom pageview
      181m  <page at=0>   | custom pageview session=${id(0)}
      182m  <event>       | custom event session=${id(180 * MINUTE)}
    `);
  });

  it('a client that names its sessions itself is never split (VS8)', () => {
    visits(`
      0s   <session>                             | custom event
      40m  <session day=2026-11-23 source=other> | sealed idle part=0 ; custom event session=${id(0)}
      80m                                        | sealed idle session=${id(0)} part=1 startedAt=${EPOCH}
    `);
  });

  it('what is played during a visit is a session of its own under its id (VS9)', () => {
    const stamp = 'name:2026-11-22/event////p';
    visits(`
      0s    <page>  | custom pageview
      1s    protocol=ga video=film playing@0#- ${stamp}1      |
      6s    protocol=ga video=film heartbeat@5000#- ${stamp}2 | open video=film plays=1 watched=0-5000
      20s   <page source=x> | custom pageview
      30s   protocol=ga video=film playing@0#- ${stamp}3      | sealed leave session=${id(0)}
      34s   protocol=ga video=film ended@4000#- ${stamp}4     |
      7m                    | sealed ended session=${id(20_000)} video=film watched=0-4000
      40m                   | sealed idle session=${id(0)} video=film watched=0-5000 ; sealed idle session=${id(20_000)} received=1
    `);
  });

  it('clients that leave out a position of 0 begin at 0, and go on where they were (VS9)', () => {
    const stamp = 'name:2026-11-22/event////z';
    visits(`
      0s    protocol=ga video=film playing#- ${stamp}1       |
      30s   protocol=ga video=film pause@30000#- ${stamp}2   | open watched=0-30000
      60s   protocol=ga video=film playing#- ${stamp}3       |
      70s   protocol=ga video=film pause@40000#- ${stamp}4   | open watched=0-30000,30000-40000
    `);
  });

  it('what looks like a stamp at another door is none (VS1)', () => {
    timeline(`
      0s  ad@0#- code:start name:2026-11-22/page/start///x1, custom#- code:2026-11-22/page/start///x2 name:a | custom a session=alice
    `);
  });

  it('the same record again changes nothing but the duplicate count (V4)', () => {
    const { records } = visits('0s <page> | custom pageview');
    const state = createPartition(FOLD_SETTINGS_DEFAULT);
    const outputs = [...records, { ...(records.at(-1) as FoldRecord), offset: 9 }].flatMap((record) => step(state, record));
    assert.equal(outputs.length, 1);
    assert.equal(ledger(state).duplicates, 1);
  });

  it('the first word on where a visit came from stays; session values are kept by key, the first of each (VS10)', () => {
    visits(`
      0s  context.source=news context.campaign=spring context.pagePath=/a context.meta={"cd1":"x"} <page source=n> | custom pageview
      1m  context.source=other context.pagePath=/b context.meta={"cd1":"y","cd2":"z"} <event> | custom event ; open context.source=news context.campaign=spring context.pagePath=/a context.meta={"cd1":"x","cd2":"z"}
    `);
  });

  it('what is played during a visit came from where the visit came from, unless it says so itself (VS10)', () => {
    const stamp = 'name:2026-11-22/event////s';
    visits(`
      0s  context.source=news context.medium=email context.pagePath=/a <page source=n> | custom pageview
      1s  protocol=ga video=film playing@0#- ${stamp}1   | open video=film context.source=news context.medium=email
      2s  context.source= context.medium= protocol=ga video=film heartbeat@1000#- ${stamp}2 | open video=film context.source=news
      3s  context.source=embed protocol=ga video=clip playing@0#- ${stamp}3 | open video=clip context.source=embed
    `);
  });

  it('a stream remembers so many visits and no more; nothing is lost with the others (VS11)', () => {
    const lines = Array.from({ length: VISITS_MAX + 4 }, (_, i) => {
      const earlier = i < 10 ? '' : `sealed leave session=${id((i - 10) * 1_000)} ; `;
      return `${i}s <page order=start> | ${earlier}custom pageview session=${id(i * 1_000)}`;
    });
    const { state } = visits(lines.join('\n'));
    assert.equal(state.streams.get('demo/alice')?.visits.length, VISITS_MAX);
    assert.equal(state.limits.videosPerStreamMax, 4);
  });
});
