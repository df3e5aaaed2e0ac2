// What the query API shows Prometheus about the operation: results of checks, the balance, and two groups on one database (F36), which the
// alarm names.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { createTestLog, fillLog, killAll, runProcessor, until, untilFolded } from '../support/processor-harness.ts';
import { type Loose, type QueryServer, startQueryServer } from '../support/query-server.ts';

describe('metrics of the operation', { timeout: 120_000 }, () => {
  let server: QueryServer;
  const metric = async (name: string): Promise<string[]> =>
    (await server.registry.metrics()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

  before(async () => {
    server = await startQueryServer();
  });
  after(async () => {
    killAll();
    await server?.stop();
  });

  it('shows what the checks last found, and nothing before the first', async () => {
    assert.deepEqual(await metric('playhead_check_problems'), []);
    await server.sql(
      `INSERT INTO check_results (name, finished_at, sound, unsound, skipped, problems) VALUES
       ('audit', now() - interval '2 hours', 4, 0, 0, 0), ('verify', now(), 2, 1, 1, 7)`,
    );
    assert.deepEqual((await metric('playhead_check_problems')).sort(), [
      'playhead_check_problems{check="audit"} 0',
      'playhead_check_problems{check="verify"} 7',
    ]);
    assert.ok((await metric('playhead_check_partitions')).some((line) => /check="verify".*outcome="skipped".* 1$/.test(line)));
    assert.ok((await metric('playhead_check_age_seconds')).some((line) => /check="audit".* 7[12]\d\d/.test(line)));
  });

  it('names both groups while they claim from one another, and not a group that only changed its instances (F36)', async () => {
    const test = createTestLog();
    fillLog(test);
    const url = server.database.url;
    const first = await runProcessor({ test, url, group: 'shop', instance: 'p1' });
    await untilFolded(test, url);
    await first.stop();
    const second = await runProcessor({ test, url, group: 'shop', instance: 'p2' });
    await until('claimed again', async () => (await server.sql('SELECT 1 FROM partition_claims WHERE epoch = 2')).length === 2);
    assert.deepEqual(await metric('playhead_rival_groups_partitions'), []);
    const rival = await runProcessor({ test, url, group: 'copy of shop', instance: 'q1' });
    await until('the alarm', async () => (await metric('playhead_rival_groups_partitions')).some((line) => line.endsWith(' 2')));
    assert.match((await metric('playhead_rival_groups_partitions')).join(), /groups="copy of shop, shop"/);
    await Promise.all([second.stop(), rival.stop()]);
    const rules = (parse(readFileSync(new URL('../../infra/prometheus/alerts.yml', import.meta.url), 'utf8')) as Loose).groups[0].rules;
    const rule = rules.find((each: Loose) => each.alert === 'PlayheadRivalGroups');
    assert.match(rule.expr, /max by \(groups\) \(playhead_rival_groups_partitions\)/);
    assert.match(rule.annotations.description, /\{\{ \$labels\.groups \}\}/);
    await server.sql(`UPDATE partition_claims SET claimed_at = now() - interval '11 minutes'`);
    assert.deepEqual(await metric('playhead_rival_groups_partitions'), []);
  });

  it('shows a balance that is off', async () => {
    assert.match((await metric('playhead_ledger_difference_events')).join(), / 0$/);
    await server.sql(`UPDATE partition_progress SET ledger = jsonb_set(ledger, '{dead}', ((ledger->>'dead')::int + 3)::text::jsonb)`);
    assert.match((await metric('playhead_ledger_difference_events')).join(), / 6$/);
  });
});
