// Finds a Java that can run the broker and the registry.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { codeOf, PlayheadError } from '../runtime/errors.ts';

const run = promisify(execFile);

/** Oldest Java that Apache Kafka 4 and the registry run on. */
export const JAVA_VERSION_MIN = 17;

const ADVICE = `install a Java runtime ${JAVA_VERSION_MIN} or newer (Debian, Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk@17) or point JAVA_HOME at one`;

/**
 * The java command to use: JAVA_HOME's, else the one on the path.
 * @throws PlayheadError ERR_JAVA with what to do if there is none or it is too old.
 */
export async function findJava(javaHome: string): Promise<string> {
  const java = javaHome === '' ? 'java' : join(javaHome, 'bin', 'java');
  const output = await run(java, ['-version']).then(
    ({ stderr, stdout }) => `${stderr}${stdout}`,
    (error: unknown) => {
      const reason = codeOf(error) === 'ENOENT' ? 'there is no Java on this machine' : `${java} does not run`;
      throw new PlayheadError('ERR_JAVA', `Kafka needs Java and ${reason}: ${ADVICE}.`, { cause: error });
    },
  );
  const version = javaVersion(output);
  if (version < JAVA_VERSION_MIN)
    throw new PlayheadError('ERR_JAVA', `${java} is Java ${version}, Kafka needs ${JAVA_VERSION_MIN}: ${ADVICE}.`);
  return java;
}

/** The feature release in the output of `java -version`: 8 for 1.8.0_292, 17 for 17.0.15; 0 if it cannot be read. */
export function javaVersion(output: string): number {
  const found = /version "(?:1\.)?(\d+)/.exec(output);
  return found ? Number(found[1]) : 0;
}
