// One viewing as it was, whoever may tell of it: what the viewer did, when, and which parts of the video were on the screen. Knows nothing of
// beacons, doors or the fold.

/** What the viewer does, or what happens to them; times in ms, positions in ms of the video. */
type Act =
  | { act: 'startup'; forMs: number }
  | { act: 'play'; forMs: number }
  | { act: 'seek'; toMs: number; takesMs: number }
  | { act: 'stall'; forMs: number }
  | { act: 'pause'; forMs: number; meanwhile: readonly ('fullscreen' | 'captions')[] }
  | { act: 'leave'; afterMs: number };

export type MomentKind =
  | 'asked'
  | 'firstFrame'
  | 'paused'
  | 'resumed'
  | 'seeking'
  | 'seeked'
  | 'stalled'
  | 'unstalled'
  | 'fullscreen'
  | 'captions'
  | 'ended'
  | 'left';

/** Something a player notices. `atMs` since the viewing began; `fromMs` = where a seek came from. */
export type Moment = { kind: MomentKind; atMs: number; positionMs: number; fromMs: number };
export type Stretch = { fromMs: number; toMs: number };

export const VIDEO_MS = 300_000;

/** A viewing that has everything: jumps forth and back, a stall, parts seen twice, a pause, the end. */
const ACTS: readonly Act[] = [
  { act: 'startup', forMs: 800 },
  { act: 'play', forMs: 62_300 },
  { act: 'seek', toMs: 120_500, takesMs: 400 },
  { act: 'play', forMs: 31_100 },
  { act: 'stall', forMs: 3_000 },
  { act: 'play', forMs: 17_700 },
  { act: 'seek', toMs: 30_200, takesMs: 700 },
  { act: 'play', forMs: 41_000 },
  { act: 'pause', forMs: 21_000, meanwhile: ['fullscreen', 'captions'] },
  { act: 'play', forMs: 21_600 },
  { act: 'seek', toMs: 277_900, takesMs: 500 },
  { act: 'play', forMs: 22_100 },
  { act: 'leave', afterMs: 2_500 },
];

/** The video's place at one time: it stands where it is unless it plays. */
type Leg = { atMs: number; fromMs: number; playsMs: number };

export type Viewing = {
  moments: readonly Moment[];
  /** What was on the screen between two seeks, in the order seen. */
  stretches: readonly Stretch[];
  totalMs: number;
  uniqueMs: number;
  startupMs: number;
  stalls: number;
  stallMs: number;
  seeks: number;
  endsAtMs: number;
  positionAt(atMs: number): number;
  isPlayingAt(atMs: number): boolean;
};

/** Lives the viewing through. */
export function liveViewing(acts: readonly Act[] = ACTS): Viewing {
  const moments: Moment[] = [];
  const legs: Leg[] = [];
  const stretches: { fromMs: number; toMs: number }[] = [];
  let atMs = 0;
  let positionMs = 0;
  let resumes: MomentKind = 'firstFrame';
  const note = (kind: MomentKind, fromMs = -1): void => void moments.push({ kind, atMs, positionMs, fromMs });
  const stand = (ms: number): void => {
    legs.push({ atMs, fromMs: positionMs, playsMs: 0 });
    atMs += ms;
  };
  for (const act of acts) {
    if (act.act === 'startup') {
      note('asked');
      stretches.push({ fromMs: 0, toMs: 0 });
      stand(act.forMs);
    } else if (act.act === 'play') {
      note(resumes);
      legs.push({ atMs, fromMs: positionMs, playsMs: act.forMs });
      atMs += act.forMs;
      positionMs += act.forMs;
      (stretches.at(-1) as { toMs: number }).toMs = positionMs;
      if (positionMs === VIDEO_MS) note('ended');
    } else if (act.act === 'seek') {
      const fromMs = positionMs;
      positionMs = act.toMs;
      note('seeking', fromMs);
      stretches.push({ fromMs: act.toMs, toMs: act.toMs });
      stand(act.takesMs);
      resumes = 'seeked';
    } else if (act.act === 'stall') {
      note('stalled');
      stand(act.forMs);
      resumes = 'unstalled';
    } else if (act.act === 'pause') {
      note('paused');
      for (const kind of act.meanwhile) {
        stand(act.forMs / (act.meanwhile.length + 1));
        note(kind);
      }
      stand(act.forMs / (act.meanwhile.length + 1));
      resumes = 'resumed';
    } else {
      stand(act.afterMs);
      note('left');
    }
  }
  const legAt = (ms: number): Leg => legs.findLast((leg) => leg.atMs <= ms) ?? (legs[0] as Leg);
  const sum = (kind: Act['act']): number => acts.reduce((total, act) => total + (act.act === kind && 'forMs' in act ? act.forMs : 0), 0);
  return {
    moments,
    stretches,
    totalMs: sum('play'),
    uniqueMs: secondsSeen(stretches),
    startupMs: sum('startup'),
    stalls: acts.filter(({ act }) => act === 'stall').length,
    stallMs: sum('stall'),
    seeks: acts.filter(({ act }) => act === 'seek').length,
    endsAtMs: atMs,
    positionAt(ms) {
      const leg = legAt(ms);
      return leg.fromMs + Math.min(leg.playsMs, Math.max(0, ms - leg.atMs));
    },
    isPlayingAt(ms) {
      const leg = legAt(ms);
      return leg.playsMs > 0 && ms < leg.atMs + leg.playsMs;
    },
  };
}

/** How much of the video was seen at least once, ms: counted tenth by tenth of a second, which every position of the script is a multiple of. */
function secondsSeen(stretches: readonly Stretch[]): number {
  const STEP_MS = 100;
  let seen = 0;
  for (let at = 0; at < VIDEO_MS; at += STEP_MS) if (stretches.some(({ fromMs, toMs }) => fromMs <= at && at < toMs)) seen += STEP_MS;
  return seen;
}
