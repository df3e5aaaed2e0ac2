// Settings of the local system (`npm start`). Options on the command line come before the environment.
import { loadConfig, rule, setting } from '../runtime/config.ts';

export const localConfigSpec = {
  directory: setting({
    env: 'PLAYHEAD_LOCAL_DIR',
    schema: rule.text(),
    default: '.local',
    description: 'Directory of everything the local system writes: downloads, data, logs, keys; relative to the project',
  }),
  javaHome: setting({
    env: 'JAVA_HOME',
    schema: rule.text(),
    default: '',
    description: 'Java 17 or newer for the local Kafka and schema registry; empty = the java on the path',
  }),
  kafkaPort: setting({
    env: 'PLAYHEAD_LOCAL_KAFKA_PORT',
    schema: rule.port(),
    default: '9092',
    description: 'Port of the local Kafka; 0 = any free one',
  }),
  registryPort: setting({
    env: 'PLAYHEAD_LOCAL_REGISTRY_PORT',
    schema: rule.port(),
    default: '8085',
    description: 'Port of the local schema registry; 0 = any free one',
  }),
  postgresPort: setting({
    env: 'PLAYHEAD_LOCAL_POSTGRES_PORT',
    schema: rule.port(),
    default: '5433',
    description: 'Port of the local PostgreSQL; 0 = any free one',
  }),
};

/** The environment of this process: children get a selection of it. */
export const environment = (): Readonly<Record<string, string | undefined>> => process.env;

/** @throws PlayheadError ERR_CONFIG. */
export const loadLocalConfig = (env: Readonly<Record<string, string | undefined>>, alsoKnown: readonly string[]) =>
  loadConfig(localConfigSpec, env, alsoKnown);
