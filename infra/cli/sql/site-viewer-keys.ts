// Switches keyed, daily-salted viewer hashes of a site on or off.
import type { Statement } from '../../runtime/ports.ts';

export const siteViewerKeys: Statement<[site: string, on: boolean], { site: string }> = {
  name: 'cli-site-viewer-keys',
  text: 'UPDATE sites SET viewer_keys = $2 WHERE site = $1 RETURNING site',
};
