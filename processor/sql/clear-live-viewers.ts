import type { Statement } from '../../infra/runtime/ports.ts';

/** First half of rewriting a partition's live viewers. */
export const clearLiveViewers: Statement<[partition: number], never> = {
  name: 'processor_clear_live_viewers',
  text: 'DELETE FROM live_viewers WHERE partition = $1',
};
