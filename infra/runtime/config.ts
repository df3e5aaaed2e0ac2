// Settings come from the environment only: a spec per service becomes one frozen, typed object, with every problem
// reported at once. The same specs generate .env.example and the README table (`npm run docs:config`).
import { hostname } from 'node:os';
import { z } from 'zod';
import { SURFACES, type Surface } from '../../schemas/surfaces.ts';
import { PlayheadError } from './errors.ts';

/** One variable: its name in the environment, its rule, its default (as it would be written) and what it does. */
export type Setting<T> = {
  readonly env: string;
  readonly schema: z.ZodType<T>;
  /** undefined = required. */
  readonly default: string | undefined;
  readonly description: string;
};
export type ConfigSpec = Readonly<Record<string, Setting<unknown>>>;
export type ConfigOf<S extends ConfigSpec> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

/** Prefix of our own variables: an unknown one is an error, since it is most likely a typing mistake. */
const PREFIX = 'PLAYHEAD_';

/**
 * Second words of our variables (`PLAYHEAD_<WORD>…`). A variable whose word the own spec does not use is another service's: it may
 * stand in a shared environment, and a typing mistake in it is that service's to report. A test compares the list with .env.example.
 */
export const VARIABLE_WORDS: readonly string[] = [
  'ANALYTICS',
  'DEFAULT',
  'DOMAIN',
  'FOLD',
  'GA',
  'GA4',
  'INGEST',
  'INSTANCE',
  'LOCAL',
  'LOG',
  'MAVE',
  'MICROTICKS',
  'NATIVE',
  'PARTITIONS',
  'PEERTUBE',
  'PROCESSOR',
  'QUERY',
  'SCHEMA',
  'SINGLE',
  'TICK',
  'TIMESCALE',
  'TOPIC',
  'TRUSTED',
];
/** Endings of the settings that every surface has. */
export const SURFACE_SETTINGS = ['IDLE_GAP_MS', 'LINGER_MS', 'BACKDATE_MAX_MS'] as const;
export type SurfaceSetting = (typeof SURFACE_SETTINGS)[number];

/** Name of a surface's setting in the environment. */
export const surfaceVariable = (surface: Surface, name: SurfaceSetting): string => `${PREFIX}${surface.toUpperCase()}_${name}`;

/**
 * Variables whose word several services use: in a shared environment none may take another's for a typing mistake. A test compares the
 * list with the specs.
 */
export const SHARED_VARIABLES: readonly string[] = [
  'PLAYHEAD_MICROTICKS_CORS_ORIGINS',
  'PLAYHEAD_PEERTUBE_JUMPS',
  'PLAYHEAD_PEERTUBE_LIVE_MS',
  'PLAYHEAD_PEERTUBE_METRIC_VIDEOS_MAX',
  'PLAYHEAD_PEERTUBE_VIDEOS_REFRESH_MS',
  'PLAYHEAD_PEERTUBE_VIEW_AFTER_MS',
  'PLAYHEAD_PEERTUBE_VIEW_EXPIRATION_MS',
  'PLAYHEAD_TOPIC_RETENTION_HOURS',
  ...SURFACES.flatMap((surface) => SURFACE_SETTINGS.map((name) => surfaceVariable(surface, name))),
];

const wordOf = (name: string): string => name.slice(PREFIX.length).split('_')[0] ?? '';

/** Declares a variable; only there to infer its type. */
export const setting = <T>(declared: Setting<T>): Setting<T> => declared;

/** Rules for the common kinds of value. All take the variable's text. */
export const rule = {
  text: () => z.string(),
  /** A base URL over HTTP, or nothing. */
  optionalUrl: () =>
    z.union([z.literal(''), z.url({ protocol: /^https?$/, error: 'expected a URL that begins with http:// or https://' })]),
  /** Integer within bounds, both inclusive. */
  integer: (min: number, max: number) => z.coerce.number<string>().int().min(min).max(max),
  number: (min: number, max: number) => z.coerce.number<string>().min(min).max(max),
  /** Nothing, or an integer within bounds; nothing is undefined. */
  optionalInteger: (min: number, max: number) =>
    z.union([z.literal('').transform(() => undefined), z.coerce.number<string>().int().min(min).max(max)]),
  flag: () => z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1'),
  oneOf: <const V extends readonly [string, ...string[]]>(values: V) => z.enum(values),
  /** Comma-separated, empty entries dropped. */
  list: () =>
    z.string().transform((text) =>
      text
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ''),
    ),
  port: () => z.coerce.number<string>().int().min(0).max(65_535),
};

/**
 * Reads a spec from an environment. `alsoKnown` lists variables of the other services, which may stand in a shared file.
 * @throws PlayheadError ERR_CONFIG that names every variable that is missing, wrong or unknown.
 */
export function loadConfig<const S extends ConfigSpec>(
  spec: S,
  env: Readonly<Record<string, string | undefined>>,
  alsoKnown: readonly string[] = [],
): ConfigOf<S> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  // What all services share may stand in any one's environment, used there or not.
  const settings = [...Object.values(commonSettings), ...Object.values(spec)];
  const known = new Set([...alsoKnown, ...SHARED_VARIABLES, ...settings.map((each) => each.env)]);
  const ownWords = new Set(settings.map((each) => wordOf(each.env)));
  const isForeign = (name: string): boolean => VARIABLE_WORDS.includes(wordOf(name)) && !ownWords.has(wordOf(name));
  for (const [name, declared] of Object.entries(spec)) {
    const given = env[declared.env];
    const text = given === undefined || given === '' ? declared.default : given;
    if (text === undefined) {
      problems.push(`${declared.env} is required: ${declared.description}`);
      continue;
    }
    const parsed = declared.schema.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    else
      problems.push(
        `${declared.env}=${JSON.stringify(text)}: ${parsed.error.issues.map((issue) => issue.message).join('; ')} (${declared.description})`,
      );
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith(PREFIX) && !known.has(name) && !isForeign(name))
      problems.push(`${name} is not a setting: see .env.example for the list`);
  }
  if (problems.length > 0) throw new PlayheadError('ERR_CONFIG', `Wrong settings:\n  ${problems.join('\n  ')}`);
  return Object.freeze(values) as ConfigOf<S>;
}

/** Settings that all three services share. */
export const commonSettings = {
  kafkaBrokers: setting({
    env: 'KAFKA_BROKERS',
    schema: rule.list(),
    default: '127.0.0.1:9092',
    description: 'Kafka bootstrap addresses, host:port, comma-separated',
  }),
  schemaRegistryUrl: setting({
    env: 'SCHEMA_REGISTRY_URL',
    schema: rule.text(),
    default: 'http://127.0.0.1:8085/apis/ccompat/v7',
    description: 'Confluent-compatible schema registry; a base path is fine',
  }),
  databaseUrl: setting({
    env: 'DATABASE_URL',
    schema: rule.text(),
    default: 'postgres://playhead:playhead@127.0.0.1:5432/playhead',
    description: 'PostgreSQL 15+ or TimescaleDB connection URL',
  }),
  topic: setting({
    env: 'PLAYHEAD_TOPIC',
    schema: rule.text(),
    default: 'playhead.beacons',
    description: 'Topic of beacons, ticks and control records',
  }),
  domainEventsTopic: setting({
    env: 'PLAYHEAD_DOMAIN_EVENTS_TOPIC',
    schema: rule.text(),
    default: '',
    description: 'Topic to which sealed sessions and custom events also go, for other systems (playhead.sessions); empty = none',
  }),
  partitions: setting({
    env: 'PLAYHEAD_PARTITIONS',
    schema: rule.integer(1, 1024),
    default: '16',
    description: 'Partitions of the topic; fixed for its life (D29)',
  }),
  singleNode: setting({
    env: 'PLAYHEAD_SINGLE_NODE',
    schema: rule.flag(),
    default: 'false',
    description: 'Accept a topic without replication (one machine, trials): true or false',
  }),
  instance: setting({
    env: 'PLAYHEAD_INSTANCE',
    schema: rule.text(),
    default: `${hostname()}-${process.pid}`,
    description: 'Name of this process in logs, claims and metrics; default host and process id',
  }),
  logLevel: setting({
    env: 'PLAYHEAD_LOG_LEVEL',
    schema: rule.oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
    description: 'Log level',
  }),
};
