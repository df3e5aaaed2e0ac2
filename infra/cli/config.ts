// Settings of the CLI. Where a variable is not given, the system that `npm start` runs from this checkout is used.
import { readFileSync } from 'node:fs';
import { foldConfigSpec } from '../../processor/config.ts';
import { endpointsFile } from '../local/paths.ts';
import { type ConfigOf, commonSettings, loadConfig, rule, setting } from '../runtime/config.ts';
import { TIMESCALE_MODES } from '../runtime/migrations.ts';

export const cliConfigSpec = {
  kafkaBrokers: commonSettings.kafkaBrokers,
  schemaRegistryUrl: commonSettings.schemaRegistryUrl,
  databaseUrl: commonSettings.databaseUrl,
  topic: commonSettings.topic,
  domainEventsTopic: commonSettings.domainEventsTopic,
  partitions: commonSettings.partitions,
  singleNode: commonSettings.singleNode,
  logLevel: commonSettings.logLevel,
  // `playhead verify` folds as the processors do.
  ...foldConfigSpec,
  timescale: setting({
    env: 'PLAYHEAD_TIMESCALE',
    schema: rule.oneOf(TIMESCALE_MODES),
    default: 'auto',
    description:
      'TimescaleDB layer of `playhead migrate`: auto = its Apache parts where the extension exists, apache = required, tsl = also the parts under the Timescale licence, off',
  }),
  retentionHours: setting({
    env: 'PLAYHEAD_TOPIC_RETENTION_HOURS',
    schema: rule.integer(1, 24 * 3650),
    default: '168',
    description: 'How long `playhead topics create` lets Kafka keep beacons, hours: at least 72 and longer than your backup window',
  }),
};

export type CliConfig = ConfigOf<typeof cliConfigSpec>;

/** What a running local system says of itself, as environment variables; {} if none runs. */
function localSystem(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  try {
    const found = JSON.parse(readFileSync(endpointsFile(env['PLAYHEAD_LOCAL_DIR'] ?? ''), 'utf8')) as Record<string, unknown>;
    return {
      KAFKA_BROKERS: String(found['kafka']),
      SCHEMA_REGISTRY_URL: String(found['registry']),
      DATABASE_URL: String(found['database']),
      PLAYHEAD_SINGLE_NODE: 'true',
    };
  } catch {
    return {};
  }
}

/**
 * The settings as given, else the running local system's, else the defaults.
 * @throws PlayheadError ERR_CONFIG.
 */
export function loadCliConfig(env: Readonly<Record<string, string | undefined>>, alsoKnown: readonly string[]): CliConfig {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  return loadConfig(cliConfigSpec, { ...localSystem(env), ...given }, alsoKnown);
}

/** The environment of this process. */
export const environment = (): Readonly<Record<string, string | undefined>> => process.env;
