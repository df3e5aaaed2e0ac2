// One row of the fault matrix (reliability.md section 6) as this suite plays it.
import type { DeliveryOptions } from '../../infra/cli/audience/delivery.ts';
import type { Violation } from '../support/invariants.ts';
import type { LoadResult } from './load.ts';
import type { LogCopies } from './log-copies.ts';
import type { Stage, StageOptions } from './stage.ts';

export type Fault = {
  id: string;
  about: string;
  /** It breaks what all systems share: nothing else may run beside it. */
  alone: boolean;
  /** Viewers arrive in waves of this length until the fault is over. */
  loadMs: number;
  viewers?: number;
  delivery?: Partial<DeliveryOptions>;
  options?: StageOptions | ((full: boolean) => StageOptions);
  /** Plays the fault beside the load and puts everything right again. */
  inject(stage: Stage): Promise<void>;
  /** After the load has ended, before everything comes to rest. */
  afterLoad?(stage: Stage, load: LoadResult): Promise<void>;
  /** What this fault asks for beside the invariants. */
  check?(stage: Stage, log: LogCopies): Promise<Violation[]>;
  /** Late events are part of the plan. */
  lateByPlan?: boolean;
  /** A control build: one of these invariants must be broken, or the suite proves nothing. */
  mustBreak?: readonly string[];
};
