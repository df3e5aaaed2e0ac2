// What the system says of its sessions, in the oracle's terms: read from the tables and from the query API.
import type { Client } from 'pg';
import { type SessionFacts, sessionKey, sortErrors } from './oracle.ts';

type Row = Record<string, unknown>;

const number = (value: unknown): number => Number(value ?? -1);
const instant = (value: unknown): number => (value as Date).getTime();

/** A session of the tables: its facts (parts added up are not needed where nothing is late) and what surrounds them. */
export type StoredSession = {
  facts: SessionFacts;
  startedAt: number;
  reason: string;
  lost: number;
  duplicates: number;
  late: number;
  checksum: string;
  row: Row;
};

/** Part 0 of every session of a site, by sessionKey. */
export async function storedSessions(client: Client, site: string): Promise<Map<string, StoredSession>> {
  const sessions = await client.query(`SELECT * FROM sessions WHERE site = $1 AND part = 0`, [site]);
  const sections = await client.query(`SELECT * FROM watch_sections WHERE site = $1 AND part = 0 ORDER BY session, video, section`, [site]);
  const customs = await client.query(`SELECT * FROM custom_events WHERE site = $1 ORDER BY partition, emission_seq`, [site]);
  const byKey = (rows: Row[]): Map<string, Row[]> => {
    const grouped = new Map<string, Row[]>();
    for (const row of rows) {
      const key = sessionKey(String(row['session']), String(row['video']));
      const group = grouped.get(key);
      if (group) group.push(row);
      else grouped.set(key, [row]);
    }
    return grouped;
  };
  const sectionsByKey = byKey(sections.rows as Row[]);
  const customsByKey = byKey(customs.rows as Row[]);
  const stored = new Map<string, StoredSession>();
  for (const [key, [row]] of byKey(sessions.rows as Row[])) {
    if (row) stored.set(key, storedSession(row, sectionsByKey.get(key) ?? [], customsByKey.get(key) ?? []));
  }
  return stored;
}

function storedSession(row: Row, sections: readonly Row[], customs: readonly Row[]): StoredSession {
  const startedAt = instant(row['started_at']);
  return {
    startedAt,
    reason: String(row['reason']),
    lost: number(row['lost']),
    duplicates: number(row['duplicates']),
    late: number(row['late']),
    checksum: (row['checksum'] as Buffer).toString('hex'),
    row,
    facts: {
      session: String(row['session']),
      video: String(row['video']),
      uniqueWatchMs: number(row['unique_watch_ms']),
      totalWatchMs: number(row['total_watch_ms']),
      attempts: number(row['attempts']),
      plays: number(row['plays']),
      completions: number(row['completions']),
      startupMs: number(row['startup_ms']),
      stalls: number(row['stalls']),
      stallMs: number(row['stall_ms']),
      seeks: number(row['seeks']),
      startFailures: number(row['start_failures']),
      playbackFailures: number(row['playback_failures']),
      exitsBeforeStart: number(row['exits_before_start']),
      bitrateKbpsMs: number(row['bitrate_kbps_ms']),
      bitrateKnownMs: number(row['bitrate_known_ms']),
      switchesUp: number(row['switches_up']),
      switchesDown: number(row['switches_down']),
      errors: sortErrors(row['errors'] as SessionFacts['errors']),
      received: number(row['received']),
      spanMs: instant(row['ended_at']) - startedAt,
      sections: sections.map((section) => ({
        run: number(section['run']),
        fromMs: number(section['from_ms']),
        toMs: number(section['to_ms']),
        startedAt: instant(section['section_started_at']) - startedAt,
        rateMilli: number(section['rate_milli']),
      })),
      customEvents: customs.map((custom) => ({
        seq: number(custom['seq']),
        at: instant(custom['at']) - startedAt,
        name: String(custom['name']),
        positionMs: number(custom['position_ms']),
        data: custom['data'],
      })),
    },
  };
}
