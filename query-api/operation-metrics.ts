// What only the database knows about the operation as a whole, for Prometheus: results of the operator's checks, the balance, and groups
// that fence one another. Asked when it is scraped; while the database is away the last values stay.
import { Gauge, type Registry } from 'prom-client';
import type { Ask } from './answers.ts';
import { type CheckResultRow, checkResults } from './queries/check-results.ts';
import { ledgerRows } from './queries/ledger-rows.ts';
import { rivalGroups } from './queries/rival-groups.ts';
import { ledgerDifference } from './routes/ledger.ts';

/** Registers the gauges. */
export function exportOperation(registry: Registry, ask: Ask): void {
  exportChecks(registry, ask);
  exportBalance(registry, ask);
  exportRivals(registry, ask);
}

function exportChecks(registry: Registry, ask: Ask): void {
  const gauge = (name: string, help: string, labels: readonly string[], show: (gauge: Gauge, row: CheckResultRow) => void): void => {
    new Gauge({
      name,
      help,
      labelNames: ['check', ...labels],
      registers: [registry],
      async collect() {
        for (const row of await ask(checkResults()).catch(() => [])) show(this, row);
      },
    });
  };
  gauge('playhead_check_problems', 'Problems that a check last found', [], (each, { name, problems }) =>
    each.set({ check: name }, problems),
  );
  gauge('playhead_check_age_seconds', 'Time since a check last ended', [], (each, { name, age_seconds: age }) =>
    each.set({ check: name }, age),
  );
  gauge('playhead_check_partitions', 'Partitions by what a check last found: sound, unsound, skipped', ['outcome'], (each, row) => {
    const { name, sound, unsound, skipped } = row;
    for (const [outcome, count] of Object.entries({ sound, unsound, skipped })) each.set({ check: name, outcome }, count);
  });
}

function exportBalance(registry: Registry, ask: Ask): void {
  new Gauge({
    name: 'playhead_ledger_difference_events',
    help: 'Events in the log that the balance does not account for, over all partitions; anything but 0 is a fault',
    registers: [registry],
    async collect() {
      const rows = await ask(ledgerRows()).catch(() => undefined);
      if (rows !== undefined) this.set(rows.reduce((sum, { ledger }) => sum + Math.abs(ledgerDifference([ledger])), 0));
    },
  });
}

function exportRivals(registry: Registry, ask: Ask): void {
  new Gauge({
    name: 'playhead_rival_groups_partitions',
    help: 'Partitions that several consumer groups have claimed within ten minutes; the label names the groups',
    labelNames: ['groups'],
    registers: [registry],
    async collect() {
      const rows = await ask(rivalGroups()).catch(() => undefined);
      if (rows === undefined) return;
      this.reset();
      for (const { groups, partitions } of rows) this.set({ groups }, partitions);
    },
  });
}
