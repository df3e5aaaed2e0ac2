// PartitionState -> bytes of schemas/snapshot.avsc (V7), piece by piece so that the shell can let other partitions run in between. What
// only speeds things up (wheel, publishing queue) is left out. Order is by explicit keys, so equal states give equal bytes.
import type { BeaconContext, EventDetail } from '../../schemas/beacon.ts';
import type { SessionContext } from '../../schemas/session.ts';
import { BytesOut } from './bytes.ts';
import { compareSessions, compareStreams, compareText } from './deadlines.ts';
import type { PartitionState } from './partition.ts';
import { CONTROLLED_SETTINGS, LIMIT_NAMES } from './settings.ts';
import type { BeaconSource, Hole, Line, PendingEvent, Session, State, Stream, VideoRecord, Visit } from './state.ts';
import { LEDGER_NAMES } from './state.ts';
import { PLAY_STATES } from './transitions.ts';
import { FOLD_VERSION } from './version.ts';

/** Layout of the bytes. */
export const SNAPSHOT_VERSION = 1;

/** Lines in the order of the Avro enum. */
export const LINES: readonly Line[] = ['main', 'filler'];

/** Streams are written in this many groups by the hash of their key: sorting all of them at once would take too long. */
const GROUP_BITS = 8;
/** Streams put into their group between two pauses. */
const SORTED_AT_ONCE = 4_096;
/** A piece is handed out when it has reached this size. */
const PIECE_BYTES = 32 * 1024;

/**
 * The canonical bytes of a state, in pieces; each is overwritten by the next. The state must not be changed before the last piece is out.
 * An empty piece is only an opportunity to pause.
 */
export function* writeSnapshot(state: PartitionState): Generator<Uint8Array, void> {
  const out = new BytesOut();
  writeHead(out, state);
  const withVisits: Stream[] = [];
  const groups = Array.from({ length: 2 ** GROUP_BITS }, (): Stream[] => []);
  let sorted = 0;
  for (const stream of state.streams.values()) {
    (groups[stream.idHigh >>> (32 - GROUP_BITS)] as Stream[]).push(stream);
    if (++sorted % SORTED_AT_ONCE === 0) yield out.take();
  }
  for (const group of groups) {
    if (group.length === 0) continue;
    group.sort(compareHashed);
    out.long(group.length);
    for (const stream of group) {
      writeStream(out, stream);
      if (stream.visits.length > 0) withVisits.push(stream);
      if (out.length >= PIECE_BYTES) yield out.take();
    }
  }
  out.long(0);
  for (const stream of withVisits) {
    out.long(1);
    writeVisits(out, stream);
    if (out.length >= PIECE_BYTES) yield out.take();
  }
  out.long(0);
  yield out.take();
}

/** The order of streams in a snapshot: by the hash of their key. */
const compareHashed = (a: Stream, b: Stream): number => a.idHigh - b.idHigh || a.idLow - b.idLow || compareStreams(a, b);

function writeHead(out: BytesOut, state: State): void {
  out.long(SNAPSHOT_VERSION);
  out.long(FOLD_VERSION);
  out.long(state.streamTime);
  out.long(state.activeTime);
  out.long(state.emissionSeq);
  for (const name of LEDGER_NAMES) out.long(state.ledger[name]);
  out.array(LIMIT_NAMES, (_, name) => {
    out.text(name);
    out.long(state.limits[name]);
  });
  const overrides = [...state.overrides].flatMap(([site, ofSite]) => [...ofSite].map(([protocol, values]) => ({ site, protocol, values })));
  overrides.sort((a, b) => compareText(a.site, b.site) || compareText(a.protocol, b.protocol));
  out.array(overrides, (_, { site, protocol, values }) => {
    out.text(site);
    out.text(protocol);
    for (const name of CONTROLLED_SETTINGS) out.long(values[name]);
  });
}

function writeStream(out: BytesOut, stream: Stream): void {
  out.text(stream.site);
  out.text(stream.session);
  out.text(stream.currentVideo);
  out.long(stream.nextSeq);
  out.long(stream.forgottenBelow);
  out.long(stream.recentAt);
  out.long(stream.lastAtActive);
  out.long(stream.heldDuplicates);
  out.long(stream.heldConflicts);
  out.array(stream.holes, writeHole);
  out.longs(stream.seqHashes);
  out.longs(stream.recentEvents);
  out.array(stream.held.length > 0 ? [...stream.held, ...stream.pending] : stream.pending, writePending);
  out.array(stream.videos, writeVideo);
  out.array(stream.sessions.length > 1 ? [...stream.sessions].sort(compareSessions) : stream.sessions, writeSession);
}

function writeHole(out: BytesOut, { from, to, video, part }: Hole): void {
  out.long(from);
  out.long(to);
  out.text(video);
  out.long(part);
}

function writeVideo(out: BytesOut, record: VideoRecord): void {
  out.text(record.video);
  out.long(record.startedAt);
  out.long(record.clockShiftMs);
  out.long(record.durationMs);
  out.long(record.live);
  out.long(record.nextPart);
  out.long(record.flags);
}

function writePending(out: BytesOut, { seq, index, arrivedAtActive, contentHash, event, source }: PendingEvent): void {
  out.long(seq);
  out.long(index);
  out.long(arrivedAtActive);
  out.long(contentHash);
  out.long(event === null ? 0 : 1);
  if (event !== null) {
    out.text(event.type);
    out.long(event.seq);
    out.long(event.at);
    out.long(event.positionMs);
    out.long(event.detail === null ? 0 : 1);
    if (event.detail !== null) writeDetail(out, event.detail);
  }
  writeSource(out, source);
}

function writeDetail(out: BytesOut, detail: EventDetail): void {
  out.long(detail.fromMs);
  out.long(detail.toMs);
  out.long(detail.rateMilli);
  out.long(detail.bitrateBps);
  out.long(detail.width);
  out.long(detail.height);
  out.long(detail.levelMilli);
  out.long(detail.flag);
  out.text(detail.code);
  out.text(detail.name);
  out.text(detail.text);
}

function writeSource(out: BytesOut, { video, protocol, receivedAt, sentAt, baseAt, context }: BeaconSource): void {
  out.text(video);
  out.text(protocol);
  out.long(receivedAt);
  out.long(sentAt);
  out.long(baseAt);
  out.long(context === null ? 0 : 1);
  if (context === null) return;
  writeContextStart(out, context);
  out.boolean(context.bot);
  out.text(context.viewer);
  out.text(context.meta);
}

/** What contexts of beacons and of sessions have in common, up to the player's version. */
function writeContextStart(out: BytesOut, context: BeaconContext | SessionContext): void {
  out.text(context.title);
  out.long(context.durationMs);
  out.long(context.live);
  out.text(context.pageHost);
  out.text(context.pagePath);
  out.text(context.referrerHost);
  out.text(context.source);
  out.text(context.medium);
  out.text(context.campaign);
  out.text(context.country);
  out.text(context.region);
  out.text(context.browser);
  out.text(context.platform);
  out.text(context.device);
  out.text(context.playerName);
  out.text(context.playerVersion);
}

/** Field by field, in the order of the schema: quicker than any loop over names. */
function writeSession(out: BytesOut, session: Session): void {
  out.long(session.stream.videos.indexOf(session.video));
  out.long(LINES.indexOf(session.line));
  out.long(PLAY_STATES.indexOf(session.state));
  out.long(session.part);
  out.long(session.openedAtActive);
  out.long(session.lastAtActive);
  out.long(session.firstAt);
  out.long(session.nowAt);
  out.long(session.attemptAt);
  out.long(session.startupMs);
  out.long(session.rateMilli);
  out.long(session.rateHighestMilli);
  out.long(session.anchorMs);
  out.long(session.anchorAt);
  out.long(session.anchorRateMilli);
  out.long(session.openFromMs);
  out.long(session.openToMs);
  out.long(session.openAt);
  out.long(session.run);
  out.long(session.contiguousAtMs);
  out.long(session.mergedMs);
  out.long(session.stallAt);
  out.long(session.stalls);
  out.long(session.stallMs);
  out.long(session.seeks);
  out.long(session.bitrateKbps);
  out.long(session.bitrateKbpsMs);
  out.long(session.bitrateKnownMs);
  out.long(session.switchesUp);
  out.long(session.switchesDown);
  out.long(session.received);
  out.long(session.lost);
  out.long(session.duplicates);
  out.long(session.late);
  out.long(session.conflicts);
  out.long(session.limitHits);
  out.long(session.seqHighest);
  out.long(session.checksumHigh);
  out.long(session.checksumLow);
  out.boolean(session.attempted);
  out.boolean(session.played);
  out.boolean(session.ended);
  out.boolean(session.seekPending);
  out.boolean(session.failedBeforeStart);
  out.boolean(session.failedAfterStart);
  writeSessionEnd(out, session);
}

function writeSessionEnd(out: BytesOut, { sections, errors, context }: Session): void {
  out.longs(sections);
  out.array(errors, (_, { code, fatal, count }) => {
    out.text(code);
    out.boolean(fatal);
    out.long(count);
  });
  writeContextStart(out, context);
  out.text(context.protocol);
  out.boolean(context.bot);
  out.text(context.viewer);
  out.text(context.meta);
}

/** The visits of a stream, beside it: most streams have none. */
function writeVisits(out: BytesOut, { site, session, visits, videos }: Stream): void {
  out.text(site);
  out.text(session);
  out.array(visits, writeVisit);
  out.longs(videos.map(({ visitId }) => visitId));
}

function writeVisit(out: BytesOut, { id, startedAt, lastAt, day, source, over }: Visit): void {
  out.long(id);
  out.long(startedAt);
  out.long(lastAt);
  out.text(day);
  out.text(source);
  out.boolean(over);
}
