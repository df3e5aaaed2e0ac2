// Every route, once. The app serves these and nothing else under /v1.
import { customDefinitionDeleteRoute, customDefinitionPutRoute, customDefinitionsRoute } from './custom-definitions.ts';
import { definitionsRoute } from './definitions.ts';
import { engagementRoute } from './engagement.ts';
import { eventsRoute } from './events.ts';
import { keyCreateRoute, keyRevokeRoute, keyRotateRoute, keysRoute } from './keys.ts';
import { ledgerRoute } from './ledger.ts';
import { liveRoute } from './live.ts';
import { playsRoute } from './plays.ts';
import { qualityRoute } from './quality.ts';
import type { Route } from './route.ts';
import { sessionEventsRoute, sessionRoute } from './session.ts';
import { sessionsRoute } from './sessions.ts';
import { sourcesRoute } from './sources.ts';
import { videoPutRoute, videoRoute, videosRoute } from './videos.ts';
import { visitsRoute } from './visits.ts';

export const routes: readonly Route[] = [
  playsRoute,
  engagementRoute,
  sourcesRoute,
  sessionsRoute,
  sessionRoute,
  sessionEventsRoute,
  qualityRoute,
  visitsRoute,
  eventsRoute,
  definitionsRoute,
  videosRoute,
  videoRoute,
  videoPutRoute,
  liveRoute,
  ledgerRoute,
  keysRoute,
  keyCreateRoute,
  keyRotateRoute,
  keyRevokeRoute,
  customDefinitionsRoute,
  customDefinitionPutRoute,
  customDefinitionDeleteRoute,
];
