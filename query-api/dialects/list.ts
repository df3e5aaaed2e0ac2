// Every dialect of a peer, once.
import type { DialectRoute } from './dialect.ts';
import { peertubeRoutes } from './peertube.ts';

/** What the dialects are told, from the service's settings. */
export type DialectSettings = { peertubeViewAfterMs: number; peertubeViewExpirationMs: number; peertubeLiveMs: number };

export const createDialects = (settings: DialectSettings): readonly DialectRoute[] => [
  ...peertubeRoutes({
    countAfterMs: settings.peertubeViewAfterMs,
    expirationMs: settings.peertubeViewExpirationMs,
    liveMs: settings.peertubeLiveMs,
  }),
];
