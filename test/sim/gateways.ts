// The gateways of a simulated world: the real publisher and the real ticks over the real check of answers (K1), each gateway with limits
// of its own. Only the produce call below them is simulated.
import { createCheckedAppender } from '../../infra/runtime/kafka-append.ts';
import type { LogWriter } from '../../infra/runtime/ports.ts';
import { Publisher } from '../../ingest/publisher.ts';
import { startTicks } from '../../ingest/ticks.ts';
import type { Beacon } from '../../schemas/beacon.ts';
import type { Codec } from '../../schemas/codec.ts';
import { partitionOf, recordKey } from '../../schemas/topics.ts';
import type { Control } from './controls.ts';
import type { FaultName } from './faults.ts';
import { underNewSchema } from './new-schema.ts';
import type { SimLog } from './sim-log.ts';
import type { SimProcess, World } from './world.ts';

export type GatewaysDeps = {
  world: World;
  log: SimLog;
  codec: Codec;
  partitions: number;
  fault: (name: FaultName) => boolean;
  tickMs: number;
  control: Control | undefined;
};

/** A beacon in a timeline. */
const contentOf = ({ session, events }: Beacon): string => `${session} #${events.map((event) => event.seq).join(',')}`;

type WriterDeps = Pick<GatewaysDeps, 'log' | 'world' | 'partitions' | 'control'>;

/** What a client is told: everything is in the log; nothing was taken; anything else. */
export type Answer = 'accepted' | 'refused' | 'unknown';
export type Gateway = {
  readonly process: SimProcess;
  /** One request. A gateway that dies never answers. */
  accept(beacons: readonly Beacon[], answer: (answer: Answer) => void): void;
  /** Takes no more, sends what it has, goes. */
  stop(): Promise<void>;
};
export type Gateways = {
  live(): readonly Gateway[];
  stopFaults(): void;
};

const GATEWAYS_MAX = 3;
const FATE_MS = 1_000;

export function startGateways(deps: GatewaysDeps): Gateways {
  const { world, fault } = deps;
  const random = world.random.fork();
  const all: Gateway[] = [];
  let started = 0;
  const start = (): void => void all.push(startGateway(deps, `gateway${started++}`));
  const live = (): Gateway[] => all.filter((gateway) => gateway.process.alive);
  const startLater = (ms: number): void => {
    world.schedule(undefined, ms, 'gateway restarts', () => {
      if (live().length < GATEWAYS_MAX) start();
    });
  };
  for (let i = random.integer(1, GATEWAYS_MAX); i > 0; i--) start();
  let faulty = true;
  const fate = (): void => {
    if (!faulty) return;
    const victim = live()[0];
    if (victim !== undefined && fault('gatewayKilled')) {
      world.kill(victim.process);
      startLater(random.integer(500, 4_000));
    } else if (victim !== undefined && fault('gatewayStops')) {
      void victim.stop();
      startLater(random.integer(100, 2_000));
    }
    if (live().length > 0 && fault('gatewaysDown')) {
      for (const gateway of live()) world.kill(gateway.process);
      startLater(random.integer(6_000, 16_000));
    }
    world.schedule(undefined, FATE_MS, 'gateway fate', fate);
  };
  fate();
  return {
    live,
    stopFaults() {
      faulty = false;
      if (live().length === 0) start();
    },
  };
}

function startGateway(deps: GatewaysDeps, name: string): Gateway {
  const { world, codec, partitions, fault } = deps;
  const process = world.process(name);
  const scheduler = world.scheduler(process);
  const writer = createWriter(deps, process);
  const skewMs = fault('gatewaySkewed') ? 86_400_000 * (world.random.chance(0.5) ? 1 : -1) : 0;
  const release = deps.log.gatewayUp(process);
  process.onKill.push(release);
  const publisher = new Publisher({
    writer,
    scheduler,
    settings: {
      lingerMs: world.random.pick([0, 10, 60]),
      deadlineMs: 2_500,
      sendsInFlightMax: world.random.pick([1, 2, 4]),
      recordsMax: fault('queueSmall') ? 2 : 1_000,
      bytesMax: 1 << 20,
      batchBytesMax: world.random.pick([500, 60_000]),
    },
    hooks: { sent: () => {}, deadlinePassed: () => world.note('deadlinePassed', name) },
  });
  const ticks =
    deps.control === 'processorTicks'
      ? undefined
      : startTicks({
          writer,
          scheduler,
          partitions,
          intervalMs: deps.tickMs,
          encodeTick: () => codec.encodeTick({ instance: name }),
          onOutcome: () => {},
        });
  const placed = (beacon: Beacon) => {
    const key = Buffer.from(recordKey(beacon.site, beacon.session));
    const value = codec.encodeBeacon({ ...beacon, receivedAt: beacon.receivedAt + skewMs }, key);
    return { partition: partitionOf(key, partitions), record: { key, value: fault('newSchema') ? underNewSchema(value) : value } };
  };
  return {
    process,
    accept(beacons, answer) {
      world.schedule(process, world.random.integer(1, 10), `${name} publishes`, () => {
        void publisher.publish(beacons.map(placed)).then((outcome) => {
          world.note(`published:${outcome}`, `${name} ${beacons.map(contentOf).join(', ')}`);
          const told = outcome === 'appended' ? 'accepted' : outcome === 'full' ? 'refused' : 'unknown';
          world.schedule(process, world.random.integer(1, 20), `${name} answers ${told}`, () => answer(told));
        });
      });
    },
    async stop() {
      await Promise.all([ticks?.stop(), publisher.drain()]);
      if (!process.alive) return;
      world.note('gatewayDrained', name);
      world.schedule(process, 25, `${name} exits`, () => world.kill(process));
    },
  };
}

/** A writer with the real check of answers over the simulated produce call. */
export function createWriter({ log, world, partitions, control }: WriterDeps, process: SimProcess): LogWriter {
  const send = log.produce(process);
  const checked = createCheckedAppender({
    send,
    scheduler: world.scheduler(process),
    hooks: { acknowledged: () => {}, failed: (reason) => world.note(`append:${reason}`, process.name), called: () => {} },
    partitions,
    appendTimeoutMs: 3_500,
    resendPauseMs: 100,
    batchBytesMax: 100_000,
  });
  /** NC1: whatever a call that came back does not say is taken for appended. */
  const believing: LogWriter['append'] = (batches) =>
    send(batches).then(
      () => new Map([...batches.keys()].map((partition) => [partition, { outcome: 'appended', baseOffset: 0, appendAt: 0 }])),
      (error: Error) => new Map([...batches.keys()].map((partition) => [partition, { outcome: 'unknown', error }])),
    );
  return { append: control === 'uncheckedSend' ? believing : checked, ready: () => true, close: async () => {} };
}
