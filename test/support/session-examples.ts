// Plain sealed outputs with sensible defaults, for tests of what is made from them.
import type { SealedOutput } from '../../processor/core/outputs.ts';
import type { SessionContext, SessionPart } from '../../schemas/session.ts';

export const EXAMPLE_CONTEXT: SessionContext = {
  title: 'Intro',
  durationMs: 60_000,
  live: 0,
  pageHost: 'example.org',
  pagePath: '/watch',
  referrerHost: '',
  source: 'news',
  medium: 'referral',
  campaign: '',
  country: 'NL',
  region: '',
  browser: 'Firefox',
  platform: 'Linux',
  device: 'desktop',
  playerName: 'hls.js',
  playerVersion: '1.7.4',
  protocol: 'native',
  bot: false,
  viewer: '',
  meta: '',
};

/** A part with these values changed. */
export function sessionPart(changed: Partial<Omit<SessionPart, 'context'>> & { context?: Partial<SessionContext> } = {}): SessionPart {
  return {
    site: 'site',
    session: 's1',
    video: 'intro',
    part: 0,
    startedAt: 1_700_000_000_000,
    endedAt: 1_700_000_060_000,
    attempts: 1,
    plays: 1,
    uniqueWatchMs: 10_000,
    totalWatchMs: 10_000,
    completions: 0,
    startupMs: -1,
    stalls: 0,
    stallMs: 0,
    seeks: 0,
    startFailures: 0,
    playbackFailures: 0,
    exitsBeforeStart: 0,
    bitrateKbpsMs: 0,
    bitrateKnownMs: 0,
    switchesUp: 0,
    switchesDown: 0,
    errors: [],
    received: 3,
    lost: 0,
    duplicates: 0,
    late: 0,
    conflicts: 0,
    limitHits: 0,
    seqHighest: 2,
    checksumHigh: 1,
    checksumLow: 2,
    sections: [{ run: 0, fromMs: 0, toMs: 10_000, startedAt: 1_700_000_000_000, rateMilli: 1000 }],
    ...changed,
    context: { ...EXAMPLE_CONTEXT, ...changed.context },
  };
}

/** A sealed output of such a part. */
export function sealedOutput(changed: Parameters<typeof sessionPart>[0] = {}, emissionSeq = 1): SealedOutput {
  return {
    kind: 'sealed',
    reason: 'leave',
    foldVersion: 1,
    emissionSeq,
    sourceOffset: 10,
    appendAt: 1_700_000_070_000,
    part: sessionPart(changed),
  };
}
