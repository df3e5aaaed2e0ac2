// Which group member reads which partition: every member keeps what it holds as long as the shares stay even,
// and the fewest partitions move (K14, H17). Pure; the adapter in kafka-consumer.ts speaks the group protocol.
// Imports nothing.

/** What a member reports about itself when it joins: the partitions it holds, and since which group generation. */
export type HeldPartitions = { generation: number; partitions: readonly number[] };

/** A group member as the leader sees it; `held` is undefined for one that joins for the first time. */
export type AssignorMember = { id: string; held: HeldPartitions | undefined };

/** Partitions of one member report; a longer list is foreign bytes. */
const HELD_PARTITIONS_MAX = 100_000;

const USER_DATA_VERSION = 1;
const USER_DATA_HEADER_BYTES = 9;

/**
 * Shares `partitions` among `members` so that each has exactly one owner, shares differ by at most one, and as few
 * partitions as possible change their owner. Same input, same answer, whatever the order of `members`. Where two members claim one
 * partition, the one with the newer generation holds it: the other was evicted and does not know it yet.
 */
export function assignSticky(members: readonly AssignorMember[], partitions: readonly number[]): Map<string, number[]> {
  const ids = members.map((member) => member.id).sort();
  const shares = new Map<string, number[]>(ids.map((id) => [id, []]));
  if (ids.length === 0) return shares;
  for (const [partition, id] of currentOwners(members, partitions)) shares.get(id)?.push(partition);
  const free = new Set(partitions);
  const quotas = quotasOf(ids, shares, partitions.length);
  for (const id of ids) {
    const kept = (shares.get(id) ?? []).sort((a, b) => a - b).slice(0, quotas.get(id));
    for (const partition of kept) free.delete(partition);
    shares.set(id, kept);
  }
  const waiting = [...free].sort((a, b) => a - b);
  for (const id of ids) {
    const share = shares.get(id) ?? [];
    while (share.length < (quotas.get(id) ?? 0)) share.push(waiting.shift() as number);
    share.sort((a, b) => a - b);
  }
  return shares;
}

/** Owner of each partition before this assignment; partitions that nobody holds are absent. */
function currentOwners(members: readonly AssignorMember[], partitions: readonly number[]): Map<number, string> {
  const known = new Set(partitions);
  const owners = new Map<number, { id: string; generation: number }>();
  for (const { id, held } of [...members].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    for (const partition of held?.partitions ?? []) {
      if (!known.has(partition)) continue;
      const owner = owners.get(partition);
      if (owner === undefined || (held?.generation ?? 0) > owner.generation)
        owners.set(partition, { id, generation: held?.generation ?? 0 });
    }
  }
  return new Map([...owners].map(([partition, owner]) => [partition, owner.id]));
}

/** Even shares; the members that hold most already get the shares that are larger by one. */
function quotasOf(ids: readonly string[], shares: ReadonlyMap<string, readonly number[]>, partitionCount: number): Map<string, number> {
  const base = Math.floor(partitionCount / ids.length);
  const larger = partitionCount % ids.length;
  const holding = (id: string) => shares.get(id)?.length ?? 0;
  const byHolding = [...ids].sort((a, b) => holding(b) - holding(a) || (a < b ? -1 : 1));
  return new Map(byHolding.map((id, index) => [id, index < larger ? base + 1 : base]));
}

/** Bytes of a report for the group protocol's user data: version, generation, count, partitions (big endian). */
export function encodeHeld(held: HeldPartitions): Buffer {
  const bytes = Buffer.alloc(USER_DATA_HEADER_BYTES + 4 * held.partitions.length);
  bytes.writeUInt8(USER_DATA_VERSION, 0);
  bytes.writeInt32BE(held.generation, 1);
  bytes.writeInt32BE(held.partitions.length, 5);
  held.partitions.forEach((partition, index) => {
    bytes.writeInt32BE(partition, USER_DATA_HEADER_BYTES + 4 * index);
  });
  return bytes;
}

/** Reads a report; undefined for bytes that are not ours, which costs only stickiness. Never throws. */
export function decodeHeld(bytes: Buffer): HeldPartitions | undefined {
  if (bytes.length < USER_DATA_HEADER_BYTES || bytes.readUInt8(0) !== USER_DATA_VERSION) return undefined;
  const count = bytes.readInt32BE(5);
  if (count < 0 || count > HELD_PARTITIONS_MAX || bytes.length !== USER_DATA_HEADER_BYTES + 4 * count) return undefined;
  const partitions = Array.from({ length: count }, (_, index) => bytes.readInt32BE(USER_DATA_HEADER_BYTES + 4 * index));
  return { generation: bytes.readInt32BE(1), partitions };
}
