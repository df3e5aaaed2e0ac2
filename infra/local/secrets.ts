// Passwords and keys of the local system: made once, kept in a file that only its owner may read.
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { PlayheadError } from '../runtime/errors.ts';

export type LocalSecrets = { postgresPassword: string; readKey: string; adminKey: string };

const SECRET_BYTES = 24;

/** The secrets in this file, made first if there is none. @throws PlayheadError ERR_SECRETS if it cannot be understood. */
export function loadSecrets(file: string): LocalSecrets {
  const made = (): string => randomBytes(SECRET_BYTES).toString('hex');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    const secrets = { postgresPassword: made(), readKey: `sk_${made()}`, adminKey: `sk_${made()}` };
    writePrivately(file, secrets);
    return secrets;
  }
  try {
    return JSON.parse(text) as LocalSecrets;
  } catch (error) {
    throw new PlayheadError('ERR_SECRETS', `${file} cannot be read: delete the whole directory it lies in and start again.`, {
      cause: error,
    });
  }
}

/** Writes JSON that only its owner may read, all of it or nothing. */
export function writePrivately(file: string, content: unknown): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
  chmodSync(`${file}.new`, 0o600);
  renameSync(`${file}.new`, file);
}
