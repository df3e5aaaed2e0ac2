// Decodes raw beacons kept in the database. The schema id is in each payload's header, so no registry is needed to read them.

import type { Beacon } from '../schemas/beacon.ts';
import { type Codec, createCodec } from '../schemas/codec.ts';
import { recordKey } from '../schemas/topics.ts';

const SCHEMA_ID_AT = 1;
const HEADER_BYTES = 5;
/** Ids of schemas that never stand in the beacons table. */
const UNUSED = { tick: -1, control: -2, session: -3, snapshot: -4 };
/** Most writer schemas remembered: a topic sees a handful in its life. */
const SCHEMAS_MAX = 50;

export type BeaconReader = { read(site: string, session: string, payload: Buffer): Beacon | undefined };

/** A reader that remembers one codec per schema id. A payload that cannot be read gives undefined. */
export function createBeaconReader(): BeaconReader {
  const codecs = new Map<number, Codec>();
  const codecOf = (id: number): Codec => {
    let codec = codecs.get(id);
    if (codec === undefined) {
      codec = createCodec({ ...UNUSED, beacon: id });
      if (codecs.size >= SCHEMAS_MAX) codecs.clear();
      codecs.set(id, codec);
    }
    return codec;
  };
  return {
    read(site, session, payload) {
      if (payload.length < HEADER_BYTES) return undefined;
      const message = codecOf(payload.readInt32BE(SCHEMA_ID_AT)).decode(Buffer.from(recordKey(site, session)), payload);
      return message.kind === 'beacon' ? message.beacon : undefined;
    },
  };
}
