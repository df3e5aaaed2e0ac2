// What must be so before anything is started. Every check fails with one sentence that says what to do.
import { existsSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { PlayheadError } from '../runtime/errors.ts';
import { PROJECT_DIRECTORY } from './paths.ts';
import { freePorts, isPortFree } from './ports.ts';

const NODE_MIN = [20, 19] as const;
const DISK_FREE_BYTES_MIN = 2 * 1024 ** 3;

/** @throws PlayheadError ERR_NODE. */
export function checkNode(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  throw new PlayheadError(
    'ERR_NODE',
    `Playhead needs Node ${NODE_MIN.join('.')} or newer and this is ${version}: install a newer one from nodejs.org.`,
  );
}

/** @throws PlayheadError ERR_DISK. */
export async function checkDisk(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw new PlayheadError('ERR_DISK', `${directory} cannot be written: choose another directory with --directory.`, { cause: error });
  });
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= DISK_FREE_BYTES_MIN) return;
  throw new PlayheadError(
    'ERR_DISK',
    `Only ${Math.floor((bavail * bsize) / 1024 ** 2)} MB are free where ${directory} lies: make 2 GB free, or choose another directory with --directory.`,
  );
}

/** @throws PlayheadError ERR_INCOMPLETE naming a missing file of the project. */
export function checkFiles(files: readonly string[]): void {
  const missing = files.find((file) => !existsSync(join(PROJECT_DIRECTORY, file)));
  if (missing === undefined) return;
  throw new PlayheadError('ERR_INCOMPLETE', `${missing} is missing: this copy of Playhead is not whole, get it anew and run npm ci.`);
}

export type PortWish = {
  name: string;
  /** 0 = any free one. */
  port: number;
  /** Option that changes it. */
  option: string;
  /** If it is taken: fail, or take another one. */
  whenTaken: 'fail' | 'other';
};

/**
 * Settles on ports, by name.
 * @throws PlayheadError ERR_PORT naming the taken port and the option that changes it.
 */
export async function choosePorts<Name extends string>(
  wishes: readonly (PortWish & { name: Name })[],
  onProgress: (line: string) => void,
): Promise<Record<Name, number>> {
  const chosen = {} as Record<Name, number>;
  const spare = await freePorts(wishes.length);
  for (const [index, wish] of wishes.entries()) {
    const other = spare[index] as number;
    const taken = wish.port !== 0 && !(await isPortFree(wish.port));
    if (taken && wish.whenTaken === 'fail') {
      throw new PlayheadError(
        'ERR_PORT',
        `Port ${wish.port}, wanted for ${wish.name}, is taken: stop what uses it or choose another one with ${wish.option} (0 = any free one).`,
      );
    }
    if (taken) onProgress(`port ${wish.port} is taken: ${wish.name} uses ${other}`);
    chosen[wish.name] = wish.port === 0 || taken ? other : wish.port;
  }
  return chosen;
}
