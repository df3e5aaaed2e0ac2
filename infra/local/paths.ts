// Where things lie: the project, and the directory that holds everything the local system writes.
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's directory. */
export const PROJECT_DIRECTORY: string = resolve(fileURLToPath(new URL('../..', import.meta.url)));

export const POM_FILE: string = join(PROJECT_DIRECTORY, 'infra', 'local', 'pom.xml');

/** Directory of the local system; relative ones belong to the project, wherever we were started. */
export const localDirectory = (asked: string): string => resolve(PROJECT_DIRECTORY, asked === '' ? '.local' : asked);

/** What was downloaded; kept between starts. */
export const downloadsDirectory = (asked: string): string => join(localDirectory(asked), 'downloads');

/** Where a running system tells its addresses and keys. */
export const endpointsFile = (asked: string): string => join(localDirectory(asked), 'endpoints.json');
