// The points at which test/support/fault-preload.ts can bring a process down. Imports nothing, and patches nothing.

/** After fold, in COPY, after COPY, after UPDATE, between COMMIT and its reply, in snapshot, restore and claim (F2, F4); F1. */
export const PROCESSOR_POINTS = [
  'before_begin',
  'in_copy',
  'before_move',
  'before_commit',
  'commit_applied',
  'in_snapshot',
  'in_restore',
  'before_claim',
  'in_claim',
] as const;
export const GATEWAY_POINTS = ['before_send', 'during_send', 'after_send'] as const;
export type KillPoint = (typeof PROCESSOR_POINTS)[number] | (typeof GATEWAY_POINTS)[number];

/** What the control NC1 says when it takes beacons for appended that no answer named. */
export const INVENTED = 'chaos: an answer was invented';
