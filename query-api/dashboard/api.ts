// The dashboard's only way to data: our own public API with the reader's key, which lives in this tab only.

export type Figures = {
  attempts: number;
  plays: number;
  uniqueWatchMs: number;
  totalWatchMs: number;
  averageWatchMs: number | null;
  completions: number;
  startupMs: { median: number | null; p95: number | null };
  stalls: number;
  stallMs: number;
  rebufferRatio: number | null;
  startFailures: number;
  playbackFailures: number;
  exitsBeforeStart: number;
};
export type Answer<T> = {
  range?: { from: string; to: string };
  data: T;
  dataThrough: string | null;
  provisionalSessions?: number;
  gaps?: unknown[];
};
export type Bucket = Figures & { from: string; to: string };
export type Valued = Figures & { value: string | null };
export type Source = Figures & { source: string; medium: string; campaign: string };
export type EngagementRange = { fromMs: number; toMs: number; plays: number; watches: number; rewatches: number; share: number };
export type Engagement = Answer<EngagementRange[]> & { video: string; durationMs: number | null; totals: Figures };
export type Quality = Figures & {
  bitrateBps: number | null;
  switchesUp: number;
  switchesDown: number;
  errors: { code: string; fatal: boolean; count: number }[];
};
export type Video = { id: string; title: string; durationMs: number | null; live: boolean | null };
export type Definition = { name: string; unit: string; meaning: string; source: string };
export type Live = {
  viewers: number;
  videos: { video: string | null; viewers: number }[];
  minutes: { at: string; viewers: number }[];
  peak: { at: string; viewers: number } | null;
};

const KEY_NAME = 'playhead.readKey';

/** The key is handed over once in the address's fragment (never sent to a server), then kept for this tab only. */
export function takeKey(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('key');
  if (given !== null) {
    sessionStorage.setItem(KEY_NAME, given);
    history.replaceState(null, '', location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY_NAME) ?? undefined;
}
export const keepKey = (key: string): void => sessionStorage.setItem(KEY_NAME, key);
export const forgetKey = (): void => sessionStorage.removeItem(KEY_NAME);

/** A refusal of the API: the status and what the problem says. */
export class Problem extends Error {
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

/** GET of a resource. @throws Problem with the API's own words, or with status 0 if it cannot be reached. */
export async function ask<T>(path: string, parameters: Record<string, string | undefined>, key: string, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  let response: Response;
  try {
    response = await fetch(`/v1/${path}?${query}`, {
      headers: { authorization: `Bearer ${key}` },
      cache: 'no-cache',
      ...(signal ? { signal } : {}),
    });
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    throw new Problem(0, 'The query API does not answer. Trying again.');
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body as T;
  throw new Problem(response.status, (body as { detail?: string } | undefined)?.detail ?? `The query API answered ${response.status}.`);
}
