// The query API over HTTP on a real database: every resource, parameters and their problems, paging, formats, caching.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Beacon, UNKNOWN_CONTEXT, UNKNOWN_DETAIL } from '../../schemas/beacon.ts';
import { createCodec } from '../../schemas/codec.ts';
import { recordKey } from '../../schemas/topics.ts';
import {
  EMPTY_CONTEXT,
  partOf,
  SEED_DAYS,
  SEED_SITE,
  SEED_START_MS,
  SEED_VIDEOS,
  type SeedPart,
  seedParts,
  unionMs,
  VIDEO_DURATION_MS,
  writeParts,
} from '../support/query-seed.ts';
import { type QueryServer, startQueryServer } from '../support/query-server.ts';

const DAY_MS = 86_400_000;
const RANGE = 'from=2025-11-24&to=2025-11-28';
const THROUGH_MS = SEED_START_MS + 10 * DAY_MS;

/** Sum over the parts of a session that count once. */
const sum = (parts: readonly SeedPart[], pick: (part: SeedPart['part']) => number): number =>
  parts.reduce((total, { part }) => total + pick(part), 0);

describe('query API', { timeout: 120_000 }, () => {
  let server: QueryServer;
  const parts = (
    fc.sample(seedParts({ sessionsMax: 300, supplements: true, open: true }), { seed: 7, numRuns: 20 }) as SeedPart[][]
  ).reduce((most, each) => (each.length > most.length ? each : most));

  before(async () => {
    server = await startQueryServer();
    await writeParts(server.connection, parts, {
      custom: Array.from({ length: 25 }, (_, i) => ({
        site: SEED_SITE,
        session: `s${i % 7}`,
        video: i % 2 === 0 ? 'intro' : '',
        at: SEED_START_MS + i * 3_600_000,
        name: i % 3 === 0 ? 'cta' : 'share',
        positionMs: i % 2 === 0 ? i * 100 : -1,
        data: JSON.stringify({ label: `l${i % 4}` }),
        seq: i,
      })),
    });
    for (const video of SEED_VIDEOS)
      await server.sql(
        'INSERT INTO videos (site, id, title, duration_ms, first_seen_at, last_seen_at) VALUES ($1, $2, $2, $3, now(), now())',
        [SEED_SITE, video, VIDEO_DURATION_MS],
      );
    for (let partition = 0; partition < 4; partition++)
      await server.sql(
        `INSERT INTO partition_progress (partition, epoch, claim_token, next_offset, emission_seq, fold_version, config_hash, stream_time, ledger)
VALUES ($1, 1, gen_random_uuid(), 10, 10, 1, '\\x00', $2, $3)`,
        [
          partition,
          new Date(THROUGH_MS + partition * 1_000).toISOString(),
          JSON.stringify({
            records: 12,
            ticks: 2,
            controls: 0,
            beacons: 10,
            eventsInLog: 50,
            folded: 40,
            late: 4,
            dead: 3,
            duplicates: 2,
            waiting: 1,
          }),
        ],
      );
  });
  after(() => server?.stop());

  it('answers plays in total, as the parts say', async () => {
    const { status, body } = await server.ask(`/v1/plays?${RANGE}`);
    assert.equal(status, 200);
    assert.deepEqual(body.range, { from: '2025-11-24T00:00:00Z', to: '2025-11-28T00:00:00Z', timezone: 'UTC', granularity: null });
    assert.equal(
      body.data.plays,
      sum(parts, (part) => part.plays),
    );
    assert.equal(
      body.data.attempts,
      sum(parts, (part) => part.attempts),
    );
    assert.equal(
      body.data.totalWatchMs,
      sum(parts, (part) => part.totalWatchMs),
    );
    const bySession = new Map<string, SeedPart[]>();
    for (const each of parts) bySession.set(each.part.session, [...(bySession.get(each.part.session) ?? []), each]);
    assert.equal(
      body.data.uniqueWatchMs,
      [...bySession.values()].reduce((total, list) => total + unionMs(list.flatMap(({ part }) => part.sections)), 0),
    );
    assert.equal(body.provisionalSessions, parts.filter(({ open }) => open).length);
    assert.equal(body.dataThrough, new Date(THROUGH_MS).toISOString().replace('.000', ''));
    assert.equal('gaps' in body, false);
    assert.equal('viewers' in body.data, false);
  });

  it('fills empty buckets and keeps the total', async () => {
    const { body } = await server.ask('/v1/plays?from=2025-11-20&to=2025-12-01&granularity=day&timezone=Europe/Amsterdam');
    assert.equal(body.data.length, 11);
    assert.equal(body.data[0].from, '2025-11-19T23:00:00Z');
    assert.equal(body.data[0].plays, 0);
    assert.equal(body.data[0].averageWatchMs, null);
    assert.equal(
      body.data.reduce((total: number, bucket: { plays: number }) => total + bucket.plays, 0),
      sum(parts, (part) => part.plays),
    );
  });

  it('breaks down by a dimension, most plays first, page by page', async () => {
    const whole = await server.ask(`/v1/plays?${RANGE}&groupBy=page`);
    const values: string[] = [];
    let cursor: string | undefined;
    do {
      const page: { body: { data: { value: string }[]; next?: string }; headers: Headers } = await server.ask(
        `/v1/plays?${RANGE}&groupBy=page&limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`,
      );
      values.push(...page.body.data.map(({ value }) => value));
      cursor = page.body.next;
      assert.equal(page.headers.has('link'), cursor !== undefined);
    } while (cursor !== undefined);
    assert.deepEqual(
      values,
      whole.body.data.map(({ value }: { value: string }) => value),
    );
    assert.ok(values.length >= 3);
  });

  it('gives series for granularity and groupBy together', async () => {
    const { body } = await server.ask(`/v1/plays?${RANGE}&groupBy=country&granularity=day`);
    assert.equal(body.data.length, SEED_DAYS * 3);
    assert.deepEqual(Object.keys(body.data[0]).slice(0, 3), ['from', 'to', 'value']);
  });

  it('narrows by filters and thresholds', async () => {
    const nl = await server.ask(`/v1/plays?${RANGE}&filter=country:NL&filter=!browser:Firefox&state=sealed`);
    const chosen = parts.filter(
      ({ part, open }) => !open && part.part === 0 && part.context.country === 'NL' && part.context.browser !== 'Firefox',
    );
    assert.equal(
      nl.body.data.plays,
      sum(chosen, (part) => part.plays),
    );
    const meta = await server.ask(`/v1/plays?${RANGE}&filter=meta.course:12&minWatchMs=0`);
    assert.ok(meta.body.data.attempts > 0);
  });

  it('counts states apart: all = sealed + provisional where there are no supplements', async () => {
    const total = async (state: string): Promise<number> => (await server.ask(`/v1/plays?${RANGE}&state=${state}`)).body.data.attempts;
    assert.equal(await total('all'), (await total('sealed')) + (await total('provisional')));
  });

  it('answers engagement by ranges and by resolution', async () => {
    const byRanges = await server.ask(`/v1/engagement?video=intro&ranges=4&${RANGE}`);
    assert.equal(byRanges.status, 200);
    assert.deepEqual(
      byRanges.body.data.map(({ fromMs, toMs }: { fromMs: number; toMs: number }) => [fromMs, toMs]),
      [
        [0, 15_000],
        [15_000, 30_000],
        [30_000, 45_000],
        [45_000, 60_000],
      ],
    );
    assert.equal(byRanges.body.durationMs, VIDEO_DURATION_MS);
    const watched = new Set(
      parts
        .filter(({ part }) => part.video === 'intro' && part.sections.some((s) => s.fromMs < 15_000 && s.toMs > 0))
        .map(({ part }) => part.session),
    );
    assert.equal(byRanges.body.data[0].plays, watched.size);
    const bySize = await server.ask(`/v1/engagement?video=intro&${RANGE}`);
    assert.equal(bySize.body.data.length, 60);
    for (const point of bySize.body.data) {
      assert.equal(point.rewatches, point.watches - point.plays);
      assert.ok(point.share >= 0 && point.share <= 1);
    }
    const unknown = await server.ask('/v1/engagement?video=nothing');
    assert.equal(unknown.status, 200);
    assert.deepEqual(unknown.body.data, []);
  });

  it('answers sources', async () => {
    const { body } = await server.ask(`/v1/sources?${RANGE}`);
    assert.ok(body.data.length > 3);
    assert.deepEqual(Object.keys(body.data[0]).slice(0, 3), ['source', 'medium', 'campaign']);
    assert.equal(
      body.data.reduce((total: number, row: { attempts: number }) => total + row.attempts, 0),
      sum(parts, (part) => part.attempts),
    );
  });

  it('lists sessions newest first, stable under inserts, each once', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const { body } = await server.ask(`/v1/sessions?${RANGE}&limit=17${cursor === undefined ? '' : `&cursor=${cursor}`}`);
      seen.push(...body.data.map((row: { session: string }) => row.session));
      if (pages === 1) {
        const id = { session: 'inserted', video: 'intro', part: 0, startedAt: SEED_START_MS + SEED_DAYS * DAY_MS - 1 };
        const figures = { played: false, startupMs: -1, stalls: 0, switchesUp: 0, kbps: 0, error: undefined };
        await writeParts(server.connection, [{ part: partOf(id, { context: EMPTY_CONTEXT, sections: [], figures }), open: true }], {
          after: 9_000,
        });
      }
      cursor = body.next;
      pages += 1;
    } while (cursor !== undefined);
    await server.sql("DELETE FROM open_sessions WHERE session = 'inserted'");
    const expected = parts
      .filter(({ part }) => part.part === 0)
      .sort((a, b) => b.part.startedAt - a.part.startedAt || (a.part.session < b.part.session ? -1 : 1))
      .map(({ part }) => part.session);
    assert.deepEqual(seen, expected);
  });

  it('gives one session in full, with sections and evidence', async () => {
    const supplemented = parts.find(({ part }) => part.part === 1 && part.sections.length > 0)?.part.session as string;
    const { body } = await server.ask(`/v1/sessions/${supplemented}`);
    assert.equal(body.data.length, 1);
    const mine = parts.filter(({ part }) => part.session === supplemented);
    const [entry] = body.data;
    assert.equal(entry.evidence.parts, 2);
    assert.equal(entry.evidence.received, 10);
    assert.equal(
      entry.sections.length,
      sum(mine, (part) => part.sections.length),
    );
    assert.equal(entry.uniqueWatchMs, unionMs(mine.flatMap(({ part }) => part.sections)));
    const listed = (await server.ask(`/v1/sessions?${RANGE}&limit=1000`)).body.data.find(
      (row: { session: string }) => row.session === supplemented,
    );
    for (const [name, value] of Object.entries(listed)) assert.deepEqual(entry[name], value, name);
    assert.equal((await server.ask('/v1/sessions/nobody')).status, 404);
  });

  it('gives the events of a session from its raw beacons, copies counted', async () => {
    const codec = createCodec({ beacon: 41, tick: 42, control: 43, session: 44, snapshot: 45 });
    const key = Buffer.from(recordKey(SEED_SITE, 'timeline'));
    const at = SEED_START_MS;
    const event = (seq: number, type: Beacon['events'][number]['type'], detail: Beacon['events'][number]['detail'] = null) => ({
      type,
      seq,
      at: seq * 1_000,
      positionMs: seq * 900,
      detail,
    });
    const beacon = (events: Beacon['events']): Beacon => ({
      site: SEED_SITE,
      session: 'timeline',
      video: 'intro',
      protocol: 'native',
      receivedAt: at + 5_000,
      sentAt: at + 5_100,
      baseAt: at + 100,
      context: { ...UNKNOWN_CONTEXT },
      events,
      rejects: [],
      ignoredFields: 0,
    });
    const batches = [
      [event(0, 'attempt'), event(1, 'playing'), event(3, 'custom', { ...UNKNOWN_DETAIL, name: 'cta', text: '{"a":1}' })],
      [event(1, 'playing'), event(2, 'heartbeat')],
    ];
    for (const [i, events] of batches.entries())
      await server.sql(
        'INSERT INTO beacons (site, session, video, append_at, partition, log_offset, payload) VALUES ($1, $2, $3, $4, 0, $5, $6)',
        [
          SEED_SITE,
          'timeline',
          'intro',
          new Date(at + 5_000 + i * 1_000).toISOString(),
          100 + i,
          Buffer.from(codec.encodeBeacon(beacon(events), key)),
        ],
      );
    const { status, body } = await server.ask('/v1/sessions/timeline/events');
    assert.equal(status, 200);
    assert.deepEqual(
      body.data.map((each: { seq: number; type: string; duplicates: number; late: boolean }) => [
        each.seq,
        each.type,
        each.duplicates,
        each.late,
      ]),
      [
        [0, 'attempt', 0, false],
        [1, 'playing', 1, false],
        [2, 'heartbeat', 0, false],
        [3, 'custom', 0, false],
      ],
    );
    assert.equal(body.data[0].at, new Date(at).toISOString().replace('.000', ''));
    assert.deepEqual([body.data[3].name, body.data[3].data], ['cta', { a: 1 }]);
    assert.equal((await server.ask('/v1/sessions/timeline/events', { key: 'other' })).status, 404);
  });

  it('answers quality with errors, by value and in total', async () => {
    const { body } = await server.ask(`/v1/quality?${RANGE}`);
    assert.equal(
      body.data.errors.reduce((total: number, each: { count: number }) => total + each.count, 0),
      sum(parts, (part) => part.errors.length),
    );
    assert.ok(body.data.bitrateBps > 800_000 && body.data.bitrateBps < 2_400_000);
    assert.deepEqual(body.reported, {});
    const grouped = await server.ask(`/v1/quality?${RANGE}&groupBy=browser&filter=country:NL`);
    assert.equal(
      grouped.body.data
        .flatMap((row: { errors: { count: number }[] }) => row.errors)
        .reduce((total: number, each: { count: number }) => total + each.count, 0),
      sum(
        parts.filter(
          ({ part }) => parts.find((each) => each.part.session === part.session && each.part.part === 0)?.part.context.country === 'NL',
        ),
        (part) => part.errors.length,
      ),
    );
  });

  it('answers visits', async () => {
    const { status, body } = await server.ask(`/v1/visits?${RANGE}`);
    assert.equal(status, 200);
    assert.deepEqual(body.data, { visits: 0, pageviews: 0, events: 0, averageDurationMs: null, bounceRate: null });
    assert.equal((await server.ask(`/v1/visits?${RANGE}&granularity=day`)).body.data.length, SEED_DAYS);
  });

  it('lists custom events and counts them', async () => {
    const list = await server.ask(`/v1/events?${RANGE}&limit=10`);
    assert.equal(list.body.data.length, 10);
    const rest = await server.ask(`/v1/events?${RANGE}&limit=1000&cursor=${list.body.next}`);
    assert.equal(rest.status, 200, 'the page size may change between pages');
    assert.equal(rest.body.data.length, 15);
    assert.deepEqual(list.body.data[0].data, { label: 'l0' });
    const counted = await server.ask(`/v1/events?${RANGE}&name=cta&groupBy=data.label`);
    assert.equal(
      counted.body.data.reduce((total: number, row: { count: number }) => total + row.count, 0),
      9,
    );
    const daily = await server.ask(`/v1/events?${RANGE}&granularity=day`);
    assert.deepEqual(
      daily.body.data.map((row: { count: number }) => row.count),
      [24, 1, 0, 0],
    );
  });

  it('answers live, the last hour filled', async () => {
    await server.sql(
      "INSERT INTO live_viewers VALUES (0, $1, 'intro', 3), (1, $1, 'intro', 2), (1, $1, 'tour', 1), (1, 'site_b', 'tour', 9)",
      [SEED_SITE],
    );
    await server.sql("INSERT INTO live_minutes VALUES ($1, date_trunc('minute', now()), 0, 4), ($1, date_trunc('minute', now()), 1, 3)", [
      SEED_SITE,
    ]);
    const { body } = await server.ask('/v1/live');
    assert.equal(body.data.viewers, 6);
    assert.deepEqual(body.data.videos, [
      { video: 'intro', viewers: 5 },
      { video: 'tour', viewers: 1 },
    ]);
    assert.equal(body.data.minutes.length, 60);
    assert.equal(body.data.peak.viewers, 7);
  });

  it('answers the ledger, and its difference is 0', async () => {
    const { body } = await server.ask('/v1/ledger');
    assert.equal(body.data.total.eventsInLog, 200);
    assert.equal(body.data.total.difference, 0);
    assert.equal(body.data.partitions.length, 4);
  });

  it('defines every figure of the answers', async () => {
    const names = new Set((await server.ask('/v1/definitions')).body.data.map(({ name }: { name: string }) => name));
    const plays = (await server.ask(`/v1/quality?${RANGE}`)).body;
    for (const name of [...Object.keys(plays.data), 'reported', 'dataThrough', 'provisionalSessions'])
      assert.ok(names.has(name), `${name} has no definition`);
  });

  it('knows videos, and PUT pins what the site sets', async () => {
    const list = await server.ask('/v1/videos?limit=2');
    assert.deepEqual(
      list.body.data.map(({ id }: { id: string }) => id),
      ['deep dive', 'intro'],
    );
    assert.equal((await server.ask(`/v1/videos?limit=2&cursor=${list.body.next}`)).body.data.length, 1);
    const put = await server.ask('/v1/videos/intro', { method: 'PUT', body: { title: 'Welcome', meta: { course: 12 } } });
    assert.equal(put.status, 200);
    assert.deepEqual(put.body.data.pinned, ['meta', 'title']);
    assert.equal(put.body.data.durationMs, VIDEO_DURATION_MS);
    assert.equal((await server.ask('/v1/videos/intro')).body.data.title, 'Welcome');
    assert.equal((await server.ask('/v1/videos/nothing')).status, 404);
    assert.equal((await server.ask('/v1/videos/new%2Fone', { method: 'PUT', body: { durationMs: 9_000 } })).body.data.id, 'new/one');
    const wrong = await server.ask('/v1/videos/intro', { method: 'PUT', body: { durationMs: -1 } });
    assert.equal(wrong.status, 400);
    assert.equal(wrong.body.errors[0].pointer, '/durationMs');
  });

  it('is honest where a partition has not been read', async () => {
    await server.sql('UPDATE partition_progress SET stream_time = NULL WHERE partition = 3');
    assert.equal((await server.ask('/v1/plays')).body.dataThrough, null);
    await server.sql('UPDATE partition_progress SET stream_time = $1 WHERE partition = 3', [new Date(THROUGH_MS).toISOString()]);
  });

  it('tells of gaps where log was lost', async () => {
    await server.sql(
      "INSERT INTO data_gaps (partition, from_offset, to_offset, from_at, to_at, reason, operator) VALUES (2, 5, 9, '2025-11-25', '2025-11-26', 'disk', 'op')",
    );
    assert.deepEqual((await server.ask(`/v1/plays?${RANGE}`)).body.gaps, [
      { partition: 2, fromOffset: 5, toOffset: 9, from: '2025-11-25T00:00:00Z', to: '2025-11-26T00:00:00Z', reason: 'disk' },
    ]);
    assert.equal('gaps' in (await server.ask('/v1/plays?from=2025-11-27&to=2025-11-28')).body, false);
    await server.sql('DELETE FROM data_gaps');
  });

  it('gives CSV with guarded formulas, and NDJSON', async () => {
    await server.sql('INSERT INTO live_viewers VALUES (2, $1, \'=HYPERLINK("http://x")\', 1)', [SEED_SITE]);
    const csv = await server.ask('/v1/live', { headers: { accept: 'text/csv' } });
    assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/);
    assert.match(csv.text, /^video,viewers\r\n/);
    assert.ok(csv.text.includes('"\'=HYPERLINK(""http://x"")",1'));
    await server.sql('DELETE FROM live_viewers WHERE partition = 2');
    const lines = await server.ask(`/v1/plays?${RANGE}&granularity=day`, { headers: { accept: 'application/x-ndjson' } });
    assert.equal(lines.text.trim().split('\n').length, SEED_DAYS);
    const flat = await server.ask(`/v1/plays?${RANGE}`, { headers: { accept: 'text/csv' } });
    assert.ok(flat.text.split('\r\n')[0]?.includes('startupMs.median,startupMs.p95'));
    assert.equal((await server.ask('/v1/plays', { headers: { accept: 'image/png' } })).status, 406);
  });

  it('exports the whole range with the scope export, a page without', async () => {
    const all = parts.filter(({ part }) => part.part === 0).length;
    const path = `/v1/sessions?${RANGE}&limit=1000`;
    const exported = await server.ask(`/v1/sessions?${RANGE}`, { key: 'export', headers: { accept: 'application/x-ndjson' } });
    assert.equal(exported.text.trim().split('\n').length, all);
    const page = await server.ask(`/v1/sessions?${RANGE}&limit=5`, { key: 'query', headers: { accept: 'application/x-ndjson' } });
    assert.equal(page.text.trim().split('\n').length, 5);
    assert.equal((await server.ask(path.replace('1000', '1001'), { key: 'query' })).status, 400);
  });

  it('revalidates closed ranges by entity tag', async () => {
    const first = await server.ask('/v1/plays?from=2025-11-01&to=2025-11-02');
    assert.equal(first.headers.get('cache-control'), 'private, max-age=60');
    const tag = first.headers.get('etag') as string;
    await server.sql("UPDATE partition_progress SET stream_time = stream_time + interval '1 second'");
    const again = await server.ask('/v1/plays?from=2025-11-01&to=2025-11-02', { headers: { 'if-none-match': tag } });
    assert.equal(again.status, 304);
    const open = await server.ask('/v1/plays');
    assert.equal(open.headers.get('cache-control'), 'private, no-cache');
  });

  it('names what is wrong with parameters', async () => {
    const cases: [string, string][] = [
      ['/v1/plays?nonsense=1', '/nonsense'],
      ['/v1/plays?from=yesterday', '/from'],
      ['/v1/plays?from=2025-02-30', '/from'],
      ['/v1/plays?from=2025-11-02&to=2025-11-01', '/to'],
      ['/v1/plays?timezone=Mars/Olympus', '/timezone'],
      ['/v1/plays?granularity=second', '/granularity'],
      ['/v1/plays?granularity=minute&from=2025-01-01&to=2025-02-01', '/granularity'],
      ['/v1/plays?filter=colour:red', '/filter/0'],
      ['/v1/plays?groupBy=colour', '/groupBy'],
      ['/v1/plays?minWatchMs=-1', '/minWatchMs'],
      ['/v1/plays?minWatchMs=x', '/minWatchMs'],
      ['/v1/plays?state=open', '/state'],
      ['/v1/plays?limit=0', '/limit'],
      ['/v1/plays?groupBy=country&limit=1001', '/limit'],
      ['/v1/plays?groupBy=country&cursor=abc', '/cursor'],
      ['/v1/plays?timezone=UTC&timezone=UTC', '/timezone'],
      ['/v1/engagement', '/video'],
      ['/v1/engagement?video=intro&ranges=1001', '/ranges'],
      ['/v1/engagement?video=intro&ranges=10&resolutionMs=10', '/resolutionMs'],
      ['/v1/engagement?video=intro&resolutionMs=1&from=2025-11-24&to=2025-11-28', '/resolutionMs'],
      ['/v1/events?groupBy=session', '/groupBy'],
      ['/v1/sessions/not%20an%20id', '/session'],
    ];
    for (const [path, pointer] of cases) {
      const { status, body, headers } = await server.ask(path);
      assert.equal(status, 400, path);
      assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
      assert.equal(body.errors[0].pointer, pointer, path);
      assert.deepEqual(Object.keys(body).sort(), ['detail', 'errors', 'status', 'title', 'traceId', 'type'], path);
    }
  });

  it('answers anything that can be typed with an answer or a problem, never with a fault (API4, Q3)', async () => {
    const names = [
      'from',
      'to',
      'timezone',
      'granularity',
      'video',
      'filter',
      'groupBy',
      'minWatchMs',
      'state',
      'limit',
      'cursor',
      'ranges',
      'resolutionMs',
      'name',
    ];
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom(
        "'; DROP TABLE keys; --",
        '0000-01-01',
        '9999-12-31',
        '2025-11-24',
        '1970-01-01',
        'UTC',
        'day',
        '1e9',
        '9007199254740993',
        '-0',
        '\0',
        'video:',
        '!video:x',
        "meta.a'b:c",
        'data.x',
        '%',
        '_',
      ),
      fc.constantFrom('country', 'video', 'page', 'meta.plan', 'all', 'week', 'Pacific/Apia', 'meta.plan:free'),
    );
    const paths = fc.constantFrom(
      'plays',
      'engagement',
      'sources',
      'sessions',
      'quality',
      'visits',
      'events',
      'videos',
      'sessions/s1',
      'sessions/s1/events',
    );
    await fc.assert(
      fc.asyncProperty(paths, fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 4 }), async (path, given) => {
        const query = given.map(([name, text]) => `${name}=${encodeURIComponent(text)}`).join('&');
        const { status, text } = await server.ask(`/v1/${path}?${query}`);
        assert.ok(status === 200 || status === 400 || status === 404, `${status} ${text}`);
      }),
      { numRuns: 400 },
    );
  });

  it('refuses a cursor of another question', async () => {
    const { body } = await server.ask(`/v1/sessions?${RANGE}&limit=1`);
    assert.equal((await server.ask(`/v1/sessions?${RANGE}&limit=1&filter=country:NL&cursor=${body.next}`)).status, 400);
  });

  it('continues a trace', async () => {
    const trace = 'a'.repeat(32);
    const { headers, body } = await server.ask('/v1/plays?nonsense=1', { headers: { traceparent: `00-${trace}-${'b'.repeat(16)}-01` } });
    assert.equal(body.traceId, trace);
    assert.match(headers.get('traceparent') ?? '', new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
  });

  it('compresses, limits methods, and knows what it does not know', async () => {
    const { headers } = await server.ask('/v1/definitions', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(headers.get('content-encoding'), 'gzip');
    const post = await server.ask('/v1/plays', { method: 'POST', body: {} });
    assert.equal(post.status, 405);
    assert.equal(post.headers.get('allow'), 'GET');
    assert.equal((await server.ask('/v1/nothing')).status, 404);
    assert.equal((await server.ask('/')).status, 200);
  });
});
