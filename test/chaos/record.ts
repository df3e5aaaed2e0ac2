// docs/faults.md: what the full runs of the matrix gave. A run replaces the rows of the faults that it played and keeps the others.
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { systemClock } from '../../infra/runtime/clock.ts';
import { trendOf, type UsageWatch } from '../support/usage.ts';
import type { Result } from './runner.ts';

const FILE = new URL('../../docs/faults.md', import.meta.url);
const HEAD = `# Faults, with their full times

Real processes, three Kafka brokers, PostgreSQL; each row is played once with the times of the fault matrix, then everything comes to rest and
I1 to I10 are checked (test/chaos). Written by \`node --import tsx test/chaos/main.ts --full --write\`, with \`--only F9,F14\` for some rows;
the short times run in CI.
`;

type Table = { name: string; title: string; head: readonly string[] };
const RUNS: Table = {
  name: 'runs',
  title: 'Runs',
  head: ['row', 'fault', 'injected', 'events accepted', 'unknown', 'invariants', 'time', 'load', 'date'],
};
const MEMORY: Table = {
  name: 'memory',
  title: 'Memory during ten minutes without Kafka or PostgreSQL (I10)',
  head: [
    'row',
    'process',
    'minutes',
    'open sessions',
    'heap floor, first to last third',
    'RSS, first to last third',
    'highest heap',
    'highest RSS',
  ],
};

/** Memory of a steady stretch, one line a process. */
export type MemoryLine = readonly string[];

export function memoryLines({ stretches }: Pick<UsageWatch, 'stretches'>): MemoryLine[] {
  const mb = (value: number): string => value.toFixed(0);
  return stretches.flatMap(({ instance, samples }) => {
    const trend = trendOf(samples);
    if (trend === undefined) return [];
    const minutes = ((samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0)) / 60_000;
    const open = trend.openFrom < 0 ? '-' : `${trend.openFrom} to ${trend.openTo}`;
    const highest = (name: 'heapMb' | 'rssMb'): string => `${mb(Math.max(...samples.map((sample) => sample[name])))} MB`;
    return [
      [
        instance,
        minutes.toFixed(1),
        open,
        `${mb(trend.heapFromMb)} to ${mb(trend.heapToMb)} MB`,
        `${mb(trend.rssFromMb)} to ${mb(trend.rssToMb)} MB`,
        highest('heapMb'),
        highest('rssMb'),
      ],
    ];
  });
}

const order = (row: string): number => (row.startsWith('NC') ? 1_000 : 0) + Number(row.replace(/\D/g, ''));

/** The rows of a table as it stands, without those that are replaced, and with the new ones, by number of the fault. */
function merged(old: string, { name, title, head }: Table, replaced: ReadonlySet<string>, fresh: readonly (readonly string[])[]): string {
  const section = old.split(`<!-- ${name}: begin -->`)[1]?.split(`<!-- ${name}: end -->`)[0] ?? '';
  const rows = section.split('\n').filter((line) => /^\| (F|NC)\d/.test(line));
  const idOf = (line: string): string => line.split('|')[1]?.trim() ?? '';
  const kept = rows.filter((line) => !replaced.has(idOf(line)));
  const all = [...kept, ...fresh.map((cells) => `| ${cells.join(' | ')} |`)].sort((a, b) => order(idOf(a)) - order(idOf(b)));
  const table = [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...all];
  return [`<!-- ${name}: begin -->`, '', `## ${title}`, '', ...table, '', `<!-- ${name}: end -->`].join('\n');
}

/** Writes the results of a full run. */
export async function recordResults(results: readonly Result[]): Promise<void> {
  const old = await readFile(FILE, 'utf8').catch(() => '');
  const ids = new Set(results.map(({ id }) => id));
  const load = `${(loadavg()[0] as number).toFixed(1)} on ${availableParallelism()} cores`;
  const date = new Date(systemClock.now()).toISOString().slice(0, 10);
  const runs = results.map((result) => {
    const broken = [...new Set(result.violations.map(({ invariant }) => invariant))].join(' ');
    const verdict = result.ok ? (broken === '' ? 'all hold' : `broken as it must be: ${broken}`) : `**broken: ${broken}**`;
    return [
      result.id,
      result.about,
      result.injected,
      String(result.accepted),
      String(result.unknown),
      verdict,
      `${Math.floor(result.seconds / 60)} min ${result.seconds % 60} s`,
      load,
      date,
    ];
  });
  const memory = results.flatMap(({ id, memory: lines }) => lines.map((line) => [id, ...line]));
  await writeFile(FILE, `${[HEAD.trimEnd(), merged(old, RUNS, ids, runs), merged(old, MEMORY, ids, memory)].join('\n\n')}\n`);
}
