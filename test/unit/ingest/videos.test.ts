// What the gateway knows of videos: read when asked for, together, never older than the interval, and kept while the database is away.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVideos, type Videos } from '../../../ingest/videos.ts';

type Asked = { ids: readonly string[]; answer(): void; fail(): void };

function setUp(): { videos: Videos; asked: Asked[]; clock: { nowMs: number }; warnings: string[]; durations: Map<string, number> } {
  const asked: Asked[] = [];
  const clock = { nowMs: 0 };
  const warnings: string[] = [];
  const durations = new Map<string, number>();
  const videos = createVideos({
    query: (_statement, [sites, ids]) =>
      new Promise((resolve, reject) => {
        const rows = ids.flatMap((id, i) =>
          durations.has(id) ? [{ site: sites[i] as string, asked: id, id, duration_ms: durations.get(id) as number, live: null }] : [],
        );
        asked.push({ ids, answer: () => resolve(rows), fail: () => reject(new Error('away')) });
      }),
    scheduler: { monotonicMs: () => clock.nowMs },
    refreshIntervalMs: 4_000,
    logger: { warn: (_fields, message) => void warnings.push(message) },
  });
  return { videos, asked, clock, warnings, durations };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('known videos', () => {
  it('are read by one statement at a time, together', async () => {
    const { videos, asked, durations } = setUp();
    durations.set('a', 1_000);
    const first = videos.find('site', 'a');
    await settled();
    const rest = ['a', 'b', 'c'].map((id) => videos.find('site', id));
    await settled();
    assert.deepEqual(
      asked.map(({ ids }) => ids),
      [['a']],
    );
    asked[0]?.answer();
    assert.deepEqual(await first, { id: 'a', durationMs: 1_000, live: -1 });
    await settled();
    assert.deepEqual(asked[1]?.ids, ['a', 'b', 'c']);
    asked[1]?.answer();
    assert.deepEqual(await Promise.all(rest), [{ id: 'a', durationMs: 1_000, live: -1 }, undefined, undefined]);
  });

  it('are read again when they are older than the interval, unknown ones too', async () => {
    const { videos, asked, clock, durations } = setUp();
    const first = videos.find('site', 'a');
    await settled();
    asked[0]?.answer();
    assert.equal(await first, undefined);
    durations.set('a', 5_000);
    clock.nowMs = 3_999;
    assert.equal(await videos.find('site', 'a'), undefined);
    clock.nowMs = 4_000;
    const second = videos.find('site', 'a');
    await settled();
    asked[1]?.answer();
    assert.deepEqual(await second, { id: 'a', durationMs: 5_000, live: -1 });
  });

  it('stay in force while the database is away, which is asked once a second', async () => {
    const { videos, asked, clock, durations, warnings } = setUp();
    durations.set('a', 5_000);
    const first = videos.find('site', 'a');
    await settled();
    asked[0]?.answer();
    await first;
    clock.nowMs = 10_000;
    const second = videos.find('site', 'a');
    await settled();
    asked[1]?.fail();
    assert.deepEqual(await second, { id: 'a', durationMs: 5_000, live: -1 });
    assert.equal(await videos.find('site', 'b'), 'unavailable');
    assert.equal(asked.length, 2, 'not asked again at once');
    assert.equal(warnings.length, 1);
    clock.nowMs = 11_000;
    const third = videos.find('site', 'b');
    await settled();
    asked[2]?.answer();
    assert.equal(await third, undefined);
  });
});
