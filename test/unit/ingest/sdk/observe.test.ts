import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SEEK_SETTLE_MS, VideoObserver } from '../../../../ingest/sdk/observe.ts';
import type { EventFields, VideoElement } from '../../../../ingest/sdk/types.ts';
import { type FakePlatform, FakeVideo, fakePlatform, playFor } from '../../../support/sdk-doubles.ts';

describe('VideoObserver', () => {
  let platform: FakePlatform;
  let video: FakeVideo;
  let events: EventFields[];
  let urgent: string[];
  let observer: VideoObserver;
  let stopping: AbortController;

  const observe = (): VideoObserver => {
    stopping = new AbortController();
    return new VideoObserver(video as unknown as VideoElement, {
      now: platform.now,
      after: platform.after,
      emit: (event, isUrgent) => {
        events.push(JSON.parse(JSON.stringify(event)));
        if (isUrgent) urgent.push(event.type);
      },
      onMetadata: () => {},
      heartbeatMs: 5_000,
      signal: stopping.signal,
    });
  };
  const start = async (startupMs = 400): Promise<void> => {
    video.play();
    await platform.advance(startupMs);
    video.fire('playing');
  };
  const types = (): string[] => events.map((event) => event.type);
  const last = (): EventFields => events.at(-1) as EventFields;
  const of = (type: string): EventFields[] => events.filter((event) => event.type === type);

  beforeEach(() => {
    platform = fakePlatform();
    video = new FakeVideo();
    events = [];
    urgent = [];
    observer = observe();
  });

  it('reports an attempt, the first frame and the picture', async () => {
    const askedAt = platform.now();
    await start();
    assert.deepEqual(events, [
      { type: 'attempt', at: askedAt, positionMs: 0 },
      { type: 'playing', at: askedAt + 400, positionMs: 0 },
      { type: 'quality', at: askedAt + 400, positionMs: 0, width: 640, height: 360 },
    ]);
    assert.deepEqual(urgent, ['playing']);
  });

  it('sends heartbeats after 1 s and then every 5 s, only while frames move', async () => {
    await start();
    const playedFrom = platform.now();
    await playFor(platform, video, 12_000);
    video.pause();
    await playFor(platform, video, 12_000);
    assert.deepEqual(
      of('heartbeat').map((event) => [event.at - playedFrom, event.positionMs]),
      [
        [1_000, 1_000],
        [6_000, 6_000],
        [11_000, 11_000],
      ],
    );
  });

  it('says nothing before play was asked: no seek, rate, volume or picture, not even a leave', async () => {
    video.fire('resize');
    video.seekTo(5);
    video.arrive();
    video.playbackRate = 2;
    video.fire('ratechange');
    video.fire('volumechange');
    await platform.advance(5_000);
    observer.leave();
    assert.deepEqual(events, []);
  });

  it('starts at the position set before and says the rate set before', async () => {
    video.seekTo(5);
    video.arrive();
    video.playbackRate = 1.5;
    video.fire('ratechange');
    await start();
    assert.deepEqual(types(), ['attempt', 'playing', 'rate', 'quality']);
    assert.ok(events.every((event) => event.positionMs === 5_000));
  });

  it('joins a play that runs already, without an attempt, so that no startup time is made up', () => {
    stopping.abort();
    video.paused = false;
    video.currentTime = 3;
    observe();
    assert.deepEqual(types(), ['playing', 'quality']);
    assert.equal(events[0]?.positionMs, 3_000);
  });

  it('seek: from is where play was, to the target, before playing again', async () => {
    await start();
    await playFor(platform, video, 2_000);
    await platform.advance(100); // 100 ms after the last time event
    video.seekTo(9);
    const seekAt = platform.now();
    await platform.advance(50);
    video.arrive();
    await platform.advance(SEEK_SETTLE_MS);
    assert.deepEqual(types().slice(-2), ['seek', 'playing']);
    const seek = of('seek')[0] as EventFields;
    assert.deepEqual(seek, { type: 'seek', at: seekAt, positionMs: 9_000, fromMs: 2_100, toMs: 9_000 });
    assert.deepEqual(last(), { type: 'playing', at: seekAt + 50, positionMs: 9_000 });
  });

  it('scrubbing is one seek, from the first place to the last', async () => {
    await start();
    await playFor(platform, video, 1_000);
    for (const place of [3, 5, 8, 6]) {
      video.seekTo(place);
      await platform.advance(100);
      video.arrive();
      await platform.advance(100);
    }
    await platform.advance(1_000);
    assert.deepEqual(
      of('seek').map(({ fromMs, toMs }) => [fromMs, toMs]),
      [[1_000, 6_000]],
    );
    assert.equal(of('playing').length, 2);
    assert.equal(of('stall_start').length, 0);
  });

  it('two seeks with play in between are two', async () => {
    await start();
    for (const place of [5, 1]) {
      await playFor(platform, video, 1_000);
      video.seekTo(place);
      video.arrive();
    }
    await platform.advance(SEEK_SETTLE_MS);
    assert.deepEqual(
      of('seek').map(({ fromMs, toMs }) => [fromMs, toMs]),
      [
        [1_000, 5_000],
        [6_000, 1_000],
      ],
    );
  });

  it('a seek while paused reports no play; a leave in the middle of a seek keeps both', async () => {
    await start();
    await playFor(platform, video, 1_000);
    video.pause();
    video.seekTo(7);
    video.arrive();
    await platform.advance(SEEK_SETTLE_MS);
    assert.deepEqual(types().slice(-2), ['pause', 'seek']);
    assert.equal(last().fromMs, 1_000);
    video.seekTo(2);
    observer.leave();
    assert.deepEqual(types().slice(-2), ['seek', 'leave']);
    assert.equal(last().positionMs, 2_000);
  });

  it('an event between the new place and its seeking event has the old position', async () => {
    await start();
    await playFor(platform, video, 1_000);
    video.playbackRate = 2;
    video.currentTime = 10;
    video.seeking = true;
    video.fire('ratechange');
    video.fire('seeking');
    video.arrive();
    await platform.advance(SEEK_SETTLE_MS);
    assert.deepEqual(
      events.slice(-3).map(({ type, positionMs, fromMs }) => [type, positionMs, fromMs]),
      [
        ['rate', 1_000, undefined],
        ['seek', 10_000, 1_000],
        ['playing', 10_000, undefined],
      ],
    );
  });

  it('stall: only from movement, ends with play, pause, seek or leave; never at startup or in a seek', async () => {
    video.play();
    video.fire('waiting');
    await platform.advance(400);
    video.fire('playing');
    await playFor(platform, video, 1_000);
    video.fire('waiting');
    await platform.advance(700);
    video.fire('playing');
    assert.deepEqual(types().slice(-3), ['stall_start', 'stall_end', 'playing']);
    assert.equal((of('stall_end')[0]?.at as number) - (of('stall_start')[0]?.at as number), 700);
    await playFor(platform, video, 1_000);
    video.seekTo(9);
    video.fire('waiting');
    await platform.advance(500);
    video.arrive();
    await platform.advance(SEEK_SETTLE_MS);
    video.fire('waiting');
    video.pause();
    assert.deepEqual(types().slice(-3), ['stall_start', 'stall_end', 'pause']);
    assert.equal(of('stall_start').length, 2);
  });

  it('movement without a playing event is found by the time events', async () => {
    await start();
    await playFor(platform, video, 1_000);
    video.fire('waiting');
    await playFor(platform, video, 1_000);
    assert.deepEqual(types().slice(-3), ['stall_start', 'stall_end', 'playing']);
  });

  it('rate 2x: what was played before counts at the old rate', async () => {
    await start();
    await playFor(platform, video, 1_000);
    video.playbackRate = 2;
    video.fire('ratechange');
    assert.deepEqual([last().type, last().rate, last().positionMs], ['rate', 2, 1_000]);
    await playFor(platform, video, 1_000);
    await platform.advance(200);
    video.seekTo(0);
    video.arrive();
    await platform.advance(SEEK_SETTLE_MS);
    assert.equal(of('seek')[0]?.fromMs, 3_400);
  });

  it('the end: one ended, no pause; playing again from the start is a seek', async () => {
    await start();
    await playFor(platform, video, 14_000);
    video.paused = true;
    video.ended = true;
    video.fire('pause');
    video.fire('ended');
    assert.deepEqual([last().type, last().positionMs], ['ended', 14_000]);
    assert.equal(of('pause').length, 0);
    video.play();
    video.seekTo(0);
    video.arrive();
    await platform.advance(SEEK_SETTLE_MS);
    assert.deepEqual(types().slice(-2), ['seek', 'playing']);
    assert.equal(of('attempt').length, 1);
  });

  it('errors have a code and are fatal, of the element or of its last source', async () => {
    video.error = { code: 4, message: 'no' };
    video.fire('error');
    assert.deepEqual(last(), {
      type: 'error',
      at: platform.now(),
      positionMs: 0,
      code: 'MEDIA_ERR_SRC_NOT_SUPPORTED',
      message: 'no',
      fatal: true,
    });
    video.error = null;
    video.fire('error', { nextElementSibling: { tagName: 'SOURCE' } });
    assert.equal(events.length, 1);
    video.fire('error', { nextElementSibling: null });
    assert.equal(events.length, 2);
  });

  it('a source taken away in the middle is a pause where play was', async () => {
    await start();
    await playFor(platform, video, 2_000);
    video.currentTime = 0;
    video.paused = true;
    video.fire('emptied');
    assert.deepEqual([last().type, last().positionMs], ['pause', 2_000]);
  });

  it('leave has the last position even if the element already shows another source', async () => {
    await start();
    await playFor(platform, video, 5_000);
    video.currentTime = 0;
    observer.leave();
    assert.deepEqual([last().type, last().positionMs], ['leave', 5_000]);
    observer.begin();
    video.play();
    assert.deepEqual(types().slice(-2), ['leave', 'attempt']);
  });

  it('dragging the volume is one event; after the end nothing is reported', async () => {
    await start();
    for (const volume of [0.9, 0.7, 0.5]) {
      video.volume = volume;
      video.fire('volumechange');
      await platform.advance(100);
    }
    await platform.advance(1_000);
    assert.deepEqual(
      of('volume').map(({ level, muted }) => [level, muted]),
      [[0.5, false]],
    );
    stopping.abort();
    const before = events.length;
    video.pause();
    assert.equal(events.length, before);
  });

  it('times never go back', async () => {
    await start();
    await playFor(platform, video, 1_000);
    video.seekTo(5);
    await platform.advance(100);
    video.arrive();
    video.pause();
    observer.leave();
    const times = events.map((event) => event.at);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
  });
});
