// A newer build's beacons: the same schema, registered under an id that older processes have never seen (P17, F29).

export const NEW_SCHEMA_ID = 101;

/** Schema id in Confluent's wire format; -1 where there is none. */
export const schemaIdOf = (value: Uint8Array | null): number =>
  value === null || value.length < 5 || value[0] !== 0 ? -1 : Buffer.from(value.buffer, value.byteOffset, 5).readInt32BE(1);

/** The same record under the new id. */
export function underNewSchema(value: Buffer): Buffer {
  const copy = Buffer.from(value);
  copy.writeInt32BE(NEW_SCHEMA_ID, 1);
  return copy;
}
