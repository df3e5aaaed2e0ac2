// `npm run bench`: what Playhead costs, each part beside its peer in the same run; writes docs/benchmarks.md.
import { parseArgs } from 'node:util';
import { benchCopy } from './copy.ts';
import { benchDoors } from './doors.ts';
import { benchEndToEnd } from './end-to-end.ts';
import { benchFold } from './fold.ts';
import { benchGateway, reportGateway } from './gateway.ts';
import { benchQuery } from './query.ts';
import { benchRecovery, sizesFrom } from './recovery.ts';
import { say } from './report.ts';

const { values, positionals } = parseArgs({
  options: { help: { type: 'boolean', default: false }, sessions: { type: 'string' } },
  allowPositionals: true,
});
const PARTS: Record<string, { about: string; run: () => Promise<void> }> = {
  gateway: { about: 'CPU of a request against a node:http echo', run: async () => reportGateway(await benchGateway()) },
  fold: { about: 'time per event, bytes per open session, snapshot and restore', run: benchFold },
  copy: { about: 'COPY rows/s against psql \\copy, and the exactly-once flush against a bare COPY', run: benchCopy },
  query: { about: 'engagement and plays from rollups against rows and against the naive join', run: benchQuery },
  doors: { about: 'CPU of an event by door beside a native one, a thousand sockets with all doors at once', run: benchDoors },
  recovery: {
    about: 'heap, snapshots, pauses and kill -9 with 200,000 and 1,000,000 open sessions (--sessions n,n for others)',
    run: () => benchRecovery(values.sessions === undefined ? undefined : sizesFrom(values.sessions)),
  },
  'end-to-end': { about: 'events/s through all processes, CPU per event, freshness', run: benchEndToEnd },
};

const unknown = positionals.filter((name) => !(name in PARTS));
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) say(`There is no part named ${unknown.join(', ')}.\n`);
  say('Usage: npm run bench -- [part ...]\n');
  for (const [name, { about }] of Object.entries(PARTS)) say(`  ${name.padEnd(12)} ${about}`);
  say('\nWithout a part all of them run, about fifteen minutes. Results go to docs/benchmarks.md.');
  process.exitCode = unknown.length > 0 ? 2 : 0;
} else {
  for (const [name, { about, run }] of Object.entries(PARTS)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    say(`\n${name}: ${about}`);
    await run();
  }
  const { stopTestServers } = await import('../support/servers.ts');
  await stopTestServers();
  process.exit(0);
}
