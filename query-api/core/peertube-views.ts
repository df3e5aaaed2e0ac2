// The public counter of views: a session counts when it has watched long enough, and again for each hour it watches on. Few sessions last
// that long or come back, so only those are walked through here; the others are counted where they are stored.

/** When a session counts: all ms. */
export type ViewRule = {
  /** Watch time that makes a view. */
  countAfterMs: number;
  /** For so long a session does not count again. */
  expirationMs: number;
};

/** Watch time (ms) that a viewer must exceed or reach: of a video shorter than the rule asks, more than half. */
export function viewThresholdMs(rule: ViewRule, durationMs: number | null, live: boolean): number {
  if (live || durationMs === null || durationMs <= 0 || durationMs >= rule.countAfterMs) return rule.countAfterMs;
  return Math.floor(durationMs / 2) + 1;
}

/** A stretch that was played: when it began, how much media, and to which viewer of the session it belongs. */
export type PlayedStretch = { viewer: number; startedAtMs: number; lengthMs: number; endsBeforeMs: number };

/** Views of one session, from all its stretches in the order they were played. */
export function viewsOf(stretches: readonly PlayedStretch[], thresholdMs: number, expirationMs: number): number {
  let views = 0;
  let notBefore = Number.NEGATIVE_INFINITY;
  let viewer: number | undefined;
  let watchedMs = 0;
  for (const stretch of stretches) {
    if (stretch.viewer !== viewer) {
      viewer = stretch.viewer;
      watchedMs = 0;
    }
    const missingMs = Math.max(0, thresholdMs - watchedMs);
    watchedMs += stretch.lengthMs;
    if (missingMs > stretch.lengthMs) continue;
    // Faster play than the rate that is known: the next stretch, or the end, says when this one was over at the latest.
    const endedAt = Math.min(stretch.startedAtMs + stretch.lengthMs, stretch.endsBeforeMs);
    let at = Math.max(Math.min(stretch.startedAtMs + missingMs, endedAt), notBefore);
    while (at <= endedAt) {
      views++;
      notBefore = at + expirationMs;
      at = notBefore;
    }
  }
  return views;
}
