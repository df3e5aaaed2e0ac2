// Every dialect of a peer, once.
import { analyticsEngineRoutes } from './analytics-engine.ts';
import type { DialectRoute } from './dialect.ts';
import { maveRoutes } from './mave.ts';
import { maveDataRoutes } from './mave-data.ts';
import { maveKeyRoutes } from './mave-keys.ts';
import { microticksRoutes } from './microticks.ts';
import { peertubeRoutes } from './peertube.ts';

/** What the dialects are told, from the service's settings. */
export type DialectSettings = { peertubeViewAfterMs: number; peertubeViewExpirationMs: number; peertubeLiveMs: number };

export const createDialects = (settings: DialectSettings): readonly DialectRoute[] => [
  ...maveRoutes(),
  ...maveKeyRoutes(),
  ...maveDataRoutes(),
  ...peertubeRoutes({
    countAfterMs: settings.peertubeViewAfterMs,
    expirationMs: settings.peertubeViewExpirationMs,
    liveMs: settings.peertubeLiveMs,
  }),
  ...analyticsEngineRoutes,
  ...microticksRoutes,
];
