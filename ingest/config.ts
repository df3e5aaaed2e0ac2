// Settings of the ingest gateway. Read once, in main.ts.
import { commonSettings, rule, setting } from '../infra/runtime/config.ts';
import { surfaceSpec } from '../infra/runtime/surface-settings.ts';

export const ingestConfigSpec = {
  ...commonSettings,
  host: setting({
    env: 'PLAYHEAD_INGEST_HOST',
    schema: rule.text(),
    default: '0.0.0.0',
    description: 'Address that players are served on',
  }),
  port: setting({
    env: 'PLAYHEAD_INGEST_PORT',
    schema: rule.port(),
    default: '8080',
    description: 'Port that players are served on; 0 = any free one',
  }),
  queryUrl: setting({
    env: 'PLAYHEAD_INGEST_QUERY_URL',
    schema: rule.optionalUrl(),
    default: '',
    description:
      'Base URL of the query API: what the gateway does not take itself is passed on to it, so that players and dashboards share one base URL; empty = nothing is',
  }),
  metricsHost: setting({
    env: 'PLAYHEAD_INGEST_METRICS_HOST',
    schema: rule.text(),
    default: '127.0.0.1',
    description: 'Address of /metrics, /healthz and /readyz',
  }),
  metricsPort: setting({
    env: 'PLAYHEAD_INGEST_METRICS_PORT',
    schema: rule.port(),
    default: '9464',
    description: 'Port of /metrics, /healthz and /readyz; 0 = any free one',
  }),
  trustedHops: setting({
    env: 'PLAYHEAD_TRUSTED_HOPS',
    schema: rule.integer(0, 16),
    default: '0',
    description: 'Proxies of yours in front of the gateway: the client address is taken that far from the right of X-Forwarded-For',
  }),
  placesPath: setting({
    env: 'GEOIP_DB_PATH',
    schema: rule.text(),
    default: '',
    description: 'MMDB city or country file to use instead of the shipped country file',
  }),
  lingerMs: setting({
    env: 'PLAYHEAD_INGEST_LINGER_MS',
    schema: rule.integer(0, 1000),
    default: '10',
    description: 'How long beacons wait to be sent together',
  }),
  deadlineMs: setting({
    env: 'PLAYHEAD_INGEST_DEADLINE_MS',
    schema: rule.integer(100, 60_000),
    default: '6000',
    description: 'How long a request waits for the acknowledgement of the log before it is answered 503',
  }),
  sendsInFlightMax: setting({
    env: 'PLAYHEAD_INGEST_SENDS_IN_FLIGHT_MAX',
    schema: rule.integer(1, 64),
    default: '4',
    description: 'Sends to the log under way at once',
  }),
  bufferBeaconsMax: setting({
    env: 'PLAYHEAD_INGEST_BUFFER_BEACONS_MAX',
    schema: rule.integer(1, 10_000_000),
    default: '50000',
    description: 'Beacons waiting for the log at once; past it requests are answered 503',
  }),
  bufferBytesMax: setting({
    env: 'PLAYHEAD_INGEST_BUFFER_BYTES_MAX',
    schema: rule.integer(65_536, 8_589_934_592),
    default: '67108864',
    description: 'Bytes waiting for the log at once; past it requests are answered 503',
  }),
  tickIntervalMs: setting({
    env: 'PLAYHEAD_TICK_INTERVAL_MS',
    schema: rule.integer(100, 60_000),
    default: '2000',
    description: 'Interval of the ticks that let log time pass',
  }),
  keysRefreshMs: setting({
    env: 'PLAYHEAD_INGEST_KEYS_REFRESH_MS',
    schema: rule.integer(100, 600_000),
    default: '2000',
    description: 'How often write keys and site aliases are read: how long a revoked key may go on working',
  }),
  defaultSite: setting({
    env: 'PLAYHEAD_DEFAULT_SITE',
    schema: rule.text(),
    default: '',
    description: 'Site of requests of foreign protocols that name no key, no known identifier and no known host; empty = they are refused',
  }),
  prefixPerSecond: setting({
    env: 'PLAYHEAD_INGEST_PREFIX_REQUESTS_PER_SECOND',
    schema: rule.number(0.1, 1_000_000),
    default: '20',
    description: 'Requests per second from one network (/24 or /48)',
  }),
  prefixBurst: setting({
    env: 'PLAYHEAD_INGEST_PREFIX_BURST',
    schema: rule.number(1, 10_000_000),
    default: '200',
    description: 'Requests one network may send at once',
  }),
  keyPerSecond: setting({
    env: 'PLAYHEAD_INGEST_KEY_REQUESTS_PER_SECOND',
    schema: rule.number(0.1, 10_000_000),
    default: '2000',
    description: 'Requests per second with one write key, unless the key has a limit of its own',
  }),
  keyBurstSeconds: setting({
    env: 'PLAYHEAD_INGEST_KEY_BURST_SECONDS',
    schema: rule.number(1, 3600),
    default: '2',
    description: 'Seconds worth of requests that one write key may send at once',
  }),
  bucketsMax: setting({
    env: 'PLAYHEAD_INGEST_BUCKETS_MAX',
    schema: rule.integer(100, 10_000_000),
    default: '100000',
    description: 'Networks remembered for rate limits; the longest unseen are forgotten',
  }),
  socketsMax: setting({
    env: 'PLAYHEAD_INGEST_SOCKETS_MAX',
    schema: rule.integer(0, 1_000_000),
    default: '10000',
    description: 'Open WebSockets; further ones are refused with 503. Below the limit of connections, or players over HTTP find none',
  }),
  connectionsMax: setting({
    env: 'PLAYHEAD_INGEST_CONNECTIONS_MAX',
    schema: rule.integer(1, 1_000_000),
    default: '20000',
    description: 'Open connections; further ones are refused',
  }),
  schemaMode: setting({
    env: 'PLAYHEAD_SCHEMA_MODE',
    schema: rule.oneOf(['verify', 'register']),
    default: 'verify',
    description: 'Whether schemas are only looked up in the registry or also registered at start',
  }),
  peertubeJumps: setting({
    env: 'PLAYHEAD_PEERTUBE_JUMPS',
    schema: rule.oneOf(['split', 'credit']),
    default: 'split',
    description: 'A jump that a PeerTube player does not tell of: split = not watched, credit = watched, as a PeerTube server counts it',
  }),
  peertubeVideosRefreshMs: setting({
    env: 'PLAYHEAD_PEERTUBE_VIDEOS_REFRESH_MS',
    schema: rule.integer(100, 600_000),
    default: '4000',
    description: 'How old what is known of a video (length, live) may be when a PeerTube beat is held against it',
  }),
  peertubeMetricVideosMax: setting({
    env: 'PLAYHEAD_PEERTUBE_METRIC_VIDEOS_MAX',
    schema: rule.integer(0, 100_000),
    default: '200',
    description: 'Videos with a label of their own in the peertube_playback metrics; the others are `other`',
  }),
  stopTimeoutMs: setting({
    env: 'PLAYHEAD_INGEST_STOP_TIMEOUT_MS',
    schema: rule.integer(1000, 600_000),
    default: '20000',
    description: 'Time a stop may take: answer what was accepted, drain, close',
  }),
  ...surfaceSpec('BACKDATE_MAX_MS'),
};
