import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import {
  BATCH_BYTES_MAX,
  BATCH_EVENTS_MAX,
  BeaconQueue,
  type BeaconSource,
  bytesOf,
  DELAY_MS,
  QUEUE_EVENTS_MAX,
  RETRY_LIFETIME_MS,
  URGENT_DELAY_MS,
} from '../../../../ingest/sdk/queue.ts';
import { beaconsOf, type FakePlatform, fakePlatform } from '../../../support/sdk-doubles.ts';

const source = (id: string): BeaconSource => ({
  version: 1,
  acceptedVersion: 0,
  head: (full) => ({ key: 'pk_test', session: 's', video: { id }, ...(full ? { page: 'https://example.org/' } : {}) }),
});

const numbers = (body: string): number[] => beaconsOf(body).flatMap((beacon) => beacon.events.map((event) => event.seq));

describe('BeaconQueue', () => {
  let platform: FakePlatform;
  let queue: BeaconQueue;
  let intro: BeaconSource;
  const push = (urgent = false, from = intro): void => queue.push(from, { type: 'heartbeat', at: platform.now(), positionMs: 0 }, urgent);

  beforeEach(() => {
    platform = fakePlatform();
    queue = new BeaconQueue(platform);
    intro = source('intro');
  });

  it('numbers from 0 without holes and sends urgent events at once, others within a second', async () => {
    push();
    await platform.advance(DELAY_MS - 1);
    assert.equal(platform.posts.length, 0);
    push(true);
    await platform.advance(URGENT_DELAY_MS);
    push();
    await platform.advance(DELAY_MS);
    assert.deepEqual(platform.posts.map(numbers), [[0, 1], [2]]);
    assert.equal(queue.length, 0);
  });

  it('gives the context until it was accepted, again after a change, and sentAt always', async () => {
    platform.answer = { status: 503, retryAfterMs: 0 };
    push(true);
    await platform.advance(URGENT_DELAY_MS);
    platform.answer = { status: 202, retryAfterMs: 0 };
    await platform.advance(2_000);
    push(true);
    await platform.advance(DELAY_MS);
    intro.version++;
    push(true);
    await platform.advance(DELAY_MS);
    const beacons = platform.posts.flatMap(beaconsOf);
    assert.deepEqual(
      beacons.map((beacon) => 'page' in beacon),
      [true, true, false, true],
    );
    assert.ok(beacons.every((beacon) => Number.isInteger(beacon.sentAt)));
  });

  it('keeps one request in flight and what was pushed meanwhile for the next', async () => {
    platform.answer = 'pending';
    push(true);
    await platform.advance(URGENT_DELAY_MS);
    push(true);
    push(true);
    await platform.advance(5_000);
    assert.equal(platform.posts.length, 1);
    await platform.reply({ status: 202, retryAfterMs: 0 });
    await platform.advance(URGENT_DELAY_MS);
    assert.deepEqual(platform.posts.map(numbers), [[0], [1, 2]]);
  });

  it('repeats the same numbers with growing waits after lost requests, 429, 503 and 408', async () => {
    push(true);
    const times: number[] = [];
    for (const answer of [
      'lost',
      { status: 503, retryAfterMs: 0 },
      { status: 429, retryAfterMs: 0 },
      { status: 408, retryAfterMs: 0 },
    ] as const) {
      platform.answer = answer;
      const before = platform.posts.length;
      while (platform.posts.length === before) await platform.advance(10);
      times.push(platform.now());
    }
    platform.answer = { status: 202, retryAfterMs: 0 };
    await platform.advance(60_000);
    assert.deepEqual(platform.posts.map(numbers), [[0], [0], [0], [0], [0]]);
    assert.deepEqual([queue.length, queue.dropped], [0, 0]);
    const waits = times.slice(1).map((time, index) => time - (times[index] as number));
    assert.ok((waits[0] as number) < (waits[1] as number) && (waits[1] as number) < (waits[2] as number), `${waits}`);
  });

  it('honours Retry-After, also against urgent events, a flush and the network coming back', async () => {
    platform.answer = { status: 503, retryAfterMs: 30_000 };
    push(true);
    await platform.advance(URGENT_DELAY_MS);
    push(true);
    queue.flush();
    queue.online();
    await platform.advance(29_900);
    assert.equal(platform.posts.length, 1);
    platform.answer = { status: 202, retryAfterMs: 0 };
    await platform.advance(200);
    assert.deepEqual(platform.posts.map(numbers), [[0], [0, 1]]);
  });

  it('ends its own wait when the network is back', async () => {
    platform.answer = 'lost';
    push(true);
    await platform.advance(60_000);
    const before = platform.posts.length;
    platform.answer = { status: 202, retryAfterMs: 0 };
    queue.online();
    await platform.advance(1);
    assert.equal(platform.posts.length, before + 1);
    assert.equal(queue.length, 0);
  });

  it('gives up a batch that was refused, counts it and goes on', async () => {
    platform.answer = { status: 400, retryAfterMs: 0 };
    push(true);
    await platform.advance(URGENT_DELAY_MS);
    assert.deepEqual([queue.length, queue.dropped], [0, 1]);
    platform.answer = { status: 202, retryAfterMs: 0 };
    push(true);
    await platform.advance(DELAY_MS);
    assert.deepEqual(platform.posts.map(numbers), [[0], [1]]);
  });

  it('drops the oldest that is not in flight when full, and counts it', async () => {
    platform.answer = 'pending';
    push(true);
    await platform.advance(URGENT_DELAY_MS);
    for (let i = 1; i <= QUEUE_EVENTS_MAX; i++) push();
    assert.deepEqual([queue.length, queue.dropped], [QUEUE_EVENTS_MAX, 1]);
    platform.answer = { status: 202, retryAfterMs: 0 };
    await platform.reply({ status: 202, retryAfterMs: 0 });
    await platform.advance(10_000);
    const sent = platform.posts.flatMap(numbers);
    assert.equal(sent.includes(1), false);
    assert.deepEqual([sent.length, sent.at(-1)], [QUEUE_EVENTS_MAX, QUEUE_EVENTS_MAX]);
  });

  it('gives up what is too old for copies to be recognised (D17)', async () => {
    platform.answer = 'lost';
    push(true);
    await platform.advance(RETRY_LIFETIME_MS - 600_000);
    push(true);
    platform.answer = { status: 202, retryAfterMs: 0 };
    queue.online();
    await platform.advance(1);
    assert.deepEqual([queue.length, queue.dropped], [0, 0]);
    platform.answer = 'lost';
    push(true);
    await platform.advance(RETRY_LIFETIME_MS + 120_000);
    assert.deepEqual([queue.length, queue.dropped], [0, 1]);
  });

  it('hands everything over at the end, also what is in flight, and ignores the answer that comes after', async () => {
    platform.answer = 'pending';
    push(true);
    await platform.advance(URGENT_DELAY_MS);
    push();
    queue.handOver();
    assert.deepEqual(platform.handedOver.map(numbers), [[0, 1]]);
    push(true);
    await platform.advance(URGENT_DELAY_MS);
    await platform.reply({ status: 202, retryAfterMs: 0 });
    assert.equal(queue.length, 1);
    assert.deepEqual(platform.posts.map(numbers), [[0], [2]]);
  });

  it('keeps what the browser did not take over and sends it if the page lives on', async () => {
    platform.takesBeacons = false;
    push();
    queue.handOver();
    assert.equal(queue.length, 1);
    await platform.advance(DELAY_MS);
    assert.deepEqual(platform.posts.map(numbers), [[0]]);
  });

  it('puts the events of two videos into one request, under one numbering', async () => {
    const next = source('next');
    push();
    push(false, next);
    push(true, next);
    await platform.advance(URGENT_DELAY_MS);
    const beacons = beaconsOf(platform.posts[0] as string);
    assert.deepEqual(
      beacons.map((beacon) => [beacon.video.id, beacon.events.map((event) => event.seq)]),
      [
        ['intro', [0]],
        ['next', [1, 2]],
      ],
    );
  });

  it('property: any sizes and videos arrive in order, each once, in bodies within the limits', async () => {
    const event = fc.record({ text: fc.nat(3_000).map((length) => 'é'.repeat(length)), second: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 600, size: 'max' }), async (events) => {
        const browser = fakePlatform();
        const own = new BeaconQueue(browser);
        const sources = [source('intro'), source('next')] as const;
        for (const { text, second } of events) {
          own.push(second ? sources[1] : sources[0], { type: 'custom', at: browser.now(), name: 'n', data: text }, false);
        }
        await browser.advance(120_000);
        assert.deepEqual(
          browser.posts.flatMap(numbers),
          events.map((_, seq) => seq),
        );
        for (const body of browser.posts) {
          assert.ok(bytesOf(body) <= BATCH_BYTES_MAX, `${bytesOf(body)} bytes`);
          assert.ok(numbers(body).length <= BATCH_EVENTS_MAX);
        }
      }),
      { numRuns: 25 },
    );
  });
});
