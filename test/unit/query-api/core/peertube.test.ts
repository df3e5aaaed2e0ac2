// The arithmetic of PeerTube's answers: intervals of a window.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../../query-api/core/civil.ts';
import { axisOf, dateOf, parseDate } from '../../../../query-api/core/peertube-intervals.ts';

const at = (text: string): number => Date.parse(text);
const YEAR_MS = 365 * DAY_MS;
const MONTH_MS = 31 * DAY_MS;

describe('PeerTube: intervals', () => {
  it('follow the table of spans, each limit belonging to the wider one', () => {
    const cases: [number, string][] = [
      [0, '1 minute'],
      [180 * MINUTE_MS - 1, '1 minute'],
      [180 * MINUTE_MS, '10 minutes'],
      [15 * HOUR_MS, '1 hour'],
      [4 * DAY_MS, '6 hours'],
      [8 * DAY_MS, '12 hours'],
      [15 * DAY_MS, '1 day'],
      [2 * MONTH_MS, '2 days'],
      [6 * MONTH_MS, '7 days'],
      [2 * YEAR_MS, '1 month'],
      [6 * YEAR_MS, '6 months'],
    ];
    const from = at('2020-03-14T15:09:26.535Z');
    for (const [span, name] of cases) assert.equal(axisOf(from, from + span, 'UTC').groupInterval, name, String(span));
  });

  it('begin at the minute, hour, midnight or month', () => {
    const from = at('2025-03-14T15:09:26.535Z');
    const first = (span: number): string => dateOf(axisOf(from, from + span, 'UTC').starts[0] as number);
    assert.equal(first(HOUR_MS), '2025-03-14T15:09:00.000Z');
    assert.equal(first(5 * HOUR_MS), '2025-03-14T15:09:00.000Z');
    assert.equal(first(DAY_MS), '2025-03-14T15:00:00.000Z');
    assert.equal(first(5 * DAY_MS), '2025-03-14T15:00:00.000Z');
    assert.equal(first(20 * DAY_MS), '2025-03-14T00:00:00.000Z');
    assert.equal(first(3 * YEAR_MS), '2025-03-01T00:00:00.000Z');
    assert.equal(first(7 * YEAR_MS), '2025-03-01T00:00:00.000Z');
  });

  it('go by the days and months of the site, also over a change of clocks', () => {
    const { starts, endMs } = axisOf(at('2025-03-20T12:00:00Z'), at('2025-04-05T12:00:00Z'), 'Europe/Amsterdam');
    assert.equal(dateOf(starts[0] as number), '2025-03-19T23:00:00.000Z');
    assert.equal(dateOf(starts.at(-1) as number), '2025-04-04T22:00:00.000Z');
    assert.equal(dateOf(endMs), '2025-04-05T22:00:00.000Z');
    const months = axisOf(at('2020-11-15T00:00:00Z'), at('2023-02-15T00:00:00Z'), 'Asia/Kolkata').starts.map(dateOf);
    assert.equal(months[0], '2020-10-31T18:30:00.000Z');
    assert.equal(months.length, 28);
    const hours = axisOf(at('2025-01-01T10:10:00Z'), at('2025-01-02T10:10:00Z'), 'Asia/Kolkata').starts;
    assert.equal(dateOf(hours[0] as number), '2025-01-01T09:30:00.000Z', 'an hour begins at half past UTC there');
  });

  it('cover the window without gap or overlap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), fc.integer({ min: 0, max: 10 * YEAR_MS }), (from, span) => {
        const { starts, endMs } = axisOf(from, from + span, 'America/New_York');
        const edges = [...starts, endMs];
        assert.ok((edges[0] as number) <= from && (edges.at(-1) as number) > from + span);
        assert.ok(edges.every((edge, i) => i === 0 || edge > (edges[i - 1] as number)));
        assert.ok(starts.length < 200);
      }),
      { numRuns: 60 },
    );
  });

  it('read dates in the zone of the site', () => {
    assert.equal(parseDate('2025-07-01', 'Europe/Amsterdam'), at('2025-06-30T22:00:00Z'));
    assert.equal(parseDate('2025-07-01T10:00:00', 'Europe/Amsterdam'), at('2025-07-01T08:00:00Z'));
    assert.equal(parseDate('2025-07-01T10:00:00.5+05:30', 'Europe/Amsterdam'), at('2025-07-01T04:30:00.500Z'));
    for (const text of ['yesterday', '2025-13-01', '2025-02-30', '', '12']) assert.equal(parseDate(text, 'UTC'), undefined, text);
  });
});
