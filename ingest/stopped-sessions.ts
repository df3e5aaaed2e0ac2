// Which sessions a client has stopped: known at once where it did, elsewhere as soon as the fold has sealed them. A mirror, not a
// truth: an event that slips through becomes a supplement.
import { LRUCache } from 'lru-cache';
import type { Statement } from '../infra/runtime/ports.ts';

/** Sessions remembered; one that is forgotten is asked for again. */
const SESSIONS_MAX = 100_000;
/** How long a session is taken to be open before it is asked for again, ms. */
const RECHECK_MS = 30_000;

export const selectLeftSession: Statement<[string, string], { left: boolean }> = {
  name: 'select-left-session',
  text: "SELECT true AS left FROM sessions WHERE site = $1 AND session = $2 AND reason = 'leave' LIMIT 1",
};

export type StoppedSessionsDeps = {
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  monotonicMs: () => number;
  logger: { warn(fields: object, message: string): void };
};

export type StoppedSessions = {
  isStopped(site: string, session: string): Promise<boolean>;
  /** What this gateway knows itself. */
  note(site: string, session: string, state: 'open' | 'stopped'): void;
};

export function createStoppedSessions(deps: StoppedSessionsDeps): StoppedSessions {
  const known = new LRUCache<string, { stopped: boolean; askedAtMs: number }>({ max: SESSIONS_MAX });
  const note: StoppedSessions['note'] = (site, session, state) =>
    void known.set(`${site}\n${session}`, { stopped: state === 'stopped', askedAtMs: deps.monotonicMs() });
  return {
    note,
    async isStopped(site, session) {
      const entry = known.get(`${site}\n${session}`);
      if (entry !== undefined && (entry.stopped || deps.monotonicMs() - entry.askedAtMs < RECHECK_MS)) return entry.stopped;
      try {
        const rows = await deps.query(selectLeftSession, [site, session]);
        note(site, session, rows.length > 0 ? 'stopped' : 'open');
        return rows.length > 0;
      } catch (thrown) {
        deps.logger.warn({ error: thrown instanceof Error ? thrown.message : String(thrown) }, 'a session is taken to be open');
        return false;
      }
    },
  };
}
