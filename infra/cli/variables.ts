// Every variable that Playhead knows, by the process that reads it: for the generated documents, and so that a variable of one
// process in a shared file is not an error to another.
import { ingestConfigSpec } from '../../ingest/config.ts';
import { processorConfigSpec } from '../../processor/config.ts';
import { queryConfigSpec } from '../../query-api/config.ts';
import { localConfigSpec } from '../local/config.ts';
import type { ConfigSpec } from '../runtime/config.ts';
import { cliConfigSpec } from './config.ts';

export type VariableGroup = { name: string; title: string; spec: ConfigSpec };

export const VARIABLE_GROUPS: readonly VariableGroup[] = [
  { name: 'ingest', title: 'Ingest gateway', spec: ingestConfigSpec },
  { name: 'processor', title: 'Processor', spec: processorConfigSpec },
  { name: 'query-api', title: 'Query API and dashboard', spec: queryConfigSpec },
  { name: 'cli', title: 'Command line (`npm run playhead`)', spec: cliConfigSpec },
  { name: 'local', title: 'Local system (`npm start`)', spec: localConfigSpec },
];

/** Names of all variables. */
export const allVariables = (): string[] => [...new Set(VARIABLE_GROUPS.flatMap(({ spec }) => Object.values(spec).map(({ env }) => env)))];

/** Names that one process reads. */
export function variablesOf(name: string): string[] {
  const group = VARIABLE_GROUPS.find((each) => each.name === name);
  return group ? Object.values(group.spec).map(({ env }) => env) : [];
}
