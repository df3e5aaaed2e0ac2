// docs/benchmarks.md: each benchmark writes its own section between its markers, with machine, load and command.
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release } from 'node:os';

const FILE = new URL('../../docs/benchmarks.md', import.meta.url);
const HEAD = `# Benchmarks

What Playhead costs, measured by \`npm run bench\` on one machine beside a named peer or limit **in the same run**: read the ratios, the
absolute figures move with the machine. \`npm run bench -- --help\` lists the parts; each writes its own section here.
`;

/** Replaces (or appends) the section of one benchmark. `rows` are lines of Markdown. */
export async function writeSection(section: { name: string; title: string; command: string; lines: readonly string[] }): Promise<void> {
  const old = await readFile(FILE, 'utf8').catch(() => HEAD);
  const begin = `<!-- ${section.name}: begin -->`;
  const end = `<!-- ${section.name}: end -->`;
  const text = [begin, '', `## ${section.title}`, '', `${machine()}; \`${section.command}\``, '', ...section.lines, '', end].join('\n');
  const from = old.indexOf(begin);
  const to = old.indexOf(end);
  const next = from >= 0 && to > from ? old.slice(0, from) + text + old.slice(to + end.length) : `${old.trimEnd()}\n\n${text}\n`;
  await writeFile(FILE, next);
}

function machine(): string {
  const load = loadavg()[0] as number;
  return `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), kernel ${release()}, Node ${process.version}, load ${load.toFixed(1)} at the end, ${new Date().toISOString().slice(0, 10)}`;
}

/** A Markdown table. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  `| ${head.join(' | ')} |`,
  `|${head.map(() => '---').join('|')}|`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
];

export const median = (values: readonly number[]): number => quantile(values, 0.5);
export const quantile = (values: readonly number[], p: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(p * values.length))] ?? Number.NaN;
/** "median (lowest-highest)" */
export const spread = (values: readonly number[], digits = 1): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}-${Math.max(...values).toFixed(digits)})`;

export const say = (line: string): void => void process.stdout.write(`${line}\n`);
