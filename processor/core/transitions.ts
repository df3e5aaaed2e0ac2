// The states of playback and what each event does in each of them: SPEC.md's transition table, as code. A missing cell does not compile.
import type { EventType } from '../../schemas/beacon.ts';

/** States of playback (ST1 to ST9), in the order of the Avro snapshot. */
export const PLAY_STATES = ['idle', 'starting', 'playing', 'paused', 'stalled', 'seeking', 'ended', 'failed', 'left'] as const;
export type PlayState = (typeof PLAY_STATES)[number];

/** An event as the table sees it: a fatal error is a column of its own. */
export type Input = EventType | 'fatal';

/** What happens beside the change of state; session.ts has one function for each. */
export type Action =
  | 'none'
  | 'ask'
  | 'start'
  | 'goOn'
  | 'halt'
  | 'stall'
  | 'seekAway'
  | 'seekStill'
  | 'retime'
  | 'switch'
  | 'count'
  | 'fail'
  | 'finish'
  | 'depart'
  | 'custom';

export type Cell = readonly [next: PlayState, action: Action];

/** What an event does where the state has no say. */
const aside = (
  state: PlayState,
): Record<'unknown' | 'rate' | 'quality' | 'error' | 'fullscreen' | 'volume' | 'captions' | 'ad' | 'custom', Cell> => ({
  unknown: [state, 'none'],
  rate: [state, 'retime'],
  quality: [state, 'switch'],
  error: [state, 'count'],
  fullscreen: [state, 'none'],
  volume: [state, 'none'],
  captions: [state, 'none'],
  ad: [state, 'none'],
  custom: [state, 'custom'],
});

export const TRANSITIONS: Readonly<Record<PlayState, Readonly<Record<Input, Cell>>>> = {
  idle: {
    ...aside('idle'),
    attempt: ['starting', 'ask'],
    playing: ['playing', 'start'],
    pause: ['idle', 'none'],
    heartbeat: ['idle', 'none'],
    seek: ['idle', 'seekStill'],
    stall_start: ['idle', 'none'],
    stall_end: ['idle', 'none'],
    fatal: ['failed', 'fail'],
    ended: ['ended', 'finish'],
    leave: ['left', 'depart'],
  },
  starting: {
    ...aside('starting'),
    attempt: ['starting', 'none'],
    playing: ['playing', 'start'],
    pause: ['starting', 'none'],
    heartbeat: ['starting', 'none'],
    seek: ['starting', 'seekStill'],
    stall_start: ['starting', 'none'],
    stall_end: ['starting', 'none'],
    fatal: ['failed', 'fail'],
    ended: ['ended', 'finish'],
    leave: ['left', 'depart'],
  },
  playing: {
    ...aside('playing'),
    attempt: ['playing', 'none'],
    playing: ['playing', 'goOn'],
    pause: ['paused', 'halt'],
    heartbeat: ['playing', 'none'],
    seek: ['seeking', 'seekAway'],
    stall_start: ['stalled', 'stall'],
    stall_end: ['playing', 'none'],
    fatal: ['failed', 'fail'],
    ended: ['ended', 'finish'],
    leave: ['left', 'depart'],
  },
  paused: {
    ...aside('paused'),
    attempt: ['paused', 'none'],
    playing: ['playing', 'start'],
    pause: ['paused', 'none'],
    heartbeat: ['paused', 'none'],
    seek: ['paused', 'seekStill'],
    stall_start: ['paused', 'none'],
    stall_end: ['paused', 'none'],
    fatal: ['failed', 'fail'],
    ended: ['ended', 'finish'],
    leave: ['left', 'depart'],
  },
  stalled: {
    ...aside('stalled'),
    attempt: ['stalled', 'none'],
    playing: ['playing', 'start'],
    pause: ['paused', 'halt'],
    heartbeat: ['stalled', 'none'],
    seek: ['seeking', 'seekAway'],
    stall_start: ['stalled', 'none'],
    stall_end: ['playing', 'start'],
    fatal: ['failed', 'fail'],
    ended: ['ended', 'finish'],
    leave: ['left', 'depart'],
  },
  seeking: {
    ...aside('seeking'),
    attempt: ['seeking', 'none'],
    playing: ['playing', 'start'],
    pause: ['paused', 'halt'],
    heartbeat: ['seeking', 'none'],
    seek: ['seeking', 'seekStill'],
    stall_start: ['seeking', 'none'],
    stall_end: ['seeking', 'none'],
    fatal: ['failed', 'fail'],
    ended: ['ended', 'finish'],
    leave: ['left', 'depart'],
  },
  ended: {
    ...aside('ended'),
    attempt: ['ended', 'none'],
    playing: ['playing', 'start'],
    pause: ['ended', 'none'],
    heartbeat: ['ended', 'none'],
    seek: ['paused', 'seekStill'],
    stall_start: ['ended', 'none'],
    stall_end: ['ended', 'none'],
    fatal: ['failed', 'fail'],
    ended: ['ended', 'none'],
    leave: ['left', 'depart'],
  },
  failed: {
    ...aside('failed'),
    attempt: ['starting', 'ask'],
    playing: ['playing', 'start'],
    pause: ['failed', 'none'],
    heartbeat: ['failed', 'none'],
    seek: ['failed', 'seekStill'],
    stall_start: ['failed', 'none'],
    stall_end: ['failed', 'none'],
    fatal: ['failed', 'count'],
    ended: ['ended', 'finish'],
    leave: ['left', 'depart'],
  },
  left: {
    ...aside('paused'),
    attempt: ['starting', 'ask'],
    playing: ['playing', 'start'],
    pause: ['paused', 'none'],
    heartbeat: ['paused', 'none'],
    seek: ['paused', 'seekStill'],
    stall_start: ['paused', 'none'],
    stall_end: ['paused', 'none'],
    fatal: ['failed', 'fail'],
    ended: ['ended', 'finish'],
    leave: ['left', 'none'],
  },
};
