// From start to a clean end: signals, a time limit for stopping, exit codes.
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { codeOf, toError } from './errors.ts';

/** Exit codes: 0 stopped cleanly, 1 crashed, 78 wrong settings or an unsuitable environment (do not restart blindly). */
export const EXIT_CRASH = 1;
export const EXIT_CONFIG = 78;

/** What a started service gives back. */
export type RunningService = { stop(): Promise<void> };

/**
 * Starts a service and stops it on SIGTERM or SIGINT within `stopTimeoutMs`; past that the process exits 1, and the crash
 * path does the rest (D27). An uncaught error or rejection stops it too, with exit code 1. A parent that started us with an
 * IPC channel and goes away stops us as well.
 */
export async function runService(options: {
  name: string;
  logger: Logger;
  stopTimeoutMs: number;
  start: (fail: (error: Error) => void) => Promise<RunningService>;
}): Promise<void> {
  const { logger, name } = options;
  let running: RunningService | undefined;
  const grace = closeWithGrace({ delay: options.stopTimeoutMs, logger: false }, async ({ signal, err }) => {
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
    running = await options.start(fail);
    logger.info(`${name} is running`);
  } catch (thrown) {
    const error = toError(thrown);
    logger.fatal({ err: error, code: codeOf(error) }, `${name} could not start: ${error.message}`);
    process.exit(codeOf(error) === 'ERR_CONFIG' ? EXIT_CONFIG : EXIT_CRASH);
  }
}
