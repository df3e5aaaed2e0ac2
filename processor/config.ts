// Settings of the processor, read once in main.ts.
import { type ConfigOf, commonSettings, loadConfig, rule, setting } from '../infra/runtime/config.ts';
import { surfaceSpec, surfaceValue, viewSettings } from '../infra/runtime/surface-settings.ts';
import { ENDED_IS_IDLE, SURFACE_TIMES, SURFACES, type SurfaceTimes } from '../schemas/surfaces.ts';
import type { ViewRule } from '../schemas/views.ts';
import { configHashOf } from './config-hash.ts';
import type { FoldSettings } from './core/settings.ts';
import { FOLD_SETTINGS_DEFAULT } from './core/settings.ts';
import type { TaskSettings } from './task-deps.ts';

const duration = (env: string, fallback: number, description: string, minMs = 1) =>
  setting({ env, schema: rule.integer(minMs, 7 * 86_400_000), default: String(fallback), description });
const count = (env: string, fallback: number, description: string) =>
  setting({ env, schema: rule.integer(1, 1_000_000_000), default: String(fallback), description });

/** The variables that results depend on: whoever folds must have the same. */
export const foldConfigSpec = {
  idleGapMs: duration('PLAYHEAD_FOLD_IDLE_GAP_MS', FOLD_SETTINGS_DEFAULT.idleGapMs, 'Silence after which a session is sealed'),
  leaveLingerMs: duration(
    'PLAYHEAD_FOLD_LEAVE_LINGER_MS',
    FOLD_SETTINGS_DEFAULT.leaveLingerMs,
    'Wait for stragglers after a session was left',
    0,
  ),
  endedLingerMs: duration('PLAYHEAD_FOLD_ENDED_LINGER_MS', FOLD_SETTINGS_DEFAULT.endedLingerMs, 'Wait after a video has ended', 0),
  graceMs: duration('PLAYHEAD_FOLD_GRACE_MS', FOLD_SETTINGS_DEFAULT.graceMs, 'Wait for a missing sequence number', 0),
  ageMaxMs: duration('PLAYHEAD_FOLD_AGE_MAX_MS', FOLD_SETTINGS_DEFAULT.ageMaxMs, 'Longest life of a session'),
  openSessionsMax: setting({
    env: 'PLAYHEAD_FOLD_OPEN_SESSIONS_MAX',
    schema: rule.integer(8, 1_000_000),
    default: String(FOLD_SETTINGS_DEFAULT.openSessionsMax),
    description: 'Open sessions of a partition; beyond, the longest silent eighth is sealed early. Plan 2,500 B of heap for each',
  }),
  tombstonesMax: setting({
    env: 'PLAYHEAD_FOLD_TOMBSTONES_MAX',
    schema: rule.integer(8, 1_000_000),
    default: String(FOLD_SETTINGS_DEFAULT.tombstonesMax),
    description: 'Sealed sessions that a partition remembers, to recognise their copies; beyond, the oldest eighth is forgotten',
  }),
  stepCapMs: duration(
    'PLAYHEAD_FOLD_STEP_CAP_MS',
    FOLD_SETTINGS_DEFAULT.stepCapMs,
    'The most that one record adds to log-active time: three ticks',
  ),
  ...viewSettings,
  ...surfaceSpec('IDLE_GAP_MS'),
  ...surfaceSpec('LINGER_MS'),
  ...surfaceSpec('BACKDATE_MAX_MS'),
};

/**
 * Every variable of the processor. Those named FOLD, those of the surfaces and what counts as a view change results: all processors of a topic must have the same
 * (D26), and a control record is the way to change them while it runs (D11).
 */
export const processorConfigSpec = {
  ...commonSettings,
  group: setting({
    env: 'PLAYHEAD_PROCESSOR_GROUP',
    schema: rule.text(),
    default: 'playhead-processor',
    description: 'Kafka consumer group that shares the partitions among processors',
  }),
  metricsHost: setting({
    env: 'PLAYHEAD_PROCESSOR_METRICS_HOST',
    schema: rule.text(),
    default: '127.0.0.1',
    description: 'Address on which the processor serves /metrics, /healthz and /readyz',
  }),
  metricsPort: setting({
    env: 'PLAYHEAD_PROCESSOR_METRICS_PORT',
    schema: rule.port(),
    default: '9465',
    description: 'Port of /metrics, /healthz and /readyz of the processor; 0 = any free one',
  }),
  schemaMode: setting({
    env: 'PLAYHEAD_SCHEMA_MODE',
    schema: rule.oneOf(['verify', 'register']),
    default: 'verify',
    description: 'Whether schemas are only looked up in the registry or also registered at start',
  }),
  writerConnectionsMax: setting({
    env: 'PLAYHEAD_PROCESSOR_WRITER_CONNECTIONS_MAX',
    schema: rule.integer(1, 64),
    default: '4',
    description: 'Database connections over which partitions take turns to flush',
  }),
  flushIntervalMs: duration('PLAYHEAD_PROCESSOR_FLUSH_INTERVAL_MS', 1_000, 'Longest wait of folded records for their flush'),
  flushOutputsMax: count('PLAYHEAD_PROCESSOR_FLUSH_OUTPUTS_MAX', 5_000, 'Rows after which a partition flushes at once'),
  bufferOutputsMax: count('PLAYHEAD_PROCESSOR_BUFFER_OUTPUTS_MAX', 20_000, 'Unwritten rows of a partition at which it stops reading'),
  bufferBytesMax: count(
    'PLAYHEAD_PROCESSOR_BUFFER_BYTES_MAX',
    16 * 1024 * 1024,
    'Unwritten raw bytes of a partition at which it stops reading',
  ),
  provisionalIntervalMs: duration(
    'PLAYHEAD_PROCESSOR_PROVISIONAL_INTERVAL_MS',
    500,
    'Least time between two publications of open sessions',
  ),
  provisionalRowsPerSecondMax: count(
    'PLAYHEAD_PROCESSOR_PROVISIONAL_ROWS_PER_SECOND_MAX',
    1_000,
    'Open sessions a partition publishes per second',
  ),
  snapshotIntervalMs: duration('PLAYHEAD_PROCESSOR_SNAPSHOT_INTERVAL_MS', 64_000, 'Time between two snapshots of a partition'),
  snapshotSliceMs: duration(
    'PLAYHEAD_PROCESSOR_SNAPSHOT_SLICE_MS',
    4,
    'Snapshots are made and read in slices of this length; other partitions run in between',
  ),
  frozenWriterMs: duration(
    'PLAYHEAD_PROCESSOR_FROZEN_WRITER_MS',
    10_000,
    'A processor that has held a partition for longer than this inside one transaction, while another waits, is disconnected',
  ),
  onDuplicate: setting({
    env: 'PLAYHEAD_PROCESSOR_ON_DUPLICATE',
    schema: rule.oneOf(['set-aside', 'halt']),
    default: 'set-aside',
    description:
      'What happens to a row whose number another row has that was never committed, which is a fault: set-aside = the other row stays, this one is kept in set_aside_emissions, an alarm is raised; halt = the partition stands still',
  }),
  outboxIntervalMs: duration(
    'PLAYHEAD_PROCESSOR_OUTBOX_INTERVAL_MS',
    500,
    'Pause between two looks for emissions that go to the topic of domain events',
  ),
  warmMs: duration('PLAYHEAD_PROCESSOR_WARM_MS', 120_000, 'How long the state of a partition that moved away is kept in case it returns'),
  stopTimeoutMs: duration('PLAYHEAD_PROCESSOR_STOP_TIMEOUT_MS', 30_000, 'Time a clean stop may take; past it the process just exits'),
  ...foldConfigSpec,
};

export type ProcessorConfig = ReturnType<typeof loadProcessorConfig>;

/** @throws PlayheadError ERR_CONFIG naming every problem. */
export function loadProcessorConfig(env: Readonly<Record<string, string | undefined>>) {
  return loadConfig(processorConfigSpec, env);
}

/** What `foldConfigSpec` gives. */
type FoldConfig = ConfigOf<typeof foldConfigSpec>;

/** The settings of the fold. */
export function foldSettingsOf(config: FoldConfig): FoldSettings {
  const { idleGapMs, leaveLingerMs, endedLingerMs, graceMs, ageMaxMs, stepCapMs, openSessionsMax, tombstonesMax } = config;
  const times = { idleGapMs, leaveLingerMs, endedLingerMs, graceMs, ageMaxMs, stepCapMs };
  const surfaces = { ...SURFACE_TIMES };
  for (const surface of SURFACES) surfaces[surface] = surfaceTimesOf(config, surface);
  return { ...FOLD_SETTINGS_DEFAULT, ...times, openSessionsMax, tombstonesMax, surfaces };
}

function surfaceTimesOf(config: FoldConfig, surface: (typeof SURFACES)[number]): SurfaceTimes {
  const times: SurfaceTimes = { ...SURFACE_TIMES[surface] };
  const idleGapMs = surfaceValue(config, surface, 'IDLE_GAP_MS');
  const leaveLingerMs = surfaceValue(config, surface, 'LINGER_MS');
  const backdateMaxMs = surfaceValue(config, surface, 'BACKDATE_MAX_MS');
  if (idleGapMs !== undefined) times.idleGapMs = idleGapMs;
  if (idleGapMs !== undefined && ENDED_IS_IDLE.has(surface)) times.endedLingerMs = idleGapMs;
  if (leaveLingerMs !== undefined) times.leaveLingerMs = leaveLingerMs;
  if (backdateMaxMs !== undefined) times.backdateMaxMs = backdateMaxMs;
  return times;
}

/** All that results depend on, and its fingerprint (D26). */
export function resultSettingsOf(config: FoldConfig & { partitions: number }): {
  settings: FoldSettings;
  viewRule: ViewRule;
  configHash: Buffer;
} {
  const settings = foldSettingsOf(config);
  const viewRule = { countAfterMs: config.peertubeViewAfterMs, expirationMs: config.peertubeViewExpirationMs };
  return { settings, viewRule, configHash: configHashOf(settings, config.partitions, viewRule) };
}

/** The part of the settings that only timing depends on. */
export function taskSettingsOf(config: ProcessorConfig): TaskSettings {
  const {
    flushIntervalMs,
    flushOutputsMax,
    bufferOutputsMax,
    bufferBytesMax,
    provisionalIntervalMs,
    provisionalRowsPerSecondMax,
    snapshotIntervalMs,
    snapshotSliceMs,
  } = config;
  return {
    flushIntervalMs,
    flushOutputsMax,
    bufferOutputsMax,
    bufferBytesMax,
    provisionalIntervalMs,
    provisionalRowsPerSecondMax,
    snapshotIntervalMs,
    snapshotSliceMs,
  };
}
