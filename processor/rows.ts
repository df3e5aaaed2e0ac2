// Outputs of the fold → rows of the tables, column by column. Pure. Values are clamped to what their column holds and freed of
// NUL, so that the server has nothing to refuse (G6, H13); epoch and writer are the only columns that do not come from the log.
import type { CopyColumn, CopyTarget, CopyType, CopyValue } from '../infra/runtime/copy-binary.ts';
import type { SessionPart, WatchSection } from '../schemas/session.ts';
import type { CustomEventOutput, DeadLetterOutput, DuplicateOutput, EmissionOrigin, Output, SealedOutput } from './core/outputs.ts';

/** Who writes: the audit columns, and the partition. */
export type Writer = { partition: number; epoch: number; writer: string };

/** A record that carried a beacon, for the raw table. */
export type BeaconRow = { site: string; session: string; video: string; appendAt: number; offset: number; payload: Buffer };

/** A session as it would be sealed now. */
export type OpenRow = { part: SessionPart; playing: boolean; appendAt: number; foldVersion: number };

export type Row = CopyValue[];
export type TableRows = { target: CopyTarget; rows: Row[] };

type Field<T> = readonly [name: string, type: CopyType, value: (item: T) => CopyValue];
type Table<T> = { target: CopyTarget; rowOf: (item: T) => Row };

const INT2_MAX = 32_767;
const INT4_MAX = 2_147_483_647;
/** Year 2223: beyond every instant a clamped client clock can give. */
const TIME_MS_MAX = 8e12;

const integer = (value: number, max: number): number => (value > max ? max : value < -max ? -max : Math.trunc(value) || 0);
const small = (value: number): number => integer(value, INT2_MAX);
const int = (value: number): number => integer(value, INT4_MAX);
const big = (value: number): number => integer(value, Number.MAX_SAFE_INTEGER);
/** Epoch ms that a time column takes. */
export const time = (value: number): number => Math.max(0, integer(value, TIME_MS_MAX));
const known = (value: number): number | null => (value < 0 ? null : value);

/** Text that a PostgreSQL column takes: no NUL. */
export const text = (value: string): string => (value.includes('\0') ? value.replaceAll('\0', '') : value);

/** An escape of JSON text: a pair of surrogates, a code unit, or one character. Read one by one: `\\u0000` is a backslash and "u0000". */
const JSON_ESCAPE = /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[\da-fA-F]{4}|.)/gs;
const LONE_SURROGATE_ESCAPE = /^\\u[dD][89a-fA-F][\da-fA-F]{2}$/;

/** JSON that a jsonb column takes: no escaped NUL, half pairs of surrogates as U+FFFD; '' becomes `fallback`. */
export function json(value: string, fallback: string): string {
  if (value === '') return fallback;
  if (!value.includes('\\u')) return text(value);
  return text(value).replace(JSON_ESCAPE, (found) => {
    if (found === '\\u0000') return '';
    return LONE_SURROGATE_ESCAPE.test(found) ? '\ufffd' : found;
  });
}

function checksumBytes(high: number, low: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeUInt32BE(high >>> 0, 0);
  bytes.writeUInt32BE(low >>> 0, 4);
  return bytes;
}

function table<T>(name: string, fields: readonly Field<T>[]): Table<T> {
  const columns: CopyColumn[] = fields.map(([column, type]) => ({ name: column, type }));
  const values = fields.map(([, , value]) => value);
  return { target: { table: name, columns }, rowOf: (item) => values.map((value) => value(item)) };
}

type SessionItem = {
  writer: Writer;
  part: SessionPart;
  reason: string;
  foldVersion: number;
  appendAt: number;
  seq: number | null;
  offset: number | null;
};

const SESSION_FIELDS: readonly Field<SessionItem>[] = [
  ['site', 'text', ({ part }) => text(part.site)],
  ['session', 'text', ({ part }) => text(part.session)],
  ['video', 'text', ({ part }) => text(part.video)],
  ['part', 'int2', ({ part }) => small(part.part)],
  ['started_at', 'timestamptz', ({ part }) => time(part.startedAt)],
  ['ended_at', 'timestamptz', ({ part }) => time(part.endedAt)],
  ['reason', 'text', ({ reason }) => reason],
  ['attempts', 'int2', ({ part }) => small(part.attempts)],
  ['plays', 'int2', ({ part }) => small(part.plays)],
  ['unique_watch_ms', 'int8', ({ part }) => big(part.uniqueWatchMs)],
  ['total_watch_ms', 'int8', ({ part }) => big(part.totalWatchMs)],
  ['completions', 'int2', ({ part }) => small(part.completions)],
  ['startup_ms', 'int4', ({ part }) => known(int(part.startupMs))],
  ['stalls', 'int4', ({ part }) => int(part.stalls)],
  ['stall_ms', 'int8', ({ part }) => big(part.stallMs)],
  ['seeks', 'int4', ({ part }) => int(part.seeks)],
  ['start_failures', 'int2', ({ part }) => small(part.startFailures)],
  ['playback_failures', 'int2', ({ part }) => small(part.playbackFailures)],
  ['exits_before_start', 'int2', ({ part }) => small(part.exitsBeforeStart)],
  ['bitrate_kbps_ms', 'int8', ({ part }) => big(part.bitrateKbpsMs)],
  ['bitrate_known_ms', 'int8', ({ part }) => big(part.bitrateKnownMs)],
  ['switches_up', 'int4', ({ part }) => int(part.switchesUp)],
  ['switches_down', 'int4', ({ part }) => int(part.switchesDown)],
  ['errors', 'jsonb', ({ part }) => (part.errors.length === 0 ? '[]' : json(JSON.stringify(part.errors), '[]'))],
  ['duration_ms', 'int8', ({ part }) => known(big(part.context.durationMs))],
  ['live', 'bool', ({ part }) => (part.context.live < 0 ? null : part.context.live === 1)],
  ['page_host', 'text', ({ part }) => text(part.context.pageHost)],
  ['page_path', 'text', ({ part }) => text(part.context.pagePath)],
  ['referrer_host', 'text', ({ part }) => text(part.context.referrerHost)],
  ['source', 'text', ({ part }) => text(part.context.source)],
  ['medium', 'text', ({ part }) => text(part.context.medium)],
  ['campaign', 'text', ({ part }) => text(part.context.campaign)],
  ['country', 'text', ({ part }) => text(part.context.country)],
  ['region', 'text', ({ part }) => text(part.context.region)],
  ['browser', 'text', ({ part }) => text(part.context.browser)],
  ['platform', 'text', ({ part }) => text(part.context.platform)],
  ['device', 'text', ({ part }) => text(part.context.device)],
  ['player_name', 'text', ({ part }) => text(part.context.playerName)],
  ['player_version', 'text', ({ part }) => text(part.context.playerVersion)],
  ['protocol', 'text', ({ part }) => text(part.context.protocol)],
  ['bot', 'bool', ({ part }) => part.context.bot],
  ['viewer', 'text', ({ part }) => text(part.context.viewer)],
  ['meta', 'jsonb', ({ part }) => json(part.context.meta, '{}')],
  ['received', 'int4', ({ part }) => int(part.received)],
  ['lost', 'int4', ({ part }) => int(part.lost)],
  ['duplicates', 'int4', ({ part }) => int(part.duplicates)],
  ['late', 'int4', ({ part }) => int(part.late)],
  ['conflicts', 'int4', ({ part }) => int(part.conflicts)],
  ['limit_hits', 'int4', ({ part }) => int(part.limitHits)],
  ['seq_highest', 'int4', ({ part }) => int(part.seqHighest)],
  ['checksum', 'bytea', ({ part }) => checksumBytes(part.checksumHigh, part.checksumLow)],
  ['fold_version', 'int2', ({ foldVersion }) => foldVersion],
  ['append_at', 'timestamptz', ({ appendAt }) => time(appendAt)],
  ['partition', 'int2', ({ writer }) => writer.partition],
  ['emission_seq', 'int8', ({ seq }) => seq],
  ['source_offset', 'int8', ({ offset }) => offset],
  ['epoch', 'int4', ({ writer }) => writer.epoch],
  ['writer', 'text', ({ writer }) => text(writer.writer)],
];

type OpenItem = SessionItem & { playing: boolean };
type SectionItem = { writer: Writer; output: SealedOutput; section: WatchSection; index: number };
type Emitted<T> = { writer: Writer; output: T };

const originFields: readonly Field<Emitted<EmissionOrigin>>[] = [
  ['append_at', 'timestamptz', ({ output }) => time(output.appendAt)],
  ['partition', 'int2', ({ writer }) => writer.partition],
  ['emission_seq', 'int8', ({ output }) => output.emissionSeq],
  ['source_offset', 'int8', ({ output }) => output.sourceOffset],
  ['epoch', 'int4', ({ writer }) => writer.epoch],
  ['writer', 'text', ({ writer }) => text(writer.writer)],
];

const sessions = table<SessionItem>('sessions', SESSION_FIELDS);
const openSessions = table<OpenItem>('open_sessions', [
  ...SESSION_FIELDS,
  ['sections', 'jsonb', ({ part }) => JSON.stringify(part.sections.map((s) => [s.run, s.fromMs, s.toMs, s.startedAt, s.rateMilli]))],
  ['playing', 'bool', ({ playing }) => playing],
]);
const watchSections = table<SectionItem>('watch_sections', [
  ['site', 'text', ({ output }) => text(output.part.site)],
  ['video', 'text', ({ output }) => text(output.part.video)],
  ['session', 'text', ({ output }) => text(output.part.session)],
  ['part', 'int2', ({ output }) => small(output.part.part)],
  ['started_at', 'timestamptz', ({ output }) => time(output.part.startedAt)],
  ['section', 'int4', ({ index }) => index],
  ['run', 'int4', ({ section }) => int(section.run)],
  ['from_ms', 'int8', ({ section }) => big(section.fromMs)],
  ['to_ms', 'int8', ({ section }) => big(section.toMs)],
  ['section_started_at', 'timestamptz', ({ section }) => time(section.startedAt)],
  ['rate_milli', 'int4', ({ section }) => int(section.rateMilli)],
  ['partition', 'int2', ({ writer }) => writer.partition],
  ['emission_seq', 'int8', ({ output }) => output.emissionSeq],
]);
const customEvents = table<Emitted<CustomEventOutput>>('custom_events', [
  ['site', 'text', ({ output }) => text(output.site)],
  ['session', 'text', ({ output }) => text(output.session)],
  ['video', 'text', ({ output }) => text(output.video)],
  ['at', 'timestamptz', ({ output }) => time(output.at)],
  ['name', 'text', ({ output }) => text(output.name)],
  ['position_ms', 'int8', ({ output }) => known(big(output.positionMs))],
  ['data', 'jsonb', ({ output }) => json(output.data, 'null')],
  ['seq', 'int4', ({ output }) => int(output.seq)],
  ...originFields,
]);
const deadLetters = table<Emitted<DeadLetterOutput>>('dead_letters', [
  ['site', 'text', ({ output }) => text(output.site)],
  ['session', 'text', ({ output }) => text(output.session)],
  ['event_index', 'int4', ({ output }) => int(output.eventIndex)],
  ['seq', 'int4', ({ output }) => int(output.seq)],
  ['reason', 'text', ({ output }) => text(output.reason)],
  ['detail', 'text', ({ output }) => text(output.detail)],
  ['payload', 'text', ({ output }) => text(output.payload)],
  ['events', 'int4', ({ output }) => int(output.events)],
  ...originFields,
]);
const duplicateCounts = table<Emitted<DuplicateOutput>>('duplicate_counts', [
  ['site', 'text', ({ output }) => text(output.site)],
  ['session', 'text', ({ output }) => text(output.session)],
  ['duplicates', 'int4', ({ output }) => int(output.duplicates)],
  ['conflicts', 'int4', ({ output }) => int(output.conflicts)],
  ...originFields,
]);
const beacons = table<{ writer: Writer; beacon: BeaconRow }>('beacons', [
  ['site', 'text', ({ beacon }) => text(beacon.site)],
  ['session', 'text', ({ beacon }) => text(beacon.session)],
  ['video', 'text', ({ beacon }) => text(beacon.video)],
  ['append_at', 'timestamptz', ({ beacon }) => time(beacon.appendAt)],
  ['partition', 'int2', ({ writer }) => writer.partition],
  ['log_offset', 'int8', ({ beacon }) => beacon.offset],
  ['payload', 'bytea', ({ beacon }) => beacon.payload],
]);

/** The tables and columns that emissions are written to, children after their parents. */
export const EMISSION_TARGETS: readonly CopyTarget[] = [
  sessions.target,
  watchSections.target,
  customEvents.target,
  deadLetters.target,
  duplicateCounts.target,
];

/** Rows of the emission tables and their children, in output order; tables without rows are left out. */
export function emissionRows(outputs: readonly Output[], writer: Writer): TableRows[] {
  const sealed: Row[] = [];
  const sections: Row[] = [];
  const custom: Row[] = [];
  const dead: Row[] = [];
  const duplicate: Row[] = [];
  for (const output of outputs) {
    switch (output.kind) {
      case 'sealed':
        sealed.push(sessions.rowOf(sessionItem(output, writer)));
        for (let index = 0; index < output.part.sections.length; index++)
          sections.push(watchSections.rowOf({ writer, output, section: output.part.sections[index] as WatchSection, index }));
        break;
      case 'custom':
        custom.push(customEvents.rowOf({ writer, output }));
        break;
      case 'dead':
        dead.push(deadLetters.rowOf({ writer, output }));
        break;
      case 'duplicate':
        duplicate.push(duplicateCounts.rowOf({ writer, output }));
        break;
    }
  }
  return [
    { target: sessions.target, rows: sealed },
    { target: watchSections.target, rows: sections },
    { target: customEvents.target, rows: custom },
    { target: deadLetters.target, rows: dead },
    { target: duplicateCounts.target, rows: duplicate },
  ].filter(({ rows }) => rows.length > 0);
}

function sessionItem(output: SealedOutput, writer: Writer): SessionItem {
  const { part, reason, foldVersion, appendAt, emissionSeq, sourceOffset } = output;
  return { writer, part, reason, foldVersion, appendAt, seq: emissionSeq, offset: sourceOffset };
}

/** Rows of `beacons`, one for each record. */
export function beaconRows(records: readonly BeaconRow[], writer: Writer): TableRows {
  return { target: beacons.target, rows: records.map((beacon) => beacons.rowOf({ writer, beacon })) };
}

/** `reason` of a provisional row. */
export const OPEN_REASON = 'open';

/** Rows of `open_sessions`. */
export function openRows(open: readonly OpenRow[], writer: Writer): TableRows {
  const rows = open.map(({ part, playing, appendAt, foldVersion }) =>
    openSessions.rowOf({ writer, part, playing, appendAt, foldVersion, reason: OPEN_REASON, seq: null, offset: null }),
  );
  return { target: openSessions.target, rows };
}
