import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DAY_MS, HOUR_MS } from '../../../../query-api/core/civil.ts';
import { parseDimension, parseFilter } from '../../../../query-api/core/filter.ts';
import { planEngagement, planFigures } from '../../../../query-api/core/plan.ts';
import type { Question } from '../../../../query-api/core/question.ts';

const DAYS = { fromMs: 0, toMs: 30 * DAY_MS };
const question = (change: Partial<Question> & { filter?: string[]; by?: string } = {}): Question => {
  const { filter = [], by, ...rest } = change;
  const range = rest.range ?? DAYS;
  return {
    site: 'a',
    range,
    timezone: 'UTC',
    granularity: undefined,
    buckets: [range],
    videos: [],
    filters: filter.map((text) => parseFilter(text) as NonNullable<ReturnType<typeof parseFilter>>),
    groupBy: by === undefined ? undefined : parseDimension(by),
    minWatchMs: 0,
    state: 'all',
    ...rest,
  };
};
const pathOf = (asked: Question): string => {
  const plan = planFigures(asked);
  return plan.path === 'rows' ? 'rows' : `${plan.table} ${plan.scope} ${plan.dimension}`.trim();
};

describe('plan', () => {
  it('takes the rollup that answers exactly', () => {
    assert.equal(pathOf(question()), 'rollup_daily site');
    assert.equal(pathOf(question({ videos: ['x'] })), 'rollup_daily video');
    assert.equal(pathOf(question({ by: 'video' })), 'rollup_daily video');
    assert.equal(pathOf(question({ by: 'country' })), 'rollup_daily site country');
    assert.equal(pathOf(question({ filter: ['country:NL', '!country:DE'] })), 'rollup_daily site country');
    assert.equal(pathOf(question({ filter: ['country:NL', 'video:x'] })), 'rollup_daily video country');
    assert.equal(pathOf(question({ groupBy: { kind: 'traffic' } })), 'rollup_daily site traffic');
    assert.equal(pathOf(question({ range: { fromMs: HOUR_MS, toMs: DAY_MS } })), 'rollup_hourly site');
    assert.equal(pathOf(question({ minWatchMs: 10_000 })), 'rollup_daily site');
  });

  it('takes the rows where no rollup is exact', () => {
    assert.equal(pathOf(question({ state: 'provisional' })), 'rows');
    assert.equal(pathOf(question({ minWatchMs: 1_234 })), 'rows');
    assert.equal(pathOf(question({ range: { fromMs: 1, toMs: DAY_MS } })), 'rows');
    assert.equal(pathOf(question({ buckets: [{ fromMs: 0, toMs: 90_000 }] })), 'rows');
    assert.equal(pathOf(question({ filter: ['country:NL', 'device:tv'] })), 'rows');
    assert.equal(pathOf(question({ filter: ['country:NL'], by: 'device' })), 'rows');
    assert.equal(pathOf(question({ filter: ['meta.plan:free'] })), 'rows');
    assert.equal(pathOf(question({ filter: ['video:'] })), 'rows');
    assert.equal(pathOf(question({ by: 'country', range: { fromMs: HOUR_MS, toMs: DAY_MS } })), 'rows');
  });

  it('plans engagement likewise', () => {
    assert.equal(planEngagement(question(), 100, 100), 'rollup');
    assert.equal(planEngagement(question(), 50, 100), 'rows');
    assert.equal(planEngagement(question({ minWatchMs: 1 }), 100, 100), 'rows');
    assert.equal(planEngagement(question({ filter: ['country:NL'] }), 100, 100), 'rows');
    assert.equal(planEngagement(question({ range: { fromMs: HOUR_MS, toMs: DAY_MS } }), 100, 100), 'rows');
  });
});
