// The command line as an operator runs it: in a process of its own, with what it prints and its exit code.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PROJECT_DIRECTORY } from '../../infra/local/paths.ts';
import type { TestSystem } from './system.ts';

const run = promisify(execFile);

export type Outcome = { code: number; stdout: string; stderr: string };

/** Runs `playhead ARGS` with these variables and no others; a local system that happens to run is not found. */
export async function playhead(env: Record<string, string>, ...args: string[]): Promise<Outcome> {
  const given = { PATH: process.env['PATH'] ?? '', PLAYHEAD_LOCAL_DIR: '/nonexistent', ...env };
  return run(process.execPath, ['--import', 'tsx', 'infra/cli/main.ts', ...args], { cwd: PROJECT_DIRECTORY, env: given }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Outcome) => error,
  );
}

/** The variables of a test system. */
export const systemVariables = (system: TestSystem): Record<string, string> => ({
  DATABASE_URL: system.database,
  KAFKA_BROKERS: system.brokers.join(','),
  SCHEMA_REGISTRY_URL: system.registry,
  PLAYHEAD_TOPIC: system.topic,
  PLAYHEAD_PARTITIONS: String(system.partitions),
  PLAYHEAD_SINGLE_NODE: 'true',
});
