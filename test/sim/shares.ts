// Seeds spread over processes: each runs a share and tells every result as a line of JSON.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Control } from './controls.ts';

export type Line = { seed: number; failure?: string; steps: number; counts: Record<string, number> };

export type SharesOptions = {
  /** The main.ts to run, and the folder from which it finds its packages. */
  main: string;
  cwd: string;
  from: number;
  seeds: number;
  workers: number;
  control: Control | undefined;
  onLine: (line: Line) => void;
};
export type Shares = { done: Promise<void>; stop(): void };

/** Starts the processes. `done` resolves when all have ended, whatever became of them. */
export function startShares({ main, cwd, from, seeds, workers, control, onLine }: SharesOptions): Shares {
  const children = Array.from({ length: workers }, (_, index) => {
    const share = ['--from', String(from + index), '--seeds', String(seeds - index), '--step', String(workers)];
    const passed = ['--worker', ...share, ...(control === undefined ? [] : ['--control', control])];
    // Runs live for milliseconds: a larger nursery lets most of their garbage die there.
    return spawn(process.execPath, ['--max-semi-space-size=64', '--import', 'tsx', main, ...passed], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  });
  let stopped = false;
  return {
    done: Promise.all(
      children.map(async (child) => {
        for await (const text of createInterface({ input: child.stdout })) if (!stopped) onLine(JSON.parse(text) as Line);
      }),
    ).then(() => {}),
    stop(): void {
      stopped = true;
      for (const child of children) child.kill();
    },
  };
}
