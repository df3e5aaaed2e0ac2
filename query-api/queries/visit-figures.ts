// Page visits: sessions without a video that came through the doors of measurement protocols, with their custom events.
import { STAMPED_PROTOCOLS } from '../../schemas/visits.ts';
import type { Question } from '../core/question.ts';
import { type Bound, bound, paramList } from './bound.ts';
import { combinedSessions, contextColumn, filterColumns } from './combined.ts';
import { bucketStarts } from './figures-from-rows.ts';

/** Doors whose sessions without a video are visits. */
export const VISIT_PROTOCOLS = ['microticks', 'ga', 'ga4', 'snowplow', 'segment', 'plausible', 'umami', 'posthog'] as const;
/** Names under which these protocols report that a page was shown. */
export const PAGEVIEW_NAMES = ['pageview', 'page_view', '$pageview', 'page', 'screenview', 'screen_view'] as const;

export type VisitRow = {
  bucket: number;
  value: string;
  visits: number;
  provisional: number;
  bounces: number;
  duration_ms: number;
  pageviews: number;
  events: number;
  visitors: number;
};

export const VISIT_ROWS_MAX = 50_000;

/** Where the fold cuts visits each has an id of its own, and hits without interaction may lie beyond its end. */
export function visitFigures(question: Question): Bound<VisitRow> {
  const params = paramList();
  const group = question.groupBy === undefined ? undefined : contextColumn(question.groupBy, 'value', params);
  const { columns, conditions } = filterColumns(question.filters, params);
  const extra = [
    { name: 'door', sql: 'protocol' },
    { name: 'viewer_key', sql: 'viewer' },
  ];
  const combined = combinedSessions({ ...question, videos: [''] }, [...(group === undefined ? [] : [group]), ...columns, ...extra], params);
  conditions.push(`door = ANY(${params.add(VISIT_PROTOCOLS)}::text[])`);
  const pageviews = params.add(PAGEVIEW_NAMES);
  const text = `WITH ${combined},
visits AS (
  SELECT width_bucket(started_at, ${bucketStarts(question, params)}) AS bucket, ${group === undefined ? "''::text" : 'value'} AS value, open, viewer_key,
    (extract(epoch FROM ended_at - started_at) * 1000)::int8 AS duration_ms, e.pageviews, e.events
  FROM combined c LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE x.name = ANY(${pageviews}::text[])) AS pageviews,
      count(*) FILTER (WHERE x.name <> ALL(${pageviews}::text[])) AS events
    FROM custom_events x WHERE x.site = c.site AND x.session = c.session AND x.video = ''
      AND (c.door = ANY(${params.add(STAMPED_PROTOCOLS)}::text[]) OR x.at >= c.started_at AND x.at <= c.ended_at)
  ) e ON true WHERE ${conditions.join(' AND ')}
)
SELECT bucket, value, count(*) AS visits, count(*) FILTER (WHERE open) AS provisional, count(*) FILTER (WHERE duration_ms = 0) AS bounces,
  sum(duration_ms)::int8 AS duration_ms, sum(pageviews)::int8 AS pageviews, sum(events)::int8 AS events,
  count(DISTINCT viewer_key) FILTER (WHERE viewer_key <> '') AS visitors
FROM visits GROUP BY bucket, value ORDER BY visits DESC, value, bucket LIMIT ${VISIT_ROWS_MAX + 1}`;
  return bound('visit_figures', text, params.values);
}
