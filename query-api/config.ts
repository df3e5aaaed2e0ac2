// Settings of the query API.
import { commonSettings, loadConfig, rule, setting } from '../infra/runtime/config.ts';
import { viewSettings } from '../infra/runtime/surface-settings.ts';

export const queryConfigSpec = {
  databaseUrl: commonSettings.databaseUrl,
  partitions: commonSettings.partitions,
  instance: commonSettings.instance,
  logLevel: commonSettings.logLevel,
  host: setting({
    env: 'PLAYHEAD_QUERY_HOST',
    schema: rule.text(),
    default: '0.0.0.0',
    description: 'Address on which the query API and the dashboard listen',
  }),
  port: setting({
    env: 'PLAYHEAD_QUERY_PORT',
    schema: rule.port(),
    default: '8081',
    description: 'Port of the query API and the dashboard; 0 = any free one',
  }),
  metricsHost: setting({
    env: 'PLAYHEAD_QUERY_METRICS_HOST',
    schema: rule.text(),
    default: '127.0.0.1',
    description: 'Address on which metrics and health of the query API are served; loopback by default (Q5)',
  }),
  metricsPort: setting({
    env: 'PLAYHEAD_QUERY_METRICS_PORT',
    schema: rule.port(),
    default: '9466',
    description: 'Port of metrics and health of the query API; 0 = any free one',
  }),
  poolSize: setting({
    env: 'PLAYHEAD_QUERY_POOL_SIZE',
    schema: rule.integer(1, 200),
    default: '10',
    description: 'Database connections for reading',
  }),
  statementTimeoutMs: setting({
    env: 'PLAYHEAD_QUERY_STATEMENT_TIMEOUT_MS',
    schema: rule.integer(100, 600_000),
    default: '15000',
    description: 'Longest run of one SQL statement, ms; a question that needs more is answered 503',
  }),
  requestsPerMinuteMax: setting({
    env: 'PLAYHEAD_QUERY_REQUESTS_PER_MINUTE_MAX',
    schema: rule.integer(1, 1_000_000),
    default: '600',
    description: 'Requests a minute of one read key; more are answered 429 (a key may carry a limit of its own)',
  }),
  refusedPerMinuteMax: setting({
    env: 'PLAYHEAD_QUERY_REFUSED_PER_MINUTE_MAX',
    schema: rule.integer(1, 1_000_000),
    default: '120',
    description: 'Requests a minute of one address that are refused for their key before the address is answered 429',
  }),
  keysPerMinuteMax: setting({
    env: 'PLAYHEAD_QUERY_KEYS_PER_MINUTE_MAX',
    schema: rule.integer(1, 10_000),
    default: '10',
    description: 'Keys that one admin key may create or rotate in a minute',
  }),
  keyCacheMs: setting({
    env: 'PLAYHEAD_QUERY_KEY_CACHE_MS',
    schema: rule.integer(0, 60_000),
    default: '3000',
    description: 'How long a looked-up key is trusted, ms; a revoked key is refused after at most this long',
  }),
  exportRowsMax: setting({
    env: 'PLAYHEAD_QUERY_EXPORT_ROWS_MAX',
    schema: rule.integer(1_000, 100_000_000),
    default: '1000000',
    description: 'Most rows of one CSV or NDJSON export (scope export)',
  }),
  corsOrigins: setting({
    env: 'PLAYHEAD_QUERY_CORS_ORIGINS',
    schema: rule.list(),
    default: '',
    description: 'Origins whose pages may read the API in a browser, comma-separated; * = any',
  }),
  microticksCorsOrigins: setting({
    env: 'PLAYHEAD_MICROTICKS_CORS_ORIGINS',
    schema: rule.list(),
    default: '*',
    description: 'Origins whose pages may read the lists of Microticks in a browser, comma-separated; * = any, as with a Microticks server',
  }),
  trustedHops: setting({
    env: 'PLAYHEAD_QUERY_TRUSTED_HOPS',
    schema: rule.integer(0, 10),
    default: '0',
    description: 'Reverse proxies in front of the query API whose X-Forwarded-For is believed',
  }),
  ...viewSettings,
  peertubeLiveMs: setting({
    env: 'PLAYHEAD_PEERTUBE_LIVE_MS',
    schema: rule.integer(1_000, 86_400_000),
    default: '120000',
    description: 'Silence after which a session is no viewer of now in the answers of PeerTube, ms',
  }),
  stopTimeoutMs: setting({
    env: 'PLAYHEAD_QUERY_STOP_TIMEOUT_MS',
    schema: rule.integer(1_000, 120_000),
    default: '20000',
    description: 'Longest stop after SIGTERM, ms: running requests finish first',
  }),
};

/** The settings as this process was given them. @throws PlayheadError ERR_CONFIG. */
export const loadQueryConfig = () => loadConfig(queryConfigSpec, process.env);

/** Version of the package that started this process. */
export const packageVersion = (): string => process.env['npm_package_version'] ?? 'unknown';
