import type { Statement } from '../../infra/runtime/ports.ts';

/** Offsets not yet committed whose beacon lies in the raw log all the same (D8). */
export const takenBeacons: Statement<[partition: number, from: number, to: number], { log_offset: number }> = {
  name: 'processor_taken_beacons',
  text: 'SELECT log_offset FROM beacons WHERE partition = $1 AND log_offset >= $2 AND log_offset < $3',
};
