// The wire of PeerTube's player, field by field: what is taken, what is refused, and what events come of it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { beatDraft, checkPlace, playbackDraft, readBeat, readPlayback } from '../../../../ingest/core/protocols/peertube.ts';

const VIDEO = { video: 'v', durationMs: 60_000, live: 0 };
const refusal = (body: unknown): string => {
  const read = readBeat(body);
  return read.ok ? 'taken' : read.pointer;
};
const eventsOf = (body: object, video = VIDEO): [string, number, number][] => {
  const read = readBeat(body);
  assert.ok(read.ok);
  return beatDraft(read.beat, video, { session: 's', vouched: false }).events.map(({ type, positionMs, detail }) => [
    type,
    positionMs,
    detail?.toMs ?? -1,
  ]);
};

describe('PeerTube: a beat', () => {
  it('takes what a player sends', () => {
    assert.deepEqual(readBeat({ currentTime: 12 }), {
      ok: true,
      beat: { currentTime: 12, seek: false, sessionId: '', client: '', operatingSystem: '', device: '' },
    });
    const about = { sessionId: 'abc-DEF-9', client: 'Firefox', operatingSystem: 'Linux', device: 'desktop' };
    assert.deepEqual(readBeat({ ...about, currentTime: '7', viewEvent: 'seek' }), {
      ok: true,
      beat: { ...about, currentTime: 7, seek: true },
    });
    assert.equal(refusal({ currentTime: 3, sessionId: null, client: null, viewEvent: null, other: [1] }), 'taken');
  });

  it('refuses a wrong field and names it', () => {
    const cases: [unknown, string][] = [
      [[], ''],
      ['text', ''],
      [{}, '/currentTime'],
      [{ currentTime: -1 }, '/currentTime'],
      [{ currentTime: 'soon' }, '/currentTime'],
      [{ currentTime: null }, '/currentTime'],
      [{ currentTime: 1, viewEvent: 'pause' }, '/viewEvent'],
      [{ currentTime: 1, sessionId: '' }, '/sessionId'],
      [{ currentTime: 1, sessionId: 'a b' }, '/sessionId'],
      [{ currentTime: 1, sessionId: 12 }, '/sessionId'],
      [{ currentTime: 1, sessionId: 'a'.repeat(1025) }, '/sessionId'],
      [{ currentTime: 1, client: '' }, '/client'],
      [{ currentTime: 1, client: 'x'.repeat(201) }, '/client'],
      [{ currentTime: 1, operatingSystem: 5 }, '/operatingSystem'],
    ];
    for (const [body, pointer] of cases) assert.equal(refusal(body), pointer, JSON.stringify(body));
  });

  it('takes an unknown device as none', () => {
    for (const device of ['fridge', 5, null, {}]) {
      const read = readBeat({ currentTime: 1, device });
      assert.equal(read.ok && read.beat.device, '');
    }
  });

  it('lies within the video, unless that is live or of unknown length', () => {
    const at = (currentTime: number, video = VIDEO): boolean => {
      const read = readBeat({ currentTime });
      return read.ok && checkPlace(read.beat, video) === undefined;
    };
    assert.deepEqual([at(0), at(60), at(61)], [true, true, false]);
    assert.equal(at(60, { ...VIDEO, durationMs: 59_400 }), true, 'a part of a second counts as a whole one');
    assert.equal(at(1e6, { ...VIDEO, live: 1 }), true);
    assert.equal(at(1e6, { ...VIDEO, durationMs: -1, live: -1 }), true);
  });

  it('becomes play, a seek and play, or an end', () => {
    assert.deepEqual(eventsOf({ currentTime: 5 }), [['playing', 5_000, -1]]);
    assert.deepEqual(eventsOf({ currentTime: 5, viewEvent: 'seek' }), [
      ['seek', -1, 5_000],
      ['playing', 5_000, -1],
    ]);
    assert.deepEqual(eventsOf({ currentTime: 60 }), [['ended', 60_000, -1]]);
    assert.deepEqual(eventsOf({ currentTime: 60, viewEvent: 'seek' }), [
      ['seek', -1, 60_000],
      ['ended', 60_000, -1],
    ]);
    assert.deepEqual(eventsOf({ currentTime: 60 }, { ...VIDEO, live: 1 }), [['playing', 60_000, -1]]);
    assert.deepEqual(eventsOf({ currentTime: 60 }, { ...VIDEO, durationMs: -1 }), [['playing', 60_000, -1]]);
  });

  it('never throws, whatever is sent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (currentTime, other) => {
        readBeat(other);
        readPlayback(other);
        readBeat({ currentTime, sessionId: other, device: other });
        readPlayback({ playerMode: 'x', p2pEnabled: true, videoId: other, resolution: currentTime });
      }),
    );
  });
});

describe('PeerTube: a playback report', () => {
  const REPORT = {
    playerMode: 'p2p-media-loader',
    resolution: 1080,
    fps: 30,
    p2pEnabled: true,
    p2pPeers: 4,
    resolutionChanges: 1,
    bufferStalled: 2,
    errors: 0,
    downloadedBytesP2P: 100,
    downloadedBytesHTTP: 2_000,
    uploadedBytesP2P: 50,
    videoId: '42',
  };

  it('keeps counters as numbers that add up, and the rest as text', () => {
    const read = readPlayback(REPORT);
    assert.ok(read.ok);
    const [event] = playbackDraft(read.report, { session: 's', video: 'v' }).events;
    assert.equal(event?.type, 'custom');
    assert.equal(event?.detail?.name, 'reported');
    assert.deepEqual(JSON.parse(event?.detail?.text ?? ''), {
      errors: 0,
      resolutionChanges: 1,
      stalls: 2,
      bytesHttp: 2_000,
      bytesP2p: 100,
      bytesP2pSent: 50,
      resolution: '1080',
      fps: '30',
      p2pPeers: '4',
      playerMode: 'p2p-media-loader',
      p2pEnabled: true,
    });
  });

  it('does without the optional ones', () => {
    const { fps: _fps, p2pPeers: _peers, bufferStalled: _stalled, ...rest } = REPORT;
    const read = readPlayback({ ...rest, videoId: 42 });
    assert.ok(read.ok);
    assert.deepEqual([read.report.fps, read.report.p2pPeers, read.report.counters.stalls, read.report.videoId], [-1, -1, 0, '42']);
  });

  it('refuses a wrong field and names it', () => {
    const cases: [Record<string, unknown>, string][] = [
      [{ playerMode: '' }, '/playerMode'],
      [{ p2pEnabled: 'yes' }, '/p2pEnabled'],
      [{ videoId: undefined }, '/videoId'],
      [{ resolution: undefined }, '/resolution'],
      [{ resolution: -5 }, '/resolution'],
      [{ errors: 'many' }, '/errors'],
      [{ downloadedBytesHTTP: null }, '/downloadedBytesHTTP'],
      [{ fps: 'x' }, '/fps'],
    ];
    for (const [change, pointer] of cases) {
      const read = readPlayback({ ...REPORT, ...change });
      assert.equal(read.ok ? 'taken' : read.pointer, pointer, JSON.stringify(change));
    }
  });
});
