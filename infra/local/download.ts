// Fetches the broker's and the registry's jars with Maven, once. A finished download is a directory named after the pom's
// content; it is made under another name and then renamed, so that a download cut short is never mistaken for a whole one
// and two downloads at the same time do not disturb each other.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { codeOf, messageOf, PlayheadError } from '../runtime/errors.ts';
import { POM_FILE } from './paths.ts';

const run = promisify(execFile);
const MAVEN_TIMEOUT_MS = 15 * 60_000;
const MAVEN_OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const MAVEN_ADVICE =
  'install Maven 3 (Debian, Ubuntu: apt install maven; macOS: brew install maven); it is needed only for this first download';

export type Downloaded = {
  /** Directory of the broker's jars. */
  kafkaLibs: string;
  /** Directory of the unpacked registry. */
  registryDirectory: string;
  /** File name of the registry's runnable jar. */
  registryJar: string;
};

const targetDirectory = (downloads: string): string => {
  const digest = createHash('sha256').update(readFileSync(POM_FILE)).digest('hex').slice(0, 12);
  return join(downloads, `servers-${digest}`);
};

/** True if nothing has to be fetched any more. */
export const isDownloaded = (downloads: string): boolean => existsSync(targetDirectory(downloads));

function describe(directory: string): Downloaded {
  const registryDirectory = join(directory, 'registry');
  const registryJar = readdirSync(registryDirectory).find((file) => file.endsWith('-runner.jar'));
  if (registryJar === undefined)
    throw new PlayheadError('ERR_DOWNLOAD', `${registryDirectory} holds no registry: delete ${directory} and start again.`);
  return { kafkaLibs: join(directory, 'libs'), registryDirectory, registryJar };
}

/**
 * The downloaded servers, fetched first if need be (about 150 MB).
 * @throws PlayheadError ERR_MAVEN (no Maven), ERR_DOWNLOAD (it failed; with its last words).
 */
export async function ensureDownloaded(downloads: string, onProgress: (line: string) => void = () => {}): Promise<Downloaded> {
  const target = targetDirectory(downloads);
  if (existsSync(target)) return describe(target);
  await mkdir(downloads, { recursive: true });
  const making = await mkdtemp(join(downloads, 'making-'));
  onProgress('downloading Apache Kafka and the schema registry (about 150 MB, only this once)');
  try {
    await run(
      'mvn',
      [
        '-q',
        '-B',
        '-Dstyle.color=never',
        '-f',
        POM_FILE,
        `-Ddownloads=${making}`,
        'dependency:copy-dependencies@kafka',
        'dependency:unpack@registry',
      ],
      {
        timeout: MAVEN_TIMEOUT_MS,
        maxBuffer: MAVEN_OUTPUT_BYTES_MAX,
      },
    );
    await rm(join(making, 'target'), { recursive: true, force: true });
    describe(making);
    await rename(making, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT')
      throw new PlayheadError('ERR_MAVEN', `The servers must be downloaded and there is no Maven: ${MAVEN_ADVICE}.`, { cause: thrown });
    const { stdout } = thrown as { stdout?: string };
    const lastWords = (stdout || messageOf(thrown)).trim().split('\n').slice(-8).join('\n');
    throw new PlayheadError(
      'ERR_DOWNLOAD',
      `Maven could not download the servers; check the network, then start again. It said:\n${lastWords}`,
      { cause: thrown },
    );
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return describe(target);
}
