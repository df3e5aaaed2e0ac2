// Rows of emissions → records of the topic of domain events. Pure: the same rows give the same bytes, so a repeated record is equal to the first.
import type { RecordToAppend } from '../infra/runtime/ports.ts';
import type { DomainCodec } from '../schemas/codec.ts';
import { recordKey } from '../schemas/topics.ts';
import type { OutboxEventRow } from './sql/outbox-events.ts';
import type { OutboxSessionRow } from './sql/outbox-sessions.ts';

/** A record and the number of its emission. */
export type OutboxRecord = { seq: number; kind: 'session' | 'custom'; record: RecordToAppend };

/** Sessions and custom events of one stretch, in the order of their numbers. */
export function outboxRecords(
  codec: DomainCodec,
  partition: number,
  rows: { sessions: readonly OutboxSessionRow[]; events: readonly OutboxEventRow[] },
): OutboxRecord[] {
  const records: OutboxRecord[] = [
    ...rows.sessions.map((row): OutboxRecord => {
      return { seq: row.emission_seq, kind: 'session', record: { key: keyOf(row), value: codec.encodeSession(sessionOf(row, partition)) } };
    }),
    ...rows.events.map((row): OutboxRecord => {
      return {
        seq: row.emission_seq,
        kind: 'custom',
        record: { key: keyOf(row), value: codec.encodeCustomEvent(eventOf(row, partition)) },
      };
    }),
  ];
  return records.sort((a, b) => a.seq - b.seq);
}

const keyOf = ({ site, session }: { site: string; session: string }): Buffer => Buffer.from(recordKey(site, session));

function sessionOf(row: OutboxSessionRow, partition: number): object {
  return {
    site: row.site,
    session: row.session,
    video: row.video,
    part: row.part,
    partition,
    emissionSeq: row.emission_seq,
    sourceOffset: row.source_offset,
    foldVersion: row.fold_version,
    reason: row.reason,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    attempts: row.attempts,
    plays: row.plays,
    uniqueWatchMs: row.unique_watch_ms,
    totalWatchMs: row.total_watch_ms,
    completions: row.completions,
    startupMs: row.startup_ms ?? -1,
    stalls: row.stalls,
    stallMs: row.stall_ms,
    seeks: row.seeks,
    startFailures: row.start_failures,
    playbackFailures: row.playback_failures,
    exitsBeforeStart: row.exits_before_start,
    received: row.received,
    lost: row.lost,
    duplicates: row.duplicates,
    late: row.late,
    appendAt: row.append_at,
    bitrateKbpsMs: row.bitrate_kbps_ms,
    bitrateKnownMs: row.bitrate_known_ms,
    switchesUp: row.switches_up,
    switchesDown: row.switches_down,
    errors: JSON.stringify(row.errors),
    context: contextOf(row),
    sections: row.sections.map(([run, fromMs, toMs, startedAt, rateMilli]) => ({ run, fromMs, toMs, startedAt, rateMilli })),
  };
}

/** What is known of the session, as text; unknown entries are left out. Viewer keys stay here: an erased one could not be taken back from a log. */
function contextOf(row: OutboxSessionRow): Record<string, string> {
  const meta = JSON.stringify(row.meta);
  const all: Record<string, string> = {
    durationMs: row.duration_ms === null ? '' : String(row.duration_ms),
    live: row.live === null ? '' : String(row.live),
    pageHost: row.page_host,
    pagePath: row.page_path,
    referrerHost: row.referrer_host,
    source: row.source,
    medium: row.medium,
    campaign: row.campaign,
    country: row.country,
    region: row.region,
    browser: row.browser,
    platform: row.platform,
    device: row.device,
    playerName: row.player_name,
    playerVersion: row.player_version,
    protocol: row.protocol,
    bot: row.bot ? 'true' : '',
    meta: meta === '{}' ? '' : meta,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

const eventOf = (row: OutboxEventRow, partition: number): object => ({
  site: row.site,
  session: row.session,
  video: row.video,
  partition,
  emissionSeq: row.emission_seq,
  sourceOffset: row.source_offset,
  appendAt: row.append_at,
  at: row.at,
  name: row.name,
  positionMs: row.position_ms ?? -1,
  data: JSON.stringify(row.data),
  seq: row.seq,
});
