// Sealed sessions for benchmarks: believable shapes from a counter, no randomness.
import type { SealedOutput } from '../../processor/core/outputs.ts';
import { sealedOutput } from '../support/session-examples.ts';

const DAY_MS = 86_400_000;
const COUNTRIES = ['DE', 'US', 'FR', 'NL', 'GB', 'ES', 'IT', 'PL', 'BR', 'JP'];
const SOURCES = ['google', 'newsletter', '', 'twitter', 'news.example'];

export type ExampleSpan = { site: string; videos: number; days: number; endsAt: number };
export const EXAMPLE_SPAN: ExampleSpan = { site: 'site_a', videos: 200, days: 30, endsAt: Date.UTC(2026, 0, 31) };

/** The n-th example: the first video gets every fourth session, the others share the rest. */
export function exampleSession(n: number, span: ExampleSpan = EXAMPLE_SPAN): SealedOutput {
  const startedAt = span.endsAt - ((n * 7_919_137) % (span.days * DAY_MS)) - 1;
  const watchMs = 1_000 + ((n * 3_571) % 55_000);
  const backMs = Math.floor(watchMs / 2);
  const sections = [
    { run: 0, fromMs: 0, toMs: watchMs, startedAt, rateMilli: 1000 },
    { run: 1, fromMs: backMs, toMs: Math.min(60_000, backMs + 2_000), startedAt: startedAt + watchMs, rateMilli: 1000 },
  ];
  return sealedOutput(
    {
      site: span.site,
      session: `bench-${n}`,
      video: n % 4 === 0 ? 'top' : `video-${n % span.videos}`,
      startedAt,
      endedAt: startedAt + watchMs + 2_000,
      uniqueWatchMs: Math.max(watchMs, backMs + 2_000),
      totalWatchMs: watchMs + 2_000,
      startupMs: 200 + ((n * 13) % 1_500),
      sections,
      context: { country: COUNTRIES[n % COUNTRIES.length] as string, source: SOURCES[n % SOURCES.length] as string },
    },
    n + 1,
  );
}

export const exampleSessions = (count: number, from = 0, span: ExampleSpan = EXAMPLE_SPAN): SealedOutput[] =>
  Array.from({ length: count }, (_, n) => exampleSession(from + n, span));
