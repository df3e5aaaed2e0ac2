// What the fold can be told: durations in log-active time and limits. Limits are per partition or smaller and never depend on the
// machine, or ownership would change results (D33). Every limit has a counter of the same name in the state (V13).

import type { Protocol } from '../../schemas/beacon.ts';
import { BACKDATE_DEFAULT_MAX_MS, SURFACE_TIMES, type SurfaceTimes } from '../../schemas/surfaces.ts';

/** Settings of one partition's fold. Times in ms of log-active time; limits are counts. Source: design.md section 4. */
export type FoldSettings = {
  /** Silence after which a session is sealed. */
  idleGapMs: number;
  /** Wait for stragglers after `leave`. */
  leaveLingerMs: number;
  /** Wait after `ended`: the viewer may play again. */
  endedLingerMs: number;
  /** Wait for a missing sequence number: longer than stepCapMs, or the first record after an outage would give it up before its retry comes. */
  graceMs: number;
  /** Longest life of a session. */
  ageMaxMs: number;
  /** A client time further behind receipt than this is not believed (D15). */
  backdateMaxMs: number;
  /** What surfaces set otherwise. */
  surfaces: Readonly<Partial<Record<Protocol, Readonly<SurfaceTimes>>>>;
  /** The most that one record may add to log-active time (D13): three ticks. */
  stepCapMs: number;
  /** How long a sealed session is remembered so that its copies do not count again (D17). */
  tombstoneMs: number;
  /** A session that is silent for longer is no longer counted as a live viewer, unless its door has no heartbeats. */
  liveSilenceMs: number;
  /** Watch sections of a session part. */
  sectionsMax: number;
  /** Events of a stream held back behind a missing number. */
  pendingEventsMax: number;
  /** Stretches of given up numbers remembered for a stream. */
  holesMax: number;
  /** How far a sequence number may lie above the next expected one. */
  seqJumpMax: number;
  /** Recent unnumbered events of a stream remembered to recognise copies. */
  recentEventsMax: number;
  /** Videos of one stream. */
  videosPerStreamMax: number;
  /** Parts of one session: itself and its supplements. */
  partsMax: number;
  /** Events in one part; the next one seals it by size. */
  partEventsMax: number;
  /** Distinct (code, fatal) pairs kept in a part. */
  errorsMax: number;
  /** Keys of a session's merged metadata. */
  metaKeysMax: number;
  /** Open session parts of a partition; beyond, the longest silent ones are sealed by size. */
  openSessionsMax: number;
  /** Streams of a partition of which only the tombstone is left; beyond, the oldest are forgotten. */
  tombstonesMax: number;
};

export const FOLD_SETTINGS_DEFAULT: Readonly<FoldSettings> = Object.freeze({
  idleGapMs: 1_800_000,
  leaveLingerMs: 10_000,
  endedLingerMs: 300_000,
  graceMs: 15_000,
  ageMaxMs: 86_400_000,
  backdateMaxMs: BACKDATE_DEFAULT_MAX_MS,
  surfaces: SURFACE_TIMES,
  stepCapMs: 6_000,
  tombstoneMs: 21_600_000,
  liveSilenceMs: 120_000,
  sectionsMax: 1_000,
  pendingEventsMax: 512,
  holesMax: 64,
  seqJumpMax: 1_000_000,
  recentEventsMax: 512,
  videosPerStreamMax: 100,
  partsMax: 1_000,
  partEventsMax: 200_000,
  errorsMax: 32,
  metaKeysMax: 64,
  openSessionsMax: 50_000,
  tombstonesMax: 50_000,
});

/** Limits whose reaching is counted per partition; names are those of FoldSettings. */
export const LIMIT_NAMES = [
  'sectionsMax',
  'pendingEventsMax',
  'holesMax',
  'seqJumpMax',
  'recentEventsMax',
  'videosPerStreamMax',
  'partsMax',
  'partEventsMax',
  'errorsMax',
  'metaKeysMax',
  'openSessionsMax',
  'tombstonesMax',
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** Settings that a control record may change, for all, for a site, for a protocol or for both. */
export const CONTROLLED_SETTINGS = ['idleGapMs', 'leaveLingerMs', 'endedLingerMs', 'graceMs', 'ageMaxMs', 'backdateMaxMs'] as const;
export type ControlledSetting = (typeof CONTROLLED_SETTINGS)[number];

/** The largest value a control record may set: a week. */
export const CONTROLLED_MS_MAX = 604_800_000;

/** The settings that control records may change; -1 = not set at this place. */
export type ControlledValues = Record<ControlledSetting, number>;

/** Where effective settings are looked for: `overrides` by site, then protocol, '' = every one. */
export type SettingsSource = { settings: FoldSettings; overrides: Map<string, Map<string, ControlledValues>> };

/**
 * The value in force for a site and protocol: the most specific control record that sets it, (site, protocol), then site, then protocol,
 * then all; else what the surface sets, else what all have, or `unset`.
 */
export function settingOf(source: SettingsSource, name: ControlledSetting, site: string, protocol: string, unset?: number): number {
  if (source.overrides.size > 0) {
    const ofSite = source.overrides.get(site);
    const ofAll = source.overrides.get('');
    for (const values of [ofSite?.get(protocol), ofSite?.get(''), ofAll?.get(protocol), ofAll?.get('')]) {
      if (values !== undefined && values[name] >= 0) return values[name];
    }
  }
  return surfaceSetting(source.settings, name, protocol) ?? unset ?? source.settings[name];
}

const surfaceSetting = ({ surfaces }: FoldSettings, name: ControlledSetting, protocol: string): number | undefined =>
  (surfaces[protocol as Protocol] as Partial<ControlledValues> | undefined)?.[name];
