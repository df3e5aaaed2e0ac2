import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DIMENSIONS, dimensionName, parseDimension, parseFilter } from '../../../../query-api/core/filter.ts';

describe('filter', () => {
  it('reads every dimension, with any value', () => {
    fc.assert(
      fc.property(fc.constantFrom(...DIMENSIONS, 'meta.plan'), fc.boolean(), fc.string({ maxLength: 100 }), (name, negated, value) => {
        const filter = parseFilter(`${negated ? '!' : ''}${name}:${value}`);
        if (value.includes('\0')) return assert.equal(filter, undefined);
        assert.equal(filter?.negated, negated);
        assert.equal(filter?.value, value);
        assert.equal(filter && dimensionName(filter.dimension), name);
      }),
    );
  });

  it('refuses what is no dimension', () => {
    for (const wrong of [
      'country',
      ':NL',
      'colour:red',
      'meta.:x',
      '!',
      'traffic:x',
      `country:${'x'.repeat(513)}`,
      `meta.${'k'.repeat(65)}:x`,
    ])
      assert.equal(parseFilter(wrong), undefined, wrong);
    for (const wrong of ['traffic', 'meta.', 'constructor', '__proto__']) assert.equal(parseDimension(wrong), undefined, wrong);
  });
});
