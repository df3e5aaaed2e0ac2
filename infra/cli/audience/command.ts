// `playhead simulate`: sends an audience to a running system. With --viewers a finite crowd whose truth can be written to a
// file and compared with what the system answers; without it an endless natural one, as the demo has.
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { systemClock, systemScheduler } from '../../runtime/clock.ts';
import { PlayheadError } from '../../runtime/errors.ts';
import { type CrowdResult, planCrowd, sendCrowd, startDemo } from './audience.ts';
import { DEMO_VIDEOS, SHORT_VIDEOS } from './catalog.ts';
import { createDriver, type DriverCounts } from './driver.ts';

type SimulateOptions = {
  viewers?: number;
  rate: number;
  seed: string;
  duration?: number;
  endpoint?: string;
  key?: string;
  speed: number;
  loss: number;
  duplicates: number;
  disorder: number;
  history: number;
  addresses: boolean;
  short: boolean;
  truth?: string;
};

const PROGRESS_MS = 1_000;
/** A crowd whose clocks run fast begins in the past, so that no viewing lies in the future of the gateway's clock. */
const FAST_PAST_MS = 2 * 3_600_000;

function numberFrom(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!(value >= low && value <= high)) throw new InvalidArgumentError(`must be a number from ${low} to ${high}`);
    return value;
  };
}

/** The command, to be added to the `playhead` program. */
export function simulateCommand(): Command {
  return new Command('simulate')
    .description('send a simulated audience to a running system')
    .option('--viewers <n>', 'stop after this many viewers; without it the audience is endless', numberFrom(1, 1_000_000))
    .option('--rate <n>', 'new viewers a minute', numberFrom(0.1, 100_000), 12)
    .option('--seed <text>', 'the same seed gives the same audience', 'playhead')
    .option('--duration <seconds>', 'stop after this long', numberFrom(1, 1e9))
    .option('--endpoint <url>', 'address of the ingest service (default: from .local/endpoints.json)')
    .option('--key <key>', 'write key (default: from .local/endpoints.json)')
    .option('--speed <n>', 'how much faster than ours the clocks of a finite crowd run', numberFrom(0.1, 10_000), 1)
    .option('--loss <share>', 'share of beacons that are never sent', numberFrom(0, 1), 0)
    .option('--duplicates <share>', 'share of beacons that are sent 1 to 5 times more', numberFrom(0, 1), 0)
    .option('--disorder <share>', 'share of beacons that are overtaken by later ones', numberFrom(0, 1), 0)
    .option('--history <hours>', 'past to send first, endless audience only', numberFrom(0, 23), 0)
    .option('--addresses', 'send X-Forwarded-For, for a gateway with trusted hops', false)
    .option('--short', 'watch videos of seconds instead of minutes', false)
    .option('--truth <file>', 'write what was true and what was accepted, one JSON line per viewer; finite crowd only')
    .action(simulate);
}

async function simulate(options: SimulateOptions): Promise<void> {
  const { endpoint, key } = await target(options);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  // Started by a parent with a channel to us: when that is gone, nobody watches any more.
  process.once('disconnect', onSignal);
  const cancel = options.duration === undefined ? () => {} : systemScheduler.after(options.duration * 1000, () => stop.abort());
  try {
    if (options.viewers === undefined) await endless(options, { endpoint, key }, stop.signal);
    else await crowd(options, { endpoint, key, viewers: options.viewers }, stop.signal);
  } finally {
    cancel();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    process.off('disconnect', onSignal);
  }
}

async function target(options: SimulateOptions): Promise<{ endpoint: string; key: string }> {
  if (options.endpoint && options.key) return { endpoint: options.endpoint, key: options.key };
  const path = join('.local', 'endpoints.json');
  try {
    const found = JSON.parse(await readFile(path, 'utf8')) as { ingest: string; writeKey: string };
    return { endpoint: options.endpoint ?? found.ingest, key: options.key ?? found.writeKey };
  } catch (cause) {
    throw new PlayheadError('ERR_NO_ENDPOINT', `give --endpoint and --key, or start a system first (${path} is not there)`, { cause });
  }
}

async function endless(options: SimulateOptions, to: { endpoint: string; key: string }, signal: AbortSignal): Promise<void> {
  const demo = startDemo(
    { clock: systemClock, scheduler: systemScheduler },
    { ...to, seed: options.seed, viewersPerMinute: options.rate, historyHours: options.history, sendAddress: options.addresses },
  );
  const stopProgress = showProgress(() => `${demo.counts().watching} watching, ${describe(demo.counts())}`);
  await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
  await demo.stop();
  stopProgress();
}

type Target = { endpoint: string; key: string; viewers: number };

async function crowd(options: SimulateOptions, to: Target, signal: AbortSignal): Promise<void> {
  const driver = createDriver({ scheduler: systemScheduler }, { ...to, sendAddress: options.addresses });
  signal.addEventListener('abort', () => driver.stop(), { once: true });
  const gapMs = Math.floor(60_000 / options.rate);
  const { speed, loss, duplicates, disorder } = options;
  const plans = planCrowd({
    viewers: to.viewers,
    seed: options.seed,
    startsAt: systemClock.now() - (speed > 1 ? FAST_PAST_MS : 0),
    videos: options.short ? SHORT_VIDEOS : DEMO_VIDEOS,
    gapMs,
    delivery: { speed, loss, duplicates, disorder },
  });
  const stopProgress = showProgress(() => `${to.viewers} viewers, ${describe(driver.counts())}`);
  const results = await sendCrowd(driver, plans, gapMs);
  stopProgress();
  if (options.truth) await writeTruth(options.truth, results);
}

function describe(counts: DriverCounts): string {
  return `${counts.events} events accepted in ${counts.accepted} requests, ${counts.retries} sent again, ${counts.refused} refused, ${counts.unknown} unknown`;
}

/** Keeps one line on stderr up to date; ends it when stopped. Without a terminal it writes a line now and then. */
function showProgress(text: () => string): () => void {
  const terminal = process.stderr.isTTY;
  let seconds = 0;
  const cancel = systemScheduler.every(PROGRESS_MS, () => {
    if (terminal) process.stderr.write(`\r${text()}\u001b[K`);
    else if (++seconds % 60 === 0) process.stderr.write(`${text()}\n`);
  });
  return () => {
    cancel();
    process.stderr.write(`${terminal ? '\r' : ''}${text()}\n`);
  };
}

async function writeTruth(path: string, results: readonly CrowdResult[]): Promise<void> {
  const file = createWriteStream(path);
  for (const { plan, records } of results) {
    const { viewing, lostIndexes } = plan;
    file.write(`${JSON.stringify({ session: viewing.viewer.session, truths: viewing.truths, lostIndexes, records })}\n`);
  }
  await new Promise<void>((resolve, reject) => {
    file.on('error', reject);
    file.end(() => resolve());
  });
}
