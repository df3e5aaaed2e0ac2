// What PeerTube's beats say of a viewing: whole seconds, no clock, no word at a pause, seeks told with the next beat.
import { describe, it } from 'node:test';
import { timeline } from '../support/scenario.ts';

describe('PeerTube beats (V3)', () => {
  it('are one viewing from the first to the last, pauses included', () => {
    timeline(`
      0s     protocol=peertube clock=none playing@0#-      | open plays=1 totalWatchMs=0
      5s     protocol=peertube clock=none playing@5000#-   | open watched=0-5000
      10s    protocol=peertube clock=none playing@10000#-  | open watched=0-10000
      600s   protocol=peertube clock=none playing@14000#-  | open watched=0-14000
    `);
  });

  it('at twice the speed are watched all the same, though nobody says so', () => {
    timeline(`
      0s     protocol=peertube clock=none playing@0#-      |
      5s     protocol=peertube clock=none playing@10000#-  | open watched=0-10000 seeks=0
      10s    protocol=peertube clock=none playing@20000#-  | open watched=0-20000 seeks=0
    `);
  });

  it('never take back what was watched: a step back by 2 s or more is a seek, a smaller one nothing', () => {
    timeline(`
      0s     protocol=peertube clock=none playing@0#-      |
      10s    protocol=peertube clock=none playing@10000#-  | open watched=0-10000
      15s    protocol=peertube clock=none playing@4000#-   | open watched=0-10000 seeks=1
      20s    protocol=peertube clock=none playing@9000#-   | open watched=0-10000,4000-9000
      25s    protocol=peertube clock=none playing@8000#-   | open watched=0-10000,4000-9000 seeks=1
    `);
  });

  it('that leap ahead without a word are a seek, not watched', () => {
    timeline(`
      0s     protocol=peertube clock=none playing@0#-      |
      5s     protocol=peertube clock=none playing@5000#-   |
      10s    protocol=peertube clock=none playing@300000#- | open watched=0-5000 seeks=1
      15s    protocol=peertube clock=none playing@305000#- | open watched=0-5000,300000-305000
    `);
  });

  it('that leap ahead are watched where the site wants it, and the part says that it is implausible', () => {
    timeline(`
      0s     protocol=peertube clock=none playing@0#- flag:1      |
      1s     protocol=peertube clock=none playing@30000#- flag:1  | open watched=0-30000 limitHits=1
      6s     protocol=peertube clock=none playing@35000#- flag:1  | open watched=0-35000 limitHits=2
    `);
  });

  it('flagged as a seek lose nothing of what comes after them', () => {
    timeline(`
      0s     protocol=peertube clock=none playing@0#-                              |
      5s     protocol=peertube clock=none playing@5000#-                           |
      8s     protocol=peertube clock=none seek#- toMs:60000,playing@60000#-       | open watched=0-5000 seeks=1
      13s    protocol=peertube clock=none playing@65000#-                          | open watched=0-5000,60000-65000
    `);
  });

  it('keep a viewer for an hour, also one that has reached the end; then it is another one', () => {
    timeline(`
      0s     protocol=peertube clock=none playing@0#-      |
      10s    protocol=peertube clock=none ended@10000#-    | open watched=0-10000
      50m    protocol=peertube clock=none playing@0#-      | open part=0
      3005s  protocol=peertube clock=none playing@5000#-   | open watched=0-10000,0-5000
      6600s                                                |
      6606s                                                | sealed idle part=0 watched=0-10000,0-5000
      7000s  protocol=peertube clock=none playing@0#-      | open part=1
      7005s  protocol=peertube clock=none playing@5000#-   | open part=1 watched=0-5000
    `);
  });
});
