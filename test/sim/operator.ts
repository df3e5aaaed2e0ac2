// An operator who looks at the processors now and then, and does what they ask for: accepts a gap, corrects the topic. Everything the
// operator knows stands in the refusal, as for a person who reads the log.
import type { Processor } from '../../processor/consumer.ts';
import type { SimDatabase } from './sim-database.ts';
import type { SimLog } from './sim-log.ts';
import type { World } from './world.ts';

const LOOK_MS = 1_500;
const GAP_COMMAND = /--from (\d+) --to (\d+)/;
const EMPTY_GAP = /accept(?:ing)? the empty gap \[(\d+), (\d+)\)/;

type OperatorDeps = { world: World; database: SimDatabase; log: SimLog; running: () => readonly Processor[] };

/** Starts looking; never stops, since refusals may outlast the faults. */
export function startOperator({ world, database, log, running }: OperatorDeps): void {
  const accept = (partition: number, from: number, to: number): void => {
    const known = database.tables().gaps.some((gap) => gap.partition === partition && gap.from_offset === from && gap.to_offset === to);
    if (known) return;
    world.note('gapAccepted', `operator partition ${partition} [${from}, ${to})`);
    database.acceptGap(partition, from, to);
  };
  world.schedule(undefined, LOOK_MS, 'operator looks', function look() {
    for (const { partition, halt } of running().flatMap((processor) => processor.views())) {
      if (halt === undefined) continue;
      world.note(`halted:${halt.reason}`, `operator sees partition ${partition}: ${halt.detail}`);
      const gap = GAP_COMMAND.exec(halt.detail) ?? EMPTY_GAP.exec(halt.detail);
      if (gap !== null) accept(partition, Number(gap[1]), Number(gap[2]));
      if (halt.reason === 'partition_count') log.sayCount(log.count);
    }
    world.schedule(undefined, LOOK_MS, 'operator looks', look);
  });
}
