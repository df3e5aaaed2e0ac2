// Topic names, the partition key and the partition of a session. Imports nothing.
// The gateway computes the partition itself (D29): gateway and processor both refuse a topic whose
// partition count differs from the configured one.

/** Default name of the topic that carries beacons, ticks and control records. */
export const BEACONS_TOPIC = 'playhead.beacons';

/** Partitions on one machine (D29); a cluster uses 64 or 128. Fixed for the life of a topic. */
export const PARTITIONS_DEFAULT = 16;

/** Separates site and session in a record key; neither can contain it. */
const KEY_SEPARATOR = '/';

/** Record key of a session: `site/session`, so that all videos of one session id meet in one task. */
export const recordKey = (site: string, session: string): string => `${site}${KEY_SEPARATOR}${session}`;

/**
 * Partition of a record key: murmur2 of its bytes, as Kafka's own default partitioner computes it, so that
 * a foreign producer with the same key agrees. Integer in [0, partitions).
 */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** Murmur2 with Kafka's seed. Source: Apache Kafka, Utils.murmur2. */
export function murmur2(data: Uint8Array): number {
  const m = 0x5bd1e995;
  const length = data.length;
  let h = 0x9747b28c ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = (data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    k = Math.imul(k, m);
    h = Math.imul(h, m) ^ k;
  }
  const rest = length - i;
  if (rest === 3) h ^= (data[i + 2] as number) << 16;
  if (rest >= 2) h ^= (data[i + 1] as number) << 8;
  if (rest >= 1) {
    h ^= data[i] as number;
    h = Math.imul(h, m);
  }
  h ^= h >>> 13;
  h = Math.imul(h, m);
  h ^= h >>> 15;
  return h | 0;
}
