// A dashboard's questions over HTTP on real PostgreSQL: rollups against the naive join that one would write first, and how many rows
// of the rollups an answer reads.
import { encodeCopy } from '../../infra/runtime/copy-binary.ts';
import { rollupRows, rollupStatements } from '../../processor/rollups.ts';
import { emissionRows } from '../../processor/rows.ts';
import { runAll } from '../../processor/statements.ts';
import { startQueryServer } from '../support/query-server.ts';
import { EXAMPLE_SPAN, exampleSessions } from './examples.ts';
import { median, quantile, say, table, writeSection } from './report.ts';

const SESSIONS = 50_000;
const CHUNK = 2_000;
const PARTITIONS = 4;
const ROUNDS = 30;
const NAIVE_ROUNDS = 3;

const RANGE = `from=${new Date(EXAMPLE_SPAN.endsAt - EXAMPLE_SPAN.days * 86_400_000).toISOString()}&to=${new Date(EXAMPLE_SPAN.endsAt).toISOString()}`;
const QUESTIONS: readonly (readonly [name: string, path: string])[] = [
  ['plays a day, whole site', `/v1/plays?granularity=day&${RANGE}`],
  ['plays by country, whole site', `/v1/plays?groupBy=country&${RANGE}`],
  ['sources of the top video', `/v1/sources?video=top&${RANGE}`],
  ['engagement of the top video, 100 ranges', `/v1/engagement?video=top&ranges=100&${RANGE}`],
  ['engagement of a median video, per second (rows)', `/v1/engagement?video=video-101&resolutionMs=1000&${RANGE}`],
  ['plays with an odd threshold (rows), top video', `/v1/plays?video=top&minWatchMs=12345&${RANGE}`],
];
/** Which of 100 ranges of the duration does each section overlap? The obvious join. */
const NAIVE = `
  SELECT r.i, count(DISTINCT s.session) AS plays, count(*) AS sections
  FROM generate_series(0, 99) AS r (i)
  JOIN watch_sections AS s ON s.from_ms < (r.i + 1) * 600 AND s.to_ms > r.i * 600
  WHERE s.site = $1 AND s.video = 'top'
  GROUP BY r.i ORDER BY r.i`;

async function timesOf(rounds: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  await work();
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    await work();
    times.push(performance.now() - startedMs);
  }
  return times;
}

/** Prints the figures and writes their section. */
export async function benchQuery(): Promise<void> {
  const server = await startQueryServer({ env: { PLAYHEAD_QUERY_REQUESTS_PER_MINUTE_MAX: '1000000' } });
  try {
    for (let from = 0; from < SESSIONS; from += CHUNK) {
      const outputs = exampleSessions(CHUNK, from);
      const partition = (from / CHUNK) % PARTITIONS;
      for (const { target, rows } of emissionRows(outputs, { partition, epoch: 1, writer: 'bench' }))
        await server.connection.copy(encodeCopy(target, rows));
      await runAll(server.connection, rollupStatements(rollupRows(outputs), partition));
    }
    await server.sql(
      `INSERT INTO videos (site, id, duration_ms, first_seen_at, last_seen_at) SELECT DISTINCT site, video, 60000, now(), now() FROM sessions
       ON CONFLICT DO NOTHING`,
    );
    await server.sql('ANALYZE');
    const rows: string[][] = [];
    let rollupMs = Number.NaN;
    for (const [name, path] of QUESTIONS) {
      const times = await timesOf(ROUNDS, async () => {
        const { status, text } = await server.ask(path, { key: 'all' });
        if (status !== 200) throw new Error(`${path}: ${status} ${text.slice(0, 200)}`);
      });
      if (path.includes('ranges=100')) rollupMs = median(times);
      rows.push([name, median(times).toFixed(1), quantile(times, 0.95).toFixed(1)]);
    }
    const naive = await timesOf(NAIVE_ROUNDS, () => server.sql(NAIVE, [EXAMPLE_SPAN.site]));
    rows.push(['the naive range join for the same engagement', median(naive).toFixed(0), quantile(naive, 0.95).toFixed(0)]);
    for (const [name, p50, p95] of rows) say(`  ${name}: ${p50} ms, p95 ${p95} ms`);
    await writeSection({
      name: 'query',
      title: 'Answers',
      command: 'npm run bench -- query',
      lines: [
        `${SESSIONS.toLocaleString('en')} sessions over ${EXAMPLE_SPAN.days} days and ${EXAMPLE_SPAN.videos} videos, a quarter of them of one video; warm cache; whole HTTP requests.`,
        '',
        ...table(['question', 'median ms', 'p95 ms'], rows),
        '',
        `Engagement from the rollup is ${(median(naive) / rollupMs).toFixed(0)} times as fast as the naive join on these rows; the rollup reads one array a day and partition, however many sessions there are.`,
      ],
    });
  } finally {
    await server.stop();
  }
}
