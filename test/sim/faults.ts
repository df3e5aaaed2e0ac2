// The faults a simulated world can have. One seed switches on a random subset (swarm style), each with its own probability.
import type { Random } from './random.ts';

/** Name → what it does. Each counts its effects under `fault:<name>`; one that never fires over a whole run of seeds fails the suite. */
export const FAULTS = {
  ackLost: 'a record is appended, the writer learns nothing (F8)',
  appendLost: 'a send never reaches the broker, the writer learns nothing',
  appendRefused: 'one partition of a send is refused, and the call fails for all of them (K1)',
  partitionOmitted: 'the answer of a send omits a partition that was not appended (F7)',
  appendSlow: 'a send takes seconds (K4)',
  clockStepsBack: 'append times step back (F21)',
  clockLeaps: 'append times leap an hour ahead (F21)',
  kafkaDown: 'no append, fetch or heartbeat for a while (F9)',
  logCut: 'retention takes records away, read or not (F10)',
  tailLost: 'the log loses its last records, acknowledged ones too (F11)',
  topicRecreated: 'a partition begins again at offset 0 (F11)',
  partitionsAdded: 'the topic has one partition more than was configured (F12)',
  newSchema: 'a beacon comes under a schema id that nobody here knows yet (P17)',
  registryDown: 'the registry does not answer when it is asked for a schema (P17)',
  resetBefore: 'a database connection breaks before a statement takes effect (F15)',
  resetAfter: 'a database connection breaks after a statement took effect (F15)',
  commitReplyLost: 'COMMIT is applied, its answer is lost (F15)',
  commitLost: 'COMMIT is not applied, its answer is lost (F15)',
  copyStalls: 'a COPY stands still holding its locks, and no timeout ends it (F3)',
  databaseSlow: 'statements take seconds (F17)',
  databaseDown: 'nobody can connect for a while (F13, F14)',
  databaseRestored: 'the database goes back to an earlier state (F19)',
  snapshotAhead: 'snapshots outlive such a restore, ahead of the position (H1)',
  snapshotCorrupt: 'the newest snapshot has a flipped bit or lost its second half (F32)',
  rowRefused: 'the database takes no row of one of the sessions (F28)',
  processorKilled: 'a processor dies at once (F2)',
  processorFrozen: 'a processor stands still and goes on later (F3)',
  processorJoins: 'a further processor joins the group (F5)',
  processorStops: 'a processor is asked to stop cleanly (D27)',
  gatewayKilled: 'a gateway dies at once (F1)',
  gatewayStops: 'a gateway is asked to stop, and sends what it has',
  gatewaysDown: 'all gateways die and stay away for a while (F22)',
  queueSmall: 'a gateway whose queue holds two beacons refuses the others',
  gatewaySkewed: 'the clock of a gateway is a day off (F21)',
  twoOwners: 'the coordinator gives a partition to a second member too (F4)',
  staleSeek: 'a position from before a rebalance wins over the seek after it (K7)',
  staleBatch: 'a batch fetched before a rebalance is delivered after it (K8)',
  stickyPause: 'a pause outlives a rebalance (K6)',
  outOfRangeJump: 'the reading position jumps to the first record (K9)',
  rejoin: 'the group rebalances without a change (K15)',
  duplicateBeacon: 'the player sends a beacon again although it was accepted (F24)',
  lateBeacon: 'a beacon comes after its session was sealed (F25)',
  disorder: 'beacons of a session overtake one another (F25)',
  lostBeacon: 'a beacon never comes',
  poison: 'a record in the topic that nobody can read (F27)',
} as const;
export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

export type FaultPlan = ReadonlyMap<FaultName, number>;

/** After these a partition may have to stand still, or has lost what was open: rarer, or other faults would have nothing left to break. */
const GRAVE: readonly FaultName[] = ['logCut', 'tailLost', 'topicRecreated', 'partitionsAdded'];

/** About half of the faults, each rarely or often; the grave ones in one run of eight. */
export function planFaults(random: Random): FaultPlan {
  const share = random.pick([0.15, 0.35, 0.6]);
  const grave = random.chance(0.125);
  const chosen = FAULT_NAMES.filter((name) => random.chance(share) && (grave || !GRAVE.includes(name)));
  return new Map(chosen.map((name) => [name, random.pick([0.003, 0.01, 0.04])]));
}
