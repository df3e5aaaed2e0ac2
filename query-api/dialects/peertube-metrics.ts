// The number of viewers under the name that PeerTube exports it by, so that its dashboards go on working.
import { Gauge, type Registry } from 'prom-client';
import type { Ask } from '../answers.ts';
import { liveTotal } from '../queries/live-total.ts';

/** Asked when it is scraped; while the database is away it keeps its last value. */
export function exportPeertubeViewers(registry: Registry, ask: Ask): void {
  new Gauge({
    name: 'peertube_viewers_total',
    help: 'Sessions playing now, of all sites',
    labelNames: ['viewerOrigin', 'videoOrigin'],
    registers: [registry],
    async collect() {
      const rows = await ask(liveTotal()).catch(() => []);
      if (rows[0] !== undefined) this.set({ viewerOrigin: 'local', videoOrigin: 'local' }, rows[0].viewers);
    },
  });
}
