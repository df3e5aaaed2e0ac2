// The fault matrix from the command line, with short or full times.
import { parseArgs } from 'node:util';

const HELP = `Usage: node --import tsx test/chaos/main.ts [--full] [--only F3,F7] [--seed text] [--at-once n] [--write]

Plays the faults of the matrix on real processes, three brokers and PostgreSQL, and checks the invariants after each.

  --full        the times of the fault matrix (hours); default: the short times of a CI run (minutes)
  --only ids    these rows, separated by commas
  --seed text   audience and choices are drawn from it; printed with each row
  --at-once n   how many of the faults that touch only their own system run together (default 3)
  --write       with --full: record the results in docs/faults.md
  --list        the rows this suite plays
`;

async function main(): Promise<number> {
  process.env['TEST_RUNNER'] = 'true';
  const { values } = parseArgs({
    options: {
      full: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      seed: { type: 'string', default: 'playhead' },
      'at-once': { type: 'string', default: '3' },
      write: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  if (values.help) {
    print(HELP);
    return 0;
  }
  const { FAULTS, playFaults, tableOf } = await import('./runner.ts');
  if (values.list) {
    for (const { id, about } of FAULTS) print(`${id.padEnd(5)}${about}`);
    return 0;
  }
  const wanted = values.only === '' ? [] : values.only.split(',');
  const unknown = wanted.filter((id) => !FAULTS.some((fault) => fault.id === id));
  if (unknown.length > 0) {
    process.stderr.write(`No such row: ${unknown.join(', ')}\n\n${HELP}`);
    return 2;
  }
  const { startServers } = await import('./servers.ts');
  print(`seed ${values.seed}; starting three brokers, PostgreSQL and the registry`);
  const servers = await startServers();
  try {
    const faults = FAULTS.filter(({ id }) => wanted.length === 0 || wanted.includes(id));
    const results = await playFaults(servers, faults, {
      seed: values.seed,
      full: values.full,
      atOnce: Number(values['at-once']),
      progress: print,
    });
    print(`\n${tableOf(results)}`);
    if (values.full && values.write) await (await import('./record.ts')).recordResults(results);
    for (const result of results.filter(({ violations }) => violations.length > 0)) {
      print(
        `\n${result.id}${result.ok ? ' (control, as it must be)' : ''}: node --import tsx test/chaos/main.ts --only ${result.id} --seed ${values.seed}`,
      );
      for (const { invariant, detail } of result.violations.slice(0, 12)) print(`  ${invariant}: ${detail}`);
    }
    return results.every(({ ok }) => ok) ? 0 : 1;
  } finally {
    await servers.stop();
  }
}

process.exitCode = await main();
