// Negative controls: defects that the checks must notice (reliability, section 6).

export const CONTROLS = {
  noEpochCheck: 'a writer is not asked for its epoch and token (NC3)',
  noChecks: 'a writer is asked neither for its epoch and token nor for the old position (NC3)',
  retryAmbiguousCommit: 'a batch whose COMMIT had no answer is written again without asking (D4)',
  sealOnLeap: 'log-active time is not capped (H7, H8)',
  uncheckedSend: 'an answer that leaves a partition out counts as appended (NC1)',
  processorTicks: 'processors make the ticks, not gateways (H9)',
} as const;
export type Control = keyof typeof CONTROLS;
export const CONTROL_NAMES = Object.keys(CONTROLS) as Control[];
