// A secret that all gateways share for a door: made by the first of them, read once, kept in memory.
import { randomBytes } from 'node:crypto';
import { messageOf } from '../infra/runtime/errors.ts';
import type { Cancel, Scheduler, Statement } from '../infra/runtime/ports.ts';

const SECRET_BYTES = 32;
const RETRY_MS = 1_000;

export const insertDoorSecret: Statement<[string, Buffer], never> = {
  name: 'insert-door-secret',
  text: 'INSERT INTO door_secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING',
};
export const selectDoorSecret: Statement<[string], { secret: Buffer }> = {
  name: 'select-door-secret',
  text: 'SELECT secret FROM door_secrets WHERE name = $1',
};

export type DoorSecretDeps = {
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  scheduler: Scheduler;
  logger: { warn(fields: object, message: string): void };
};

export type DoorSecret = {
  /** The secret, undefined until the database was asked. */
  get(): Buffer | undefined;
  stop(): void;
};

/** Starts reading at once, and tries again until there is an answer. */
export function startDoorSecret(deps: DoorSecretDeps, name: string): DoorSecret {
  let secret: Buffer | undefined;
  let stopped = false;
  let cancel: Cancel = () => {};
  const read = async (): Promise<void> => {
    try {
      let [row] = await deps.query(selectDoorSecret, [name]);
      if (row === undefined) {
        await deps.query(insertDoorSecret, [name, randomBytes(SECRET_BYTES)]);
        [row] = await deps.query(selectDoorSecret, [name]);
      }
      secret = row?.secret;
    } catch (thrown) {
      deps.logger.warn({ error: messageOf(thrown), name }, 'the secret of a door could not be read; trying again');
    }
    if (secret === undefined && !stopped) cancel = deps.scheduler.after(RETRY_MS, () => void read());
  };
  void read();
  return {
    get: () => secret,
    stop() {
      stopped = true;
      cancel();
    },
  };
}
