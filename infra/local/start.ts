// `npm start`: the whole system on this machine, until Ctrl-C.
import { systemClock, systemScheduler } from '../runtime/clock.ts';
import { codeOf, toError } from '../runtime/errors.ts';
import { createLogger } from '../runtime/log.ts';
import { createFigures, figuresLine } from './figures.ts';
import { readStartOptions } from './options.ts';
import { createLocalSystem, type Endpoints } from './system.ts';

const FIGURES_INTERVAL_MS = 1_000;
/** Without a terminal one line is enough now and then. */
const FIGURES_LINE_EVERY = 10;
const EXIT_INTERRUPTED = 130;
/** One Ctrl-C reaches us twice: from the terminal and passed on by npm. */
const SAME_SIGNAL_MS = 1_000;

const terminal = process.stdout.isTTY === true;
const startedMs = systemScheduler.monotonicMs();
let lineOpen = false;

function say(line: string): void {
  process.stdout.write(`${lineOpen ? '\r\u001b[K' : ''}${line}\n`);
  lineOpen = false;
}

const progress = (line: string): void => say(`[${((systemScheduler.monotonicMs() - startedMs) / 1000).toFixed(1).padStart(5)} s] ${line}`);

function announce(endpoints: Endpoints): void {
  const { query, ingest, readKey, writeKey } = endpoints;
  say(`
Playhead is running.

  dashboard   ${endpoints.dashboard}#key=${readKey}
  read key    ${readKey}
  API docs    ${endpoints.docs}
  players     ${ingest}/v1/beacons with the write key ${writeKey}

  curl -H 'Authorization: Bearer ${readKey}' '${query}/v1/plays'

One node without replication: for trials and development. Stop with Ctrl-C.
`);
}

/** Shows figures until the answer is called. */
function showFigures(endpoints: Endpoints): () => void {
  const ask = createFigures({
    query: endpoints.query,
    ingestMetrics: endpoints.metrics.ingest,
    readKey: endpoints.readKey,
    clock: systemClock,
    scheduler: systemScheduler,
  });
  let round = 0;
  let asking = false;
  return systemScheduler.every(FIGURES_INTERVAL_MS, async () => {
    if (asking) return;
    asking = true;
    const figures = await ask();
    asking = false;
    round += 1;
    if (!figures) return;
    if (terminal) {
      process.stdout.write(`\r\u001b[K${figuresLine(figures)}`);
      lineOpen = true;
    } else if (round === 1 || round % FIGURES_LINE_EVERY === 0) say(figuresLine(figures));
  });
}

async function main(): Promise<number> {
  const options = readStartOptions(process.argv.slice(2));
  const logger = createLogger({ service: 'start', instance: `${process.pid}`, level: 'silent' });
  let end: (code: number) => void = () => {};
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });
  const onLost = (line: string): void => {
    progress(line);
    end(1);
  };
  const system = createLocalSystem({ options, logger, scheduler: systemScheduler, onProgress: progress, onLost });
  let signals = 0;
  let firstSignalMs = 0;
  const onSignal = (): void => {
    const nowMs = systemScheduler.monotonicMs();
    signals += 1;
    if (signals === 1) {
      firstSignalMs = nowMs;
      return end(0);
    }
    if (nowMs - firstSignalMs < SAME_SIGNAL_MS) return;
    progress('stopping at once');
    system.kill();
    process.exit(EXIT_INTERRUPTED);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  let hideFigures = (): void => {};
  system.start().then(
    (endpoints) => {
      if (signals > 0) return;
      progress('everything answers');
      announce(endpoints);
      hideFigures = showFigures(endpoints);
    },
    (thrown: unknown) => {
      if (signals > 0) return;
      const error = toError(thrown);
      say(codeOf(error).startsWith('ERR_') ? `\n${error.message}` : `\n${error.stack}`);
      end(1);
    },
  );
  const code = await ended;
  hideFigures();
  await system.stop();
  progress('stopped');
  return code;
}

process.exit(await main());
