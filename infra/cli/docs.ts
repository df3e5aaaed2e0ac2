// Documents generated from the config specs: .env.example and the table of variables in README.md.
import type { Setting } from '../runtime/config.ts';
import type { VariableGroup } from './variables.ts';

const BEGIN = '<!-- variables: begin (npm run docs:config) -->';
const END = '<!-- variables: end -->';
/** The default depends on the machine. */
const INSTANCE = 'PLAYHEAD_INSTANCE';

type Variable = { env: string; fallback: string; description: string; groups: string[] };

/** Every variable once, with the processes that read it, in the order of their first appearance. */
export function collectVariables(groups: readonly VariableGroup[]): Variable[] {
  const found = new Map<string, Variable>();
  for (const { name, spec } of groups) {
    for (const setting of Object.values(spec) as Setting<unknown>[]) {
      const known = found.get(setting.env);
      if (known) known.groups.push(name);
      else {
        const fallback = setting.env === INSTANCE ? '' : (setting.default ?? '');
        found.set(setting.env, { env: setting.env, fallback, description: setting.description, groups: [name] });
      }
    }
  }
  return [...found.values()];
}

/** Text of .env.example: everything commented out at its default. */
export function envExample(groups: readonly VariableGroup[]): string {
  const lines = ['# Every variable of Playhead at its default. Generated: npm run docs:config.'];
  const seen = new Set<string>();
  const variables = collectVariables(groups);
  for (const { name, title } of groups) {
    const first = variables.filter((variable) => variable.groups[0] === name && !seen.has(variable.env));
    if (first.length === 0) continue;
    lines.push('', `# --- ${title} ---`);
    for (const variable of first) {
      seen.add(variable.env);
      lines.push('', `# ${variable.description}.`, `# Read by: ${variable.groups.join(', ')}.`, `#${variable.env}=${variable.fallback}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The table as Markdown, between its two markers. */
export function variableTable(groups: readonly VariableGroup[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const rows = collectVariables(groups).map(
    ({ env, fallback, description, groups: readers }) =>
      `| \`${env}\` | ${fallback === '' ? '' : `\`${cell(fallback)}\``} | ${readers.join(', ')} | ${cell(description)} |`,
  );
  return [BEGIN, '', '| variable | default | read by | meaning |', '|---|---|---|---|', ...rows, '', END].join('\n');
}

/** The document with the table between its markers replaced; undefined if it has no markers. */
export function withVariableTable(document: string, table: string): string | undefined {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from < 0 || to < from) return undefined;
  return document.slice(0, from) + table + document.slice(to + END.length);
}
