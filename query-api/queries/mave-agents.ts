// Views of a window by device and browser, counted per word.
import { BROWSER_WORDS, DEVICE_WORDS } from '../core/mave-words.ts';
import { type Bound, bound, paramList } from './bound.ts';
import {
  INSIDE_MS,
  MAVE_VIEW_MS,
  type MaveScope,
  type MaveWindow,
  maveContexts,
  mavePlays,
  maveScope,
  maveWindowList,
  OVERLAPS,
} from './mave-plays.ts';
import { countsPer } from './mave-views.ts';

/** One row; counts in the order of the words. */
export type MaveAgentsRow = { views: number; devices: number[]; browsers: number[] };

export function maveAgents(scope: MaveScope, window: MaveWindow): Bound<MaveAgentsRow> {
  const params = paramList();
  const where = maveScope(scope, window.fromMs, params);
  const text = `WITH ${mavePlays(where)},
${maveWindowList([window], params)},
${maveContexts(where, ['device', 'browser'])},
viewed AS (
  SELECT p.session, p.video, p.started_at FROM plays p JOIN windows w ON ${OVERLAPS}
  GROUP BY p.session, p.video, p.started_at HAVING sum(${INSIDE_MS}) >= ${MAVE_VIEW_MS}
)
SELECT count(*) AS views, ${countsPer('device', DEVICE_WORDS, params)} AS devices, ${countsPer('browser', BROWSER_WORDS, params)} AS browsers
FROM viewed JOIN contexts USING (session, video, started_at)`;
  return bound('mave_agents', text, params.values);
}
