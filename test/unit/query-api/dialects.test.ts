// What the dialects of counting doors do with parameters and rows.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bucketsOf, lookbackOf, uptimeText } from '../../../query-api/dialects/analytics-engine.ts';

describe('Analytics Engine', () => {
  it('takes whole numbers above 0 for a lookback, and 7 for anything else', () => {
    const taken = { '1': 1, '7': 7, '0012': 12, '+3': 3, '12000': 12_000, '999999': 12_000 };
    for (const [text, days] of Object.entries(taken)) assert.equal(lookbackOf(text), days, text);
    for (const text of ['', '0', '-1', '1.5', '1e2', 'x', '7d', ' 7', '0x10', '9'.repeat(16), 'NaN'])
      assert.equal(lookbackOf(text), 7, text);
  });

  it('begins weeks on Sunday, over ends of months and years, before 1970 too', () => {
    const days = {
      '2026-11-22': '2026-11-22',
      '2026-11-21': '2026-11-15',
      '2026-11-23': '2026-11-22',
      '2026-01-01': '2025-12-28',
      '2024-03-02': '2024-02-25',
      '1970-01-01': '1969-12-28',
      '1969-12-27': '1969-12-21',
    };
    for (const [day, sunday] of Object.entries(days)) {
      const { global } = bucketsOf([{ name: 'a', day, daily: 1, weekly: 2, monthly: 3 }]);
      assert.deepEqual(global, { daily: { [day]: 1 }, weekly: { [sunday]: 2 }, monthly: { [day.slice(0, 7)]: 3 } });
    }
  });

  it('adds days to weeks and months, names to the whole, whatever the names are', () => {
    const answer = bucketsOf([
      { name: '__proto__', day: '2026-11-22', daily: 0, weekly: 1, monthly: 1 },
      { name: '__proto__', day: '2026-11-23', daily: 2, weekly: 2, monthly: 2 },
      { name: 'b', day: '2026-11-23', daily: 4, weekly: 4, monthly: 4 },
    ]);
    assert.deepEqual(answer.global, { daily: { '2026-11-23': 6 }, weekly: { '2026-11-22': 7 }, monthly: { '2026-11': 7 } });
    assert.deepEqual(JSON.parse(JSON.stringify(answer)).usages['b'], {
      daily: { '2026-11-23': 4 },
      weekly: { '2026-11-22': 4 },
      monthly: { '2026-11': 4 },
    });
    assert.match(JSON.stringify(answer.usages), /^\{"__proto__":\{"daily":\{"2026-11-23":2\},/);
  });

  it('words an uptime', () => {
    assert.equal(uptimeText(0), '0d 0h 0m 0s');
    assert.equal(uptimeText(86_400 + 2 * 3_600 + 3 * 60 + 4), '1d 2h 3m 4s');
  });
});
