// What must always hold (SPEC.md, V1 to V13), as assertions: after every step in tests, sampled in production. A failure is a bug: it is
// thrown as an Error with code ERR_INVARIANT, and whoever runs the fold stops that partition.
import type { SessionPart } from '../../schemas/session.ts';
import { boundOf } from './context.ts';
import { streamDeadline } from './deadlines.ts';
import { rateUntoldMilli, silentCreditMs } from './doors.ts';
import { stampOfHeld } from './held.ts';
import type { Output } from './outputs.ts';
import type { PartitionState } from './partition.ts';
import { ADVANCE_TOLERANCE_DIVISOR, CLOCKLESS_TOLERANCE_MS } from './proof.ts';
import { provisionalOf } from './seal.ts';
import { SECTION_WIDTH, totalMs, unionOf } from './sections.ts';
import type { Session, State, Stream } from './state.ts';
import { isWaiting } from './stream.ts';
import { isInstant } from './time.ts';

function check(holds: boolean, number: string, detail: () => string): void {
  if (!holds) throw Object.assign(new Error(`${number}: ${detail()}`), { code: 'ERR_INVARIANT' });
}

/** V1 to V3, V10: a part's sections and figures, sealed or provisional. */
export function assertPart(part: SessionPart): void {
  const name = (): string => `${part.site}/${part.session} ${part.video} part ${part.part}`;
  const boundMs = boundOf(part.context);
  for (const { fromMs, toMs, run } of part.sections) {
    const fits =
      Number.isSafeInteger(fromMs) && Number.isSafeInteger(toMs) && 0 <= fromMs && fromMs < toMs && (boundMs < 0 || toMs <= boundMs);
    check(fits && run >= 0, 'V1', () => `${name()} has section [${fromMs}, ${toMs}) of ${boundMs}`);
  }
  const union = unionOf(part.sections);
  union.forEach((stretch, i) => {
    check(i === 0 || (union[i - 1]?.toMs ?? 0) < stretch.fromMs, 'V2', () => `${name()} has a union that touches`);
  });
  check(part.uniqueWatchMs <= totalMs(union) && part.uniqueWatchMs <= part.totalWatchMs, 'V3', () => `${name()}: unique above total`);
  const once = [part.attempts, part.plays, part.completions, part.startFailures, part.playbackFailures, part.exitsBeforeStart];
  check(
    once.every((figure) => figure === 0 || figure === 1),
    'V10',
    () => `${name()} counts ${once.join()}`,
  );
  const counts = [
    part.received,
    part.lost,
    part.duplicates,
    part.late,
    part.conflicts,
    part.stalls,
    part.stallMs,
    part.seeks,
    part.totalWatchMs,
  ];
  check(
    counts.every((figure) => Number.isSafeInteger(figure) && figure >= 0),
    'V13',
    () => `${name()} counts ${counts.join()}`,
  );
  check(isInstant(part.startedAt) && part.endedAt >= part.startedAt, 'V3', () => `${name()} ends before it starts`);
}

/** V3 in full: what an open part was credited, against the time that passed. Merged sections can no longer be told apart. */
export function assertSession(session: Session): void {
  assertPart(provisionalOf(session).part);
  const { sections } = session;
  const rateHighestMilli = Math.max(session.rateHighestMilli, rateUntoldMilli(session.context.protocol));
  if (session.limitHits > 0) return;
  let creditedMs = session.openFromMs < 0 ? 0 : session.openToMs - session.openFromMs;
  for (let i = 0; i < sections.length; i += SECTION_WIDTH) creditedMs += (sections[i + 2] as number) - (sections[i + 1] as number);
  const elapsedMs = session.nowAt - session.firstAt + silentCreditMs(session.context.protocol);
  const playableMs = Math.ceil((elapsedMs * rateHighestMilli) / 1_000);
  const toleranceMs = Math.ceil(playableMs / ADVANCE_TOLERANCE_DIVISOR) + (sections.length / SECTION_WIDTH + 1) * CLOCKLESS_TOLERANCE_MS;
  check(creditedMs <= playableMs + toleranceMs, 'V3', () => `${session.stream.key} was credited ${creditedMs} ms in ${elapsedMs} ms`);
}

/** Everything that must hold of a partition between two records. Costs a walk over all streams. */
export function assertPartition(state: PartitionState): void {
  const { ledger } = state;
  const settled = ledger.folded + ledger.late + ledger.dead + ledger.duplicates + ledger.waiting;
  check(ledger.eventsInLog === settled, 'A2', () => `${ledger.eventsInLog} events in the log, ${settled} accounted for`);
  check(state.activeTime >= 0 && state.streamTime >= -1, 'V9', () => `clocks at ${state.streamTime} and ${state.activeTime}`);
  let waiting = 0;
  let open = 0;
  let tombstones = 0;
  for (const stream of state.streams.values()) {
    assertStream(state, stream);
    waiting += stream.pending.filter(({ event }) => event !== null).length + stream.held.length;
    open += stream.sessions.length;
    if (stream.dormant) tombstones++;
  }
  const counted = [ledger.waiting, state.openSessions, state.tombstones].join();
  check(counted === [waiting, open, tombstones].join(), 'A2', () => `counted ${counted}, found ${waiting},${open},${tombstones}`);
  check(
    Object.values(state.limits).every((times) => times >= 0),
    'V13',
    () => 'a limit counts below zero',
  );
}

function assertStream(state: State, stream: Stream): void {
  const { key, nextSeq, pending, held, holes, sessions } = stream;
  check(state.streams.get(key) === stream, 'C2', () => `${key} is not where it belongs`);
  const heldMost = Math.max(pending.length, held.length);
  check(heldMost <= state.settings.pendingEventsMax, 'V13', () => `${key} holds back ${heldMost}`);
  held.forEach((each, i) => {
    const inOrder = stampOfHeld(each) >= stampOfHeld(held[i - 1] ?? each);
    check(inOrder && each.seq < 0, 'V5', () => `${key} holds event ${i} back out of order`);
  });
  check(holes.length <= state.settings.holesMax, 'V13', () => `${key} has ${holes.length} holes`);
  pending.forEach(({ seq }, i) => {
    check(seq > (pending[i - 1]?.seq ?? nextSeq), 'V5', () => `${key} holds back ${seq} out of order`);
  });
  holes.forEach(({ from, to }, i) => {
    check(from < to && to <= nextSeq && from >= (holes[i - 1]?.to ?? 0), 'V5', () => `${key} has hole [${from}, ${to})`);
  });
  check(stream.dormant === (sessions.length === 0 && !isWaiting(stream)), 'V8', () => `${key} is wrong about its tombstone`);
  const deadline = streamDeadline(state, stream);
  check(stream.timerAt !== -1 && stream.timerAt <= deadline, 'V9', () => `${key} is due at ${deadline}, looked at by ${stream.timerAt}`);
  for (const session of sessions) {
    const twin = sessions.find((other) => other !== session && other.video === session.video && other.line === session.line);
    check(twin === undefined && !session.sealed && session.part < session.video.nextPart, 'V11', () => `${key} has twins`);
    assertSession(session);
  }
}

/** V12: numbers go on from `before` without gap; V11: at most one seal of a part in one step; sealed parts hold V1 to V3. */
export function assertOutputs(before: number, outputs: readonly Output[]): void {
  const sealed = new Set<string>();
  outputs.forEach((output, i) => {
    check(output.emissionSeq === before + i + 1, 'V12', () => `emission ${output.emissionSeq} after ${before + i}`);
    if (output.kind !== 'sealed') return;
    const { site, session, video, part } = output.part;
    const key = JSON.stringify([site, session, video, part]);
    check(!sealed.has(key), 'V11', () => `${key} is sealed twice`);
    sealed.add(key);
    assertPart(output.part);
  });
}
