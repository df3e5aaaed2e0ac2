// A scripted PeerTube player: what it sends while somebody plays and seeks, and what a server that believes every position has seen of it.
// Built from the description of the wire, with a clock of its own.

/** What the viewer does: play to a second of the media, or seek to one. */
export type ViewerAct = { play: number } | { seek: number; flagged: boolean };

export type BeatSent = { currentTime: number; viewEvent?: 'seek'; sessionId: string };
export type WatchedSection = { fromS: number; toS: number };

/** Seconds between two beats while the position moves. */
const INTERVAL_S = 5;

/**
 * Beats of a viewing that begins at `startS`: one at the start, one for every five seconds played, one at the end of the video. A seek is told
 * with the next beat.
 */
export function beatsOf(options: { sessionId: string; startS: number; durationS: number; acts: readonly ViewerAct[] }): BeatSent[] {
  const { sessionId, durationS } = options;
  const beats: BeatSent[] = [{ currentTime: options.startS, sessionId }];
  let position = options.startS;
  let sincePlayed = 0;
  let flagged = false;
  const send = (): void => {
    beats.push({ currentTime: position, ...(flagged ? { viewEvent: 'seek' } : {}), sessionId });
    flagged = false;
    sincePlayed = 0;
  };
  for (const act of options.acts) {
    if ('seek' in act) {
      position = act.seek;
      flagged ||= act.flagged;
      continue;
    }
    while (position < Math.min(act.play, durationS)) {
      position++;
      sincePlayed++;
      if (position === durationS || sincePlayed === INTERVAL_S) send();
    }
  }
  return beats;
}

/** Sections as PeerTube defines them: a seek or the first beat opens one, a plain beat sets its end. Empty ones do not exist. */
export function sectionsSeen(beats: readonly BeatSent[]): WatchedSection[] {
  const sections: WatchedSection[] = [];
  let open: WatchedSection | undefined;
  for (const { currentTime, viewEvent } of beats) {
    if (open === undefined || viewEvent === 'seek') {
      open = { fromS: currentTime, toS: currentTime };
      sections.push(open);
    } else if (currentTime > open.toS) open.toS = currentTime;
  }
  return sections.filter(({ fromS, toS }) => toS > fromS);
}
