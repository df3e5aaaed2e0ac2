// GET /v1/ledger: the running balance. Everything in the log is folded, late, dead, a duplicate or waiting; the difference is 0.
import { z } from 'zod';
import { isoOf } from '../core/civil.ts';
import { type LedgerRow, ledgerRows } from '../queries/ledger-rows.ts';
import { route } from './route.ts';
import { count, freshAnswer, instant } from './shapes.ts';

const NAMES = ['records', 'ticks', 'controls', 'beacons', 'eventsInLog', 'folded', 'late', 'dead', 'duplicates', 'waiting'] as const;
const balanceShape = {
  ...(Object.fromEntries(NAMES.map((name) => [name, count])) as Record<(typeof NAMES)[number], typeof count>),
  difference: count,
};
const data = z.object({
  total: z.object(balanceShape),
  partitions: z.array(z.object({ partition: count, nextOffset: count, dataThrough: instant.nullable(), ...balanceShape })),
});

type Balance = Record<(typeof NAMES)[number] | 'difference', number>;

function balanceOf(ledgers: readonly LedgerRow['ledger'][]): Balance {
  const sums = Object.fromEntries(NAMES.map((name) => [name, ledgers.reduce((sum, ledger) => sum + (ledger[name] ?? 0), 0)])) as Balance;
  sums.difference = sums.eventsInLog - sums.folded - sums.late - sums.dead - sums.duplicates - sums.waiting;
  return sums;
}

/** Events of these ledgers that nothing accounts for; 0 unless something is wrong. */
export const ledgerDifference = (ledgers: readonly LedgerRow['ledger'][]): number => balanceOf(ledgers).difference;

export const ledgerRoute = route({
  method: 'get',
  path: '/v1/ledger',
  scope: 'query',
  summary: 'The balance of everything accepted',
  description: 'Of the whole system, not of one site. `difference` other than 0 is a fault: tell the operator.',
  query: z.strictObject({}),
  answer: freshAnswer(data),
  tabular: true,
  async handle({ nowMs }, { answers }) {
    const freshness = await answers.freshness({ range: { fromMs: 0, toMs: nowMs } });
    const rows = await answers.ask(ledgerRows());
    const partitions = rows.map((row) => ({
      partition: row.partition,
      nextOffset: row.next_offset,
      dataThrough: row.stream_time === null ? null : isoOf(row.stream_time),
      ...balanceOf([row.ledger]),
    }));
    return { data: { total: balanceOf(rows.map((row) => row.ledger)), partitions }, rows: partitions, freshness };
  },
});
