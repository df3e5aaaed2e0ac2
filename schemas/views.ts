// The public counter of views, as PeerTube defines it: a session counts when it has watched long enough, and again for each hour in which it
// watches on. The processor counts sealed parts into the rollups, the query API open ones, both through this. Source: protocols.md
// 5.2. Imports types only.
import type { SessionPart } from './session.ts';

/** When a session counts: all ms. */
export type ViewRule = {
  /** Watch time that makes a view. */
  countAfterMs: number;
  /** For so long a session does not count again. */
  expirationMs: number;
};

/** The rule where nothing else is set. */
export const VIEW_RULE_DEFAULT: Readonly<ViewRule> = Object.freeze({ countAfterMs: 10_000, expirationMs: 3_600_000 });

/** What of a part decides; instants are epoch ms, durationMs -1 = unknown, live 1 = live. */
export type ViewedPart = Pick<SessionPart, 'part' | 'startedAt' | 'endedAt' | 'sections'> & {
  context: Pick<SessionPart['context'], 'protocol' | 'durationMs' | 'live'>;
};

/** Watch time (ms) that a viewer must reach: of a video shorter than the rule asks, more than half. */
export function viewThresholdMs({ countAfterMs }: ViewRule, durationMs: number, live: number): number {
  if (live === 1 || durationMs <= 0 || durationMs >= countAfterMs) return countAfterMs;
  return Math.floor(durationMs / 2) + 1;
}

/**
 * Views of one part. A part that PeerTube's door opened after its idle gap is a viewer of its own; a supplement of another door goes on
 * with its session, which is taken to have counted when it began.
 */
export function viewsOf(part: ViewedPart, rule: ViewRule): number {
  const { sections, context } = part;
  const thresholdMs = viewThresholdMs(rule, context.durationMs, context.live);
  let views = 0;
  let notBefore = part.part === 0 || context.protocol === 'peertube' ? Number.NEGATIVE_INFINITY : part.startedAt + rule.expirationMs;
  let watchedMs = 0;
  sections.forEach(({ fromMs, toMs, startedAt }, i) => {
    const lengthMs = toMs - fromMs;
    const missingMs = Math.max(0, thresholdMs - watchedMs);
    watchedMs += lengthMs;
    if (missingMs > lengthMs) return;
    // Faster play than the rate that is known: the next section, or the end, says when this one was over at the latest.
    const endedAt = Math.min(startedAt + lengthMs, Math.max(startedAt, sections[i + 1]?.startedAt ?? part.endedAt));
    for (let at = Math.max(Math.min(startedAt + missingMs, endedAt), notBefore); at <= endedAt; at = notBefore) {
      views++;
      notBefore = at + rule.expirationMs;
    }
  });
  return views;
}
