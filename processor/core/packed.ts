// How streams and open sessions lie in memory: there are many, so every field counts. Times of a part are kept as ms from a whole second,
// since V8 keeps small integers in place and gives any other number a box of its own; what is true or false is a bit; what most
// never need is shared until it is set. To everybody else they are the plain types of state.ts.
import type { SessionContext, SessionError } from '../../schemas/session.ts';
import { textHash } from './hash.ts';
import type { Hole, Line, PendingEvent, Session, Stream, VideoRecord, Visit } from './state.ts';
import type { PlayState } from './transitions.ts';

const ID_SEED_HIGH = 0x811c9dc5;
const ID_SEED_LOW = 0x9747b28c;

/** Shared by all that hold nothing; whoever adds to it makes another. */
const NOTHING: readonly never[] = Object.freeze([]);
const nothing = <T>(): T[] => NOTHING as readonly T[] as T[];

/** A stream that has seen nothing yet. Its session id is the end of its key. */
export class PackedStream implements Stream {
  readonly key: string;
  readonly site: string;
  readonly idHigh: number;
  readonly idLow: number;
  nextSeq = 0;
  holes: Hole[] = nothing();
  forgottenBelow = 0;
  seqHashes: number[] = nothing();
  recentEvents: number[] = nothing();
  recentAt = 0;
  pending: PendingEvent[] = nothing();
  held: PendingEvent[] = nothing();
  videos: VideoRecord[] = nothing();
  visits: readonly Visit[] = nothing();
  currentVideo = '';
  sessions: Session[] = nothing();
  lastAtActive: number;
  heldDuplicates = 0;
  heldConflicts = 0;
  dormant = false;
  timerAt = -1;

  constructor(key: string, site: string, activeTime: number) {
    this.key = key;
    this.site = site;
    const prefix = `${key}/`;
    // Signed: half of all unsigned 32-bit numbers would need a box.
    this.idHigh = textHash(ID_SEED_HIGH, prefix) | 0;
    this.idLow = textHash(ID_SEED_LOW, prefix) | 0;
    this.lastAtActive = activeTime;
  }

  get session(): string {
    return this.key.slice(this.site.length + 1);
  }
}

const ATTEMPTED = 1;
const PLAYED = 2;
const ENDED = 4;
const SEEK_PENDING = 8;
const FAILED_BEFORE_START = 16;
const FAILED_AFTER_START = 32;
const CHANGED = 64;
const SEALED = 128;
const FILLER = 256;

const SECOND_MS = 1_000;
/** Stands for the time -1, which is none. */
const NO_TIME = -0x4000_0000;

/** What is set only where the door tells of renditions, stalls or seeks. */
const createQuality = () => ({
  stallAt: -1,
  stalls: 0,
  stallMs: 0,
  seeks: 0,
  bitrateKbps: -1,
  bitrateKbpsMs: 0,
  bitrateKnownMs: 0,
  switchesUp: 0,
  switchesDown: 0,
});
/** What is set only where something was lost, came twice, came late or met a limit. */
const createMishaps = () => ({ lost: 0, duplicates: 0, late: 0, conflicts: 0, limitHits: 0, mergedMs: 0 });

type Quality = ReturnType<typeof createQuality>;
type Mishaps = ReturnType<typeof createMishaps>;
/** Shared by all parts that have set none of it: never written to. */
const NO_QUALITY: Quality = createQuality();
const NO_MISHAPS: Mishaps = createMishaps();

/** A part that has folded nothing yet. */
export class PackedSession implements Session {
  video: VideoRecord;
  stream: Stream;
  context: SessionContext;
  part: number;
  state: PlayState = 'idle';
  openedAtActive: number;
  lastAtActive: number;
  startupMs = -1;
  rateMilli = 1_000;
  rateHighestMilli = 1_000;
  anchorMs = -1;
  anchorRateMilli = 1_000;
  openFromMs = -1;
  openToMs = -1;
  sections: number[] = nothing();
  run = -1;
  contiguousAtMs = -1;
  errors: SessionError[] = nothing();
  received = 0;
  seqHighest = -1;
  private bits: number;
  /** Event time that the times below are counted from, whole seconds since 1970. */
  private readonly baseSeconds: number;
  private firstMs: number;
  private nowMs: number;
  private attemptMs = NO_TIME;
  private anchorSinceMs: number;
  private openMs = NO_TIME;
  private checksumHigh32 = 0;
  private checksumLow32 = 0;
  private quality: Quality = NO_QUALITY;
  private mishaps: Mishaps = NO_MISHAPS;

  constructor(
    stream: Stream,
    video: VideoRecord,
    context: SessionContext,
    { line, part, nowAt, activeTime }: { line: Line; part: number; nowAt: number; activeTime: number },
  ) {
    this.stream = stream;
    this.video = video;
    this.context = context;
    this.part = part;
    this.openedAtActive = activeTime;
    this.lastAtActive = activeTime;
    this.bits = line === 'filler' ? FILLER : 0;
    this.baseSeconds = Math.floor(nowAt / SECOND_MS);
    this.firstMs = this.since(nowAt);
    this.nowMs = this.firstMs;
    this.anchorSinceMs = this.firstMs;
  }

  private since(at: number): number {
    return at === -1 ? NO_TIME : at - this.baseSeconds * SECOND_MS;
  }

  private at(sinceMs: number): number {
    return sinceMs === NO_TIME ? -1 : this.baseSeconds * SECOND_MS + sinceMs;
  }

  private set(bit: number, value: boolean): void {
    this.bits = value ? this.bits | bit : this.bits & ~bit;
  }

  private ownQuality(): Quality {
    if (this.quality === NO_QUALITY) this.quality = createQuality();
    return this.quality;
  }

  private ownMishaps(): Mishaps {
    if (this.mishaps === NO_MISHAPS) this.mishaps = createMishaps();
    return this.mishaps;
  }

  get line(): Line {
    return (this.bits & FILLER) === 0 ? 'main' : 'filler';
  }

  get firstAt(): number {
    return this.at(this.firstMs);
  }
  set firstAt(at: number) {
    this.firstMs = this.since(at);
  }

  get nowAt(): number {
    return this.at(this.nowMs);
  }
  set nowAt(at: number) {
    this.nowMs = this.since(at);
  }

  get attemptAt(): number {
    return this.at(this.attemptMs);
  }
  set attemptAt(at: number) {
    this.attemptMs = this.since(at);
  }

  get anchorAt(): number {
    return this.at(this.anchorSinceMs);
  }
  set anchorAt(at: number) {
    this.anchorSinceMs = this.since(at);
  }

  get openAt(): number {
    return this.at(this.openMs);
  }
  set openAt(at: number) {
    this.openMs = this.since(at);
  }

  get attempted(): boolean {
    return (this.bits & ATTEMPTED) !== 0;
  }
  set attempted(value: boolean) {
    this.set(ATTEMPTED, value);
  }

  get played(): boolean {
    return (this.bits & PLAYED) !== 0;
  }
  set played(value: boolean) {
    this.set(PLAYED, value);
  }

  get ended(): boolean {
    return (this.bits & ENDED) !== 0;
  }
  set ended(value: boolean) {
    this.set(ENDED, value);
  }

  get seekPending(): boolean {
    return (this.bits & SEEK_PENDING) !== 0;
  }
  set seekPending(value: boolean) {
    this.set(SEEK_PENDING, value);
  }

  get failedBeforeStart(): boolean {
    return (this.bits & FAILED_BEFORE_START) !== 0;
  }
  set failedBeforeStart(value: boolean) {
    this.set(FAILED_BEFORE_START, value);
  }

  get failedAfterStart(): boolean {
    return (this.bits & FAILED_AFTER_START) !== 0;
  }
  set failedAfterStart(value: boolean) {
    this.set(FAILED_AFTER_START, value);
  }

  get changed(): boolean {
    return (this.bits & CHANGED) !== 0;
  }
  set changed(value: boolean) {
    this.set(CHANGED, value);
  }

  get sealed(): boolean {
    return (this.bits & SEALED) !== 0;
  }
  set sealed(value: boolean) {
    this.set(SEALED, value);
  }

  get checksumHigh(): number {
    return this.checksumHigh32 >>> 0;
  }
  set checksumHigh(value: number) {
    this.checksumHigh32 = value | 0;
  }

  get checksumLow(): number {
    return this.checksumLow32 >>> 0;
  }
  set checksumLow(value: number) {
    this.checksumLow32 = value | 0;
  }

  get stallAt(): number {
    return this.quality.stallAt;
  }
  set stallAt(value: number) {
    if (value !== this.quality.stallAt) this.ownQuality().stallAt = value;
  }

  get stalls(): number {
    return this.quality.stalls;
  }
  set stalls(value: number) {
    if (value !== this.quality.stalls) this.ownQuality().stalls = value;
  }

  get stallMs(): number {
    return this.quality.stallMs;
  }
  set stallMs(value: number) {
    if (value !== this.quality.stallMs) this.ownQuality().stallMs = value;
  }

  get seeks(): number {
    return this.quality.seeks;
  }
  set seeks(value: number) {
    if (value !== this.quality.seeks) this.ownQuality().seeks = value;
  }

  get bitrateKbps(): number {
    return this.quality.bitrateKbps;
  }
  set bitrateKbps(value: number) {
    if (value !== this.quality.bitrateKbps) this.ownQuality().bitrateKbps = value;
  }

  get bitrateKbpsMs(): number {
    return this.quality.bitrateKbpsMs;
  }
  set bitrateKbpsMs(value: number) {
    if (value !== this.quality.bitrateKbpsMs) this.ownQuality().bitrateKbpsMs = value;
  }

  get bitrateKnownMs(): number {
    return this.quality.bitrateKnownMs;
  }
  set bitrateKnownMs(value: number) {
    if (value !== this.quality.bitrateKnownMs) this.ownQuality().bitrateKnownMs = value;
  }

  get switchesUp(): number {
    return this.quality.switchesUp;
  }
  set switchesUp(value: number) {
    if (value !== this.quality.switchesUp) this.ownQuality().switchesUp = value;
  }

  get switchesDown(): number {
    return this.quality.switchesDown;
  }
  set switchesDown(value: number) {
    if (value !== this.quality.switchesDown) this.ownQuality().switchesDown = value;
  }

  get lost(): number {
    return this.mishaps.lost;
  }
  set lost(value: number) {
    if (value !== this.mishaps.lost) this.ownMishaps().lost = value;
  }

  get duplicates(): number {
    return this.mishaps.duplicates;
  }
  set duplicates(value: number) {
    if (value !== this.mishaps.duplicates) this.ownMishaps().duplicates = value;
  }

  get late(): number {
    return this.mishaps.late;
  }
  set late(value: number) {
    if (value !== this.mishaps.late) this.ownMishaps().late = value;
  }

  get conflicts(): number {
    return this.mishaps.conflicts;
  }
  set conflicts(value: number) {
    if (value !== this.mishaps.conflicts) this.ownMishaps().conflicts = value;
  }

  get limitHits(): number {
    return this.mishaps.limitHits;
  }
  set limitHits(value: number) {
    if (value !== this.mishaps.limitHits) this.ownMishaps().limitHits = value;
  }

  get mergedMs(): number {
    return this.mishaps.mergedMs;
  }
  set mergedMs(value: number) {
    if (value !== this.mishaps.mergedMs) this.ownMishaps().mergedMs = value;
  }
}
