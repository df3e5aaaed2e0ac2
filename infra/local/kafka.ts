// A real Apache Kafka broker on this machine: one node in KRaft mode on the loopback address.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, PlayheadError } from '../runtime/errors.ts';
import { kafkaAnswers } from './kafka-probe.ts';
import { freePorts } from './ports.ts';
import { type Exit, type ManagedProcess, startProcess, untilReady } from './process.ts';

const run = promisify(execFile);
const READY_TIMEOUT_MS = 60_000;
const HEAP_MB = 512;

export type LocalKafka = {
  brokers: string[];
  port: number;
  pid: number;
  logFile: string;
  exited: Promise<Exit>;
  stop(): Promise<void>;
  /** Ends it at once, as a power cut of the process would. */
  kill(): void;
};

export type LocalKafkaOptions = {
  java: string;
  kafkaLibs: string;
  /** Data, properties and log; kept between starts. */
  directory: string;
  /** 0 = any free one. */
  port: number;
  heapMb?: number;
  /** Further broker properties. */
  properties?: Readonly<Record<string, string>>;
  /** Told of the process at once, before it is ready. */
  onSpawn?: (process: ManagedProcess) => Promise<void>;
};

function serverProperties(options: {
  directory: string;
  port: number;
  controllerPort: number;
  extra: Readonly<Record<string, string>>;
}): string {
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${options.controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${options.port},CONTROLLER://127.0.0.1:${options.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${options.port}`,
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(options.directory, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    // One broker keeps everything it acknowledged through kill -9 but not through a power cut; this closes that gap.
    'log.flush.interval.messages': '1',
    ...options.extra,
  };
  return `${Object.entries(properties)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')}\n`;
}

async function format(options: LocalKafkaOptions, propertiesFile: string): Promise<void> {
  const clusterId = randomBytes(16).toString('base64url');
  const args = [
    '-XX:TieredStopAtLevel=1',
    '-cp',
    join(options.kafkaLibs, '*'),
    'kafka.tools.StorageTool',
    'format',
    // In one argument: one id in 64 begins with a dash.
    `--cluster-id=${clusterId}`,
    '-c',
    propertiesFile,
  ];
  await run(options.java, args, { cwd: options.directory }).catch((error: unknown) => {
    throw new PlayheadError('ERR_KAFKA_FORMAT', `Kafka's data directory could not be prepared: ${messageOf(error)}`, { cause: error });
  });
}

/**
 * Starts the broker and waits until it answers. Data in `directory` is kept and used again.
 * @throws PlayheadError ERR_NOT_READY with the end of its log, ERR_KAFKA_FORMAT, ERR_SPAWN.
 */
export async function startLocalKafka(options: LocalKafkaOptions): Promise<LocalKafka> {
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  const [controllerPort, freePort] = (await freePorts(2)) as [number, number];
  const port = options.port === 0 ? freePort : options.port;
  const propertiesFile = join(directory, 'server.properties');
  await writeFile(propertiesFile, serverProperties({ directory, port, controllerPort, extra: options.properties ?? {} }));
  if (!existsSync(join(directory, 'data', 'meta.properties'))) await format(options, propertiesFile);
  const heap = `${options.heapMb ?? HEAP_MB}m`;
  const managed = await startProcess({
    name: 'Kafka',
    command: options.java,
    args: [
      `-Xmx${heap}`,
      `-Xms${heap}`,
      '-XX:+UseG1GC',
      '-Dorg.slf4j.simpleLogger.showDateTime=true',
      '-cp',
      join(options.kafkaLibs, '*'),
      'kafka.Kafka',
      propertiesFile,
    ],
    cwd: directory,
    logFile: join(directory, 'kafka.log'),
  });
  await options.onSpawn?.(managed);
  await untilReady({ process: managed, probe: () => kafkaAnswers(port), timeoutMs: READY_TIMEOUT_MS, pollMs: 100 });
  return {
    brokers: [`127.0.0.1:${port}`],
    port,
    pid: managed.pid,
    logFile: managed.logFile,
    exited: managed.exited,
    stop: async () => void (await managed.stop()),
    kill: managed.kill,
  };
}
