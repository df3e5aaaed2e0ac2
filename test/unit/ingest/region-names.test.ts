// Names of regions on their way into the table: each once, again if it could not be written, never without bound.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { REGION_NAMES_MAX, startRegionNames } from '../../../ingest/region-names.ts';

it('names of regions are written once each, kept while the database is away, and bounded', async () => {
  const written: unknown[] = [];
  let away = true;
  let limited = 0;
  let tick = (): void => assert.fail('no interval');
  const names = startRegionNames({
    query: async (_statement, params) => {
      if (away) throw new Error('away');
      written.push(params);
      return [];
    },
    scheduler: {
      every(_ms, run) {
        tick = run;
        return () => {};
      },
    },
    intervalMs: 1,
    logger: { warn: () => {} },
    onLimit: () => limited++,
  });
  const turn = async (): Promise<void> => {
    tick();
    await new Promise((resolve) => setImmediate(resolve));
  };
  names.note('NL-NH', 'North Holland');
  names.note('FR-BRE', 'Brittany');
  await turn();
  names.note('FR-BRE', 'Bretagne');
  names.note('NL-NH', 'North Holland');
  away = false;
  await turn();
  assert.deepEqual(written, [
    [
      ['FR-BRE', 'NL-NH'],
      ['Bretagne', 'North Holland'],
    ],
  ]);
  await turn();
  assert.equal(written.length, 1, 'nothing new');
  for (let i = 0; i < REGION_NAMES_MAX; i++) names.note(`XX-${i}`, 'x');
  assert.equal(limited, 2);
  names.note('FR-BRE', 'Brittany');
  await turn();
  const [regions] = written[1] as [string[]];
  assert.equal(regions.length, REGION_NAMES_MAX - 2 + 1, 'one that is known may change all the same');
});
