// Avro in Confluent's wire format: byte 0, four bytes of schema id, payload. The only importer of avsc and of the registry
// client. Schemas ship with the code; the registry is asked at start and deploy, and at run time only about an id that was
// never seen (P16, P17). Every payload begins with a CRC-32 over the record key and what follows it, since the Kafka client
// delivers flipped bytes as data (K20).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import avro from 'avsc';
import type { Beacon, Control, LogMessage, Tick } from './beacon.ts';

/** Registry ids of our own schemas. */
export type SchemaIds = { beacon: number; tick: number; control: number; session: number; snapshot: number };
export type SchemaName = keyof SchemaIds | 'custom-event';
export const SCHEMA_NAMES: readonly (keyof SchemaIds)[] = ['beacon', 'tick', 'control', 'session', 'snapshot'];
/** Schemas of the topic of domain events. */
export type DomainSchemaIds = { session: number; 'custom-event': number };
type RecordName = 'beacon' | 'tick' | 'control';

const HEADER_BYTES = 5;
const CHECKSUM_BYTES = 4;
const PAYLOAD_AT = HEADER_BYTES + CHECKSUM_BYTES;
const SLAB_BYTES = 256 * 1024;
const NO_CHECKSUM = Buffer.alloc(CHECKSUM_BYTES);

/** Text of a shipped schema. */
export function schemaText(name: SchemaName): string {
  return readFileSync(new URL(`./${name}.avsc`, import.meta.url), 'utf8');
}

/** SHA-256 (hex) of the schema without white space: the key under which its id is remembered. */
export function schemaFingerprint(name: SchemaName): string {
  return createHash('sha256')
    .update(JSON.stringify(JSON.parse(schemaText(name))))
    .digest('hex');
}

/** Subject of a schema on a topic (TopicRecordNameStrategy): `<topic>-io.playhead.<Record>`. */
export function subjectOf(topic: string, name: SchemaName): string {
  return `${topic}-io.playhead.${(JSON.parse(schemaText(name)) as { name: string }).name}`;
}

const parseType = (text: string): avro.Type => avro.Type.forSchema(JSON.parse(text) as avro.Schema, { wrapUnions: false });

/** A record whose schema id is not known yet: ask the registry, never dead-letter it (P17). */
export type UnknownSchema = { kind: 'unknown_schema'; id: number };

export type Codec = {
  /** @throws RangeError where a value does not fit its Avro type: the gateway must have checked it. */
  encodeBeacon(beacon: Beacon, key: Buffer): Buffer;
  encodeTick(tick: Tick): Buffer;
  encodeControl(control: Control): Buffer;
  /** Never throws: what cannot be read is `bad` with a reason, an id never seen is `unknown_schema`. */
  decode(key: Uint8Array | null, value: Uint8Array | null): LogMessage | UnknownSchema;
  /** Adds an older or newer writer's schema under its id; values come out in our own shape. @throws if it cannot be resolved. */
  learn(id: number, writerSchemaText: string): void;
};

/** Confluent wire format for the topic of domain events: header and Avro, nothing else, so that any registry client reads it. */
export type DomainCodec = {
  /** @throws Error where a value does not fit its schema. */
  encodeSession(session: unknown): Buffer;
  encodeCustomEvent(event: unknown): Buffer;
};

/** `ids` are the registry's (resolveDomainSchemaIds). */
export function createDomainCodec(ids: DomainSchemaIds): DomainCodec {
  const encoder = (name: keyof DomainSchemaIds): ((value: unknown) => Buffer) => {
    const type = parseType(schemaText(name));
    const header = headerOf(ids[name]);
    return (value) => Buffer.concat([header, type.toBuffer(value)]);
  };
  return { encodeSession: encoder('session'), encodeCustomEvent: encoder('custom-event') };
}

type Reader = { name: RecordName; type: avro.Type; resolver: avro.types.UnwrappedUnionType | undefined };

/** Builds types, readers and slab once; `ids` are the registry's (resolveSchemaIds). `textOf` gives other schema texts to a test of evolution. */
export function createCodec(ids: SchemaIds, textOf: (name: SchemaName) => string = schemaText): Codec {
  const typeOf = (name: SchemaName): avro.Type => parseType(textOf(name));
  const types = { beacon: typeOf('beacon'), tick: typeOf('tick'), control: typeOf('control') };
  const readers = new Map<number, Reader>();
  for (const name of ['beacon', 'tick', 'control'] as const) readers.set(ids[name], { name, type: types[name], resolver: undefined });
  const slab = createSlab();
  return {
    encodeBeacon: (beacon, key) => slab.encode(types.beacon, ids.beacon, beacon, key),
    encodeTick: (tick) => slab.encode(types.tick, ids.tick, tick, null),
    encodeControl: (control) => slab.encode(types.control, ids.control, control, null),
    decode: (key, value) => decodeRecord(readers, key, value),
    learn(id, text) {
      const writer = parseType(text);
      const name = (['beacon', 'tick', 'control'] as const).find((each) => types[each].name === writer.name);
      if (name === undefined) throw new RangeError(`schema id ${id} describes ${writer.name}, which is no record of this log`);
      readers.set(id, { name, type: types[name], resolver: types[name].createResolver(writer) as never });
    },
  };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function headerOf(id: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeInt32BE(id, 1);
  return header;
}

/** Values are encoded one behind the other into a slab, which is left to its slices when it is full (they live until the ack). */
function createSlab(): { encode(type: avro.Type, id: number, value: object, key: Buffer | null): Buffer } {
  let slab = Buffer.allocUnsafe(SLAB_BYTES);
  let used = 0;
  const place = (type: avro.Type, value: object): number => type.encode({ ...value, checksum: NO_CHECKSUM }, slab, used + HEADER_BYTES);
  return {
    encode(type, id, value, key) {
      let end = place(type, value);
      if (end < 0) {
        slab = Buffer.allocUnsafe(Math.max(SLAB_BYTES, slab.length - end - used));
        used = 0;
        end = place(type, value);
      }
      const record = slab.subarray(used, end);
      record[0] = 0;
      record.writeInt32BE(id, 1);
      record.writeUInt32BE(checksumOf(key, record), HEADER_BYTES);
      used = end;
      return record;
    },
  };
}

function checksumOf(key: Uint8Array | null, record: Uint8Array): number {
  return crc32(record.subarray(PAYLOAD_AT), key === null ? 0 : crc32(key));
}

function decodeRecord(readers: ReadonlyMap<number, Reader>, key: Uint8Array | null, bytes: Uint8Array | null): LogMessage | UnknownSchema {
  if (bytes === null || bytes.length === 0) return { kind: 'bad', reason: 'empty_record', detail: 'the record has no value' };
  const value = asBuffer(bytes);
  if (value.length < PAYLOAD_AT || value[0] !== 0)
    return { kind: 'bad', reason: 'bad_magic', detail: `first byte ${value[0]}, ${value.length} bytes` };
  const id = value.readInt32BE(1);
  const reader = readers.get(id);
  if (reader === undefined) return { kind: 'unknown_schema', id };
  if (value.readUInt32BE(HEADER_BYTES) !== checksumOf(key, value))
    return { kind: 'bad', reason: 'bad_checksum', detail: 'CRC-32 of key and payload differs' };
  try {
    const { value: message, offset } = reader.type.decode(value, HEADER_BYTES, reader.resolver as never);
    if (offset !== value.length)
      return { kind: 'bad', reason: 'undecodable', detail: offset < 0 ? 'truncated' : `${value.length - offset} bytes too many` };
    if (reader.name === 'beacon') return { kind: 'beacon', beacon: message as Beacon };
    if (reader.name === 'tick') return { kind: 'tick', tick: message as Tick };
    return { kind: 'control', control: message as Control };
  } catch (thrown) {
    return { kind: 'bad', reason: 'undecodable', detail: thrown instanceof Error ? thrown.message.slice(0, 200) : 'unreadable' };
  }
}

/** Remembers verified ids, so that a start without the registry works (F34). */
export type SchemaIdStore = {
  load(): Promise<ReadonlyMap<string, number>>;
  save(entries: readonly { subject: string; fingerprint: string; id: number }[]): Promise<void>;
};

/** Time a registry call may take: its client knows no limit of its own. */
const REGISTRY_TIMEOUT_MS = 10_000;

type ResolveOptions = { registryUrl: string; topic: string; mode: 'register' | 'verify'; store?: SchemaIdStore };

/**
 * Ids of our schemas. `register` writes them to the registry (idempotent, FULL_TRANSITIVE), `verify` only looks them up. If the
 * registry cannot be reached, ids remembered in `store` are used. An incompatible schema is an error that says which.
 * @throws Error with the subject, what the registry said and what to do.
 */
export const resolveSchemaIds = (options: ResolveOptions): Promise<SchemaIds> => resolveIds(SCHEMA_NAMES, options);

/** The same for the topic of domain events. */
export const resolveDomainSchemaIds = (options: ResolveOptions): Promise<DomainSchemaIds> =>
  resolveIds(['session', 'custom-event'], options);

async function resolveIds<N extends SchemaName>(names: readonly N[], options: ResolveOptions): Promise<Record<N, number>> {
  const { store, topic } = options;
  const registry = new SchemaRegistry({ host: options.registryUrl }, {});
  const ids: Partial<Record<N, number>> = {};
  const remembered = await store?.load();
  for (const name of names) {
    const subject = subjectOf(topic, name);
    try {
      ids[name] = await within(REGISTRY_TIMEOUT_MS, askRegistry(registry, options.mode, name, subject));
    } catch (thrown) {
      const known = remembered?.get(`${subject} ${schemaFingerprint(name)}`);
      if (known === undefined) {
        throw new Error(
          `Schema ${subject}: the registry at ${options.registryUrl} said "${thrown instanceof Error ? thrown.message : String(thrown)}". ` +
            (options.mode === 'verify'
              ? 'Run `playhead topics create` once to register the schemas, or check the address.'
              : 'Check the address, and that the change is compatible (schemas/README.md).'),
          { cause: thrown },
        );
      }
      ids[name] = known;
    }
  }
  const found = ids as Record<N, number>;
  await store?.save(names.map((name) => ({ subject: subjectOf(topic, name), fingerprint: schemaFingerprint(name), id: found[name] })));
  return found;
}

async function askRegistry(registry: SchemaRegistry, mode: 'register' | 'verify', name: SchemaName, subject: string): Promise<number> {
  const schema = { type: SchemaType.AVRO as const, schema: schemaText(name) };
  if (mode === 'verify') return registry.getRegistryIdBySchema(subject, schema);
  return (await registry.register(schema, { subject, compatibility: COMPATIBILITY.FULL_TRANSITIVE })).id;
}

/** Asks the registry for the text of a schema by id (P17). @throws Error after the time limit or on any failure: try again later. */
export async function fetchSchemaText(registryUrl: string, id: number): Promise<string> {
  const response = await fetch(`${registryUrl}/schemas/ids/${id}`, { signal: AbortSignal.timeout(REGISTRY_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`the registry answered ${response.status} for schema id ${id}`);
  return ((await response.json()) as { schema: string }).schema;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const limit = AbortSignal.timeout(ms);
  return Promise.race([
    work,
    new Promise<never>((_resolve, reject) => {
      limit.addEventListener('abort', () => reject(new Error(`no answer within ${ms} ms`)));
    }),
  ]);
}
