// From start to a clean end: signals, a time limit for stopping, exit codes.
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { codeOf, toError } from './errors.ts';
import { checkSchema } from './migrations.ts';

/** Exit codes: 0 stopped cleanly, 1 crashed, 78 wrong settings or an unsuitable environment (do not restart blindly). */
export const EXIT_CRASH = 1;
export const EXIT_CONFIG = 78;
/** The database was migrated by a newer binary, or not far enough: a restart does not help. */
export const EXIT_SCHEMA = 79;

const EXIT_CODES: Readonly<Record<string, number>> = { ERR_CONFIG: EXIT_CONFIG, ERR_SCHEMA_OLD: EXIT_SCHEMA, ERR_SCHEMA_NEW: EXIT_SCHEMA };
const exitCodeOf = (error: Error): number => EXIT_CODES[codeOf(error)] ?? EXIT_CRASH;

/** Reads the settings of a process; wrong ones end it with all problems on standard error and exit code 78. */
export function configOrExit<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    const error = toError(thrown);
    process.stderr.write(`${error.message}\n`);
    process.exit(exitCodeOf(error));
  }
}

/** A database that does not fit ends the start; one that cannot be asked right now does not. */
async function refuseWrongSchema(databaseUrl: string, logger: Logger): Promise<void> {
  try {
    await checkSchema(databaseUrl);
  } catch (thrown) {
    if (exitCodeOf(toError(thrown)) === EXIT_SCHEMA) throw thrown;
    logger.warn({ err: thrown }, 'the database cannot be asked whether its tables fit');
  }
}

/** What a started service gives back. */
export type RunningService = { stop(): Promise<void> };

/**
 * Starts a service (if the database fits, else exit code 79) and stops it on SIGTERM or SIGINT within `stopTimeoutMs`; past that
 * the process exits 1, and the crash path does the rest (D27). An uncaught error or rejection stops it too, with exit code 1. A parent that started us with an
 * IPC channel and goes away stops us as well.
 */
export async function runService(options: {
  name: string;
  logger: Logger;
  config: { stopTimeoutMs: number; databaseUrl: string };
  start: (fail: (error: Error) => void) => Promise<RunningService>;
}): Promise<void> {
  const { logger, name } = options;
  let running: RunningService | undefined;
  const grace = closeWithGrace({ delay: options.config.stopTimeoutMs, logger: false }, async ({ signal, err }) => {
    if (err) logger.fatal({ err, code: codeOf(err) }, `${name} failed`);
    else logger.info({ signal }, `${name} is stopping`);
    await running?.stop();
    logger.info(`${name} has stopped`);
  });
  const fail = (error: Error): void => {
    logger.fatal({ err: error, code: codeOf(error) }, `${name} cannot go on`);
    process.exitCode = EXIT_CRASH;
    setImmediate(() => process.exit(EXIT_CRASH));
  };
  process.once('disconnect', () => void grace.close());
  try {
    await refuseWrongSchema(options.config.databaseUrl, logger);
    running = await options.start(fail);
    logger.info(`${name} is running`);
  } catch (thrown) {
    const error = toError(thrown);
    logger.fatal({ err: error, code: codeOf(error) }, `${name} could not start: ${error.message}`);
    process.exit(exitCodeOf(error));
  }
}
