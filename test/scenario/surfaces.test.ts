// Times of surfaces (SPEC.md ST9, E17): what one sets by itself, what its settings change, and that a control record beats both.
import { describe, it } from 'node:test';
import { SURFACE_TIMES } from '../../schemas/surfaces.ts';
import { timeline } from '../support/scenario.ts';

const DAY_S = 86_400;

describe('times of surfaces (ST9, E17)', () => {
  it('a surface is silent for as long as its own setting says, the others for as long as all', () => {
    timeline(
      `
      0s    protocol=peertube clock=none playing@0#-   |
      5s    session=bob playing@0                      |
      20s                                              | sealed idle
      1799s                                            |
      1806s                                            | sealed idle
    `,
      { surfaces: { ...SURFACE_TIMES, peertube: { idleGapMs: 10_000, endedLingerMs: 10_000 } } },
    );
  });

  it('a surface lingers for as long as its own setting says', () => {
    timeline(
      `
      0s    protocol=mave_socket clock=none playing@0#-,leave#-  |
      1s    session=bob playing@0,leave@1000                     |
      6s                                                         | sealed leave
      16s                                                        | sealed leave
    `,
      { surfaces: { mave_socket: { leaveLingerMs: 5_000 } } },
    );
  });

  it('a client time is believed back to the limit of its surface, older ones are receipt', () => {
    const startedAt = (agoS: number, expected: number, protocol: string): string =>
      `${DAY_S * 3}s session=s${agoS}${protocol} protocol=${protocol} playing@0 at:${(DAY_S * 3 - agoS) * 1000} | ` +
      `open session=s${agoS}${protocol} startedAt=${1_764_000_000_000 + expected * 1000}`;
    const at = DAY_S * 3;
    const lines = [
      startedAt(3_600, at - 3_600, 'microticks'),
      startedAt(3_601, at, 'microticks'),
      startedAt(DAY_S, at - DAY_S, 'native'),
      startedAt(DAY_S + 1, at, 'native'),
      startedAt(3 * DAY_S, 0, 'ga4'),
    ];
    timeline(lines.join('\n'), { surfaces: { ...SURFACE_TIMES, microticks: { backdateMaxMs: 3_600_000 } } });
  });

  it('a control record beats the setting of a surface, for back-dating too', () => {
    timeline(
      `
      7200s set protocol=microticks backdateMaxMs=1000000                  |
      7200s protocol=microticks playing@0 at:0                             | open startedAt=1764007200000
      7200s session=bob protocol=microticks playing@0 at:6200000           | open session=bob startedAt=1764006200000
      7200s session=eve playing@0 at:0                                     | open session=eve startedAt=1764000000000
    `,
      { surfaces: { microticks: { backdateMaxMs: 7_200_000 } } },
    );
  });

  it('events that keep their own time keep it back to the limit, if one is set', () => {
    const limited = { surfaces: { analytics_engine: { backdateMaxMs: 60_000 } } };
    const events = `
      100s protocol=analytics_engine video= custom#- name:a at:40000  | custom a at=1764000040000
      101s protocol=analytics_engine video= custom#- name:b at:40000  | custom b at=${'AT'}
    `;
    timeline(events.replace('AT', '1764000101000'), limited);
    timeline(events.replace('AT', '1764000040000'));
  });
});
