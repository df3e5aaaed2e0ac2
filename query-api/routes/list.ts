// Every route, once. The app serves these and nothing else under /v1.
import { engagementRoute } from './engagement.ts';
import { keyCreateRoute, keyRevokeRoute, keyRotateRoute, keysRoute } from './keys.ts';
import { ledgerRoute } from './ledger.ts';
import { liveRoute } from './live.ts';
import { playsRoute } from './plays.ts';
import type { Route } from './route.ts';
import { sessionsRoute } from './sessions.ts';
import { sourcesRoute } from './sources.ts';
import { videoPutRoute, videoRoute, videosRoute } from './videos.ts';

export const routes: readonly Route[] = [
  playsRoute,
  engagementRoute,
  sourcesRoute,
  sessionsRoute,
  videosRoute,
  videoRoute,
  videoPutRoute,
  liveRoute,
  ledgerRoute,
  keysRoute,
  keyCreateRoute,
  keyRotateRoute,
  keyRevokeRoute,
];
