// Options of `npm start`: command line first, then the environment, then the defaults.
import { Command, InvalidArgumentError } from 'commander';
import { ingestConfigSpec } from '../../ingest/config.ts';
import { processorConfigSpec } from '../../processor/config.ts';
import { queryConfigSpec } from '../../query-api/config.ts';
import { allVariables } from '../cli/variables.ts';
import { loadConfig } from '../runtime/config.ts';
import type { PortWish } from './checks.ts';
import { environment, loadLocalConfig } from './config.ts';
import { localDirectory } from './paths.ts';

export type PortName =
  | 'the gateway'
  | 'the query API'
  | 'metrics of ingest'
  | 'metrics of the processor'
  | 'metrics of the query API'
  | 'Kafka'
  | 'the schema registry'
  | 'PostgreSQL';

export type StartOptions = {
  directory: string;
  host: string;
  demo: boolean;
  viewersPerMinute: number;
  historyHours: number;
  javaHome: string;
  partitions: number;
  topic: string;
  /** '' = none. */
  domainEventsTopic: string;
  ports: (PortWish & { name: PortName })[];
};

const VIEWERS_PER_MINUTE = '30';
const HISTORY_HOURS = '12';

const HELP_AFTER = `
Starts Apache Kafka, a schema registry and PostgreSQL as processes of this machine, the three services of Playhead and an
audience, and prints where the dashboard is. Needs Java 17 or newer, and Maven for the first start. Everything lies in .local
and is kept for the next start; delete that directory to begin anew. Stop with Ctrl-C.

One node, no replication: for trials and development. Variables such as PLAYHEAD_INGEST_PORT work as for the services (.env.example).

  npm start                          everything, with an audience
  npm start -- --no-demo             without an audience
  npm start -- --port-ingest 0       any free port
`;

function numberFrom(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= low && value <= high)) throw new InvalidArgumentError(`must be a number from ${low} to ${high}`);
    return value;
  };
}

/** Parses and completes the options; ends the process for --help and for options that are wrong. @throws PlayheadError ERR_CONFIG. */
export function readStartOptions(argv: readonly string[]): StartOptions {
  const port = numberFrom(0, 65_535);
  const command = new Command('npm start --')
    .description('Start a whole Playhead on this machine, without Docker.')
    .option('--no-demo', 'no audience')
    .option('--viewers <n>', 'new viewers of the audience in a minute', numberFrom(1, 10_000), Number(VIEWERS_PER_MINUTE))
    .option('--history <hours>', 'past that the audience sends first', numberFrom(0, 23), Number(HISTORY_HOURS))
    .option('--directory <path>', 'where everything is kept (default: .local)')
    .option('--host <address>', 'address on which players and people are served', '127.0.0.1')
    .option('--port-ingest <port>', 'port for players (default: 8080)', port)
    .option('--port-query <port>', 'port of the query API and the dashboard (default: 8081)', port)
    .option('--port-metrics-ingest <port>', 'metrics and health of ingest (default: 9464)', port)
    .option('--port-metrics-processor <port>', 'metrics and health of the processor (default: 9465)', port)
    .option('--port-metrics-query <port>', 'metrics and health of the query API (default: 9466)', port)
    .option('--port-kafka <port>', 'port of Kafka (default: 9092)', port)
    .option('--port-registry <port>', 'port of the schema registry (default: 8085)', port)
    .option('--port-postgres <port>', 'port of PostgreSQL (default: 5433)', port)
    .addHelpText('after', HELP_AFTER)
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  return complete(command.opts());
}

function complete(given: Record<string, unknown>): StartOptions {
  const env = environment();
  const known = allVariables();
  const local = loadLocalConfig(env, known);
  const ingest = loadConfig(ingestConfigSpec, env, known);
  const processor = loadConfig(processorConfigSpec, env, known);
  const query = loadConfig(queryConfigSpec, env, known);
  const wish = (name: PortName, option: string, variable: string, configured: number, ours: boolean): PortWish & { name: PortName } => {
    const key = option.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    const asked = given[key] as number | undefined;
    const chosen = asked !== undefined || (env[variable] ?? '') !== '';
    // People have written down where players and dashboards are; nobody cares where the rest listens unless they said so.
    return { name, option, port: asked ?? configured, whenTaken: chosen || ours ? 'fail' : 'other' };
  };
  return {
    directory: localDirectory((given['directory'] as string | undefined) ?? local.directory),
    host: given['host'] as string,
    demo: given['demo'] as boolean,
    viewersPerMinute: given['viewers'] as number,
    historyHours: given['history'] as number,
    javaHome: local.javaHome,
    partitions: ingest.partitions,
    topic: ingest.topic,
    domainEventsTopic: processor.domainEventsTopic,
    ports: [
      wish('the gateway', '--port-ingest', 'PLAYHEAD_INGEST_PORT', ingest.port, true),
      wish('the query API', '--port-query', 'PLAYHEAD_QUERY_PORT', query.port, true),
      wish('metrics of ingest', '--port-metrics-ingest', 'PLAYHEAD_INGEST_METRICS_PORT', ingest.metricsPort, false),
      wish('metrics of the processor', '--port-metrics-processor', 'PLAYHEAD_PROCESSOR_METRICS_PORT', processor.metricsPort, false),
      wish('metrics of the query API', '--port-metrics-query', 'PLAYHEAD_QUERY_METRICS_PORT', query.metricsPort, false),
      wish('Kafka', '--port-kafka', 'PLAYHEAD_LOCAL_KAFKA_PORT', local.kafkaPort, false),
      wish('the schema registry', '--port-registry', 'PLAYHEAD_LOCAL_REGISTRY_PORT', local.registryPort, false),
      wish('PostgreSQL', '--port-postgres', 'PLAYHEAD_LOCAL_POSTGRES_PORT', local.postgresPort, false),
    ],
  };
}
