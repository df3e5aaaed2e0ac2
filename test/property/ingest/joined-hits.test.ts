// Hits that share a record are the same visits as hits with a record each, whatever they are and in whatever order they come.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { admit, type Lookups } from '../../../ingest/core/admit.ts';
import { NO_PAGE } from '../../../ingest/core/campaign.ts';
import { NO_CLIENT } from '../../../ingest/core/device.ts';
import type { Draft } from '../../../ingest/core/draft.ts';
import { NO_PLACE } from '../../../ingest/core/place.ts';
import { DIRECT } from '../../../ingest/core/protocols/ga-traffic.ts';
import { hitDraft, joinDrafts, type VisitHit, videoDraft } from '../../../ingest/core/protocols/visit-hits.ts';
import type { Output } from '../../../processor/core/outputs.ts';
import { createPartition, type FoldRecord, ledger, step } from '../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../processor/core/settings.ts';
import { recordKey } from '../../../schemas/topics.ts';
import { HIT_KINDS } from '../../../schemas/visits.ts';
import { EPOCH, SITE } from '../../support/records.ts';

const HOUR = 3_600_000;
const LOOKUPS: Lookups = {
  place: () => NO_PLACE,
  client: () => NO_CLIENT,
  page: (url) => ({ ...NO_PAGE, host: url.slice('https://'.length), path: '/' }),
  referrer: () => ({ host: '', source: '', medium: '' }),
  viewer: () => '',
};
const FACTS = { site: SITE, viewerKeys: false, receivedAt: EPOCH, address: '', userAgent: '', refererHeader: '', originHeader: '' };

/** Hits of one request: up to four hours old, few pages and sources, now and then a video. */
const requests: fc.Arbitrary<Draft[]> = fc
  .array(
    fc.record({
      agoMs: fc.oneof(fc.integer({ min: 0, max: 120_000 }), fc.integer({ min: 0, max: 4 * HOUR })),
      page: fc.constantFrom('', 'https://a.example', 'https://b.example'),
      source: fc.constantFrom('', '', 'news'),
      kind: fc.constantFrom(...HIT_KINDS),
      order: fc.constantFrom('' as const, '' as const, '' as const, 'start' as const, 'end' as const),
      session: fc.constantFrom('visitor-1', 'visitor-1', 'visitor-2'),
      video: fc.constantFrom('', '', 'film'),
      cd: fc.constantFrom('', 'x'),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((hits) =>
    hits.flatMap(({ agoMs, page, source, kind, order, session, video, cd }, index) => {
      const hit: VisitHit = {
        protocol: 'ga',
        index,
        session,
        receivedAt: EPOCH,
        at: EPOCH - agoMs,
        stamp: { day: '2026-11-22', kind, order, interactive: true, source, nonce: `n.${index}` },
        name: kind === 'page' ? 'pageview' : 'event',
        data: { index },
        page,
        pagePath: '',
        referrer: '',
        traffic: { ...DIRECT, source },
        meta: cd === '' ? {} : { cd1: cd },
        person: 'p',
        address: '',
        userAgent: '',
        ignoredFields: 0,
      };
      const playback = { type: 'heartbeat' as const, video, positionMs: index * 1_000 };
      return video === '' ? [hitDraft(hit)] : [hitDraft(hit), videoDraft(hit, playback, { title: '', durationMs: -1 })];
    }),
  );

/** Everything that comes of a log in which these drafts arrive at once and nothing follows; where it stood in the log apart. */
function outcomeOf(drafts: readonly Draft[]): { outputs: unknown[]; ledger: unknown } {
  const records = drafts.map((draft, offset): FoldRecord => {
    const beacon = admit(draft, FACTS, LOOKUPS);
    return { offset, appendAt: EPOCH, message: { kind: 'beacon', beacon }, keyText: recordKey(beacon.site, beacon.session) };
  });
  const control = { command: 'close_all' as const, site: '', protocol: '', settings: {} };
  const end: FoldRecord = { offset: records.length, appendAt: EPOCH + 1_000, message: { kind: 'control', control }, keyText: null };
  const state = createPartition(FOLD_SETTINGS_DEFAULT);
  const outputs: Output[] = [...records, end].flatMap((record) => step(state, record));
  const { records: _records, beacons: _beacons, ...balance } = ledger(state);
  return { outputs: outputs.map((output) => ({ ...output, sourceOffset: 0 })), ledger: balance };
}

describe('hits that share a record', () => {
  it('are the same visits as hits with a record each', () => {
    fc.assert(
      fc.property(requests, (drafts) => {
        const joined = joinDrafts(drafts);
        assert.ok(joined.length <= drafts.length);
        assert.deepEqual(outcomeOf(joined), outcomeOf(drafts));
      }),
      { numRuns: 400 },
    );
  });

  it('no draft is changed by it', () => {
    fc.assert(
      fc.property(requests, (drafts) => {
        const before = structuredClone(drafts);
        joinDrafts(drafts);
        assert.deepEqual(drafts, before);
      }),
      { numRuns: 50 },
    );
  });
});
