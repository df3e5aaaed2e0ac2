// Foreign identifiers and door settings in a real database, and a gateway's look-up of them.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { listAliases, removeAlias, setAlias, setDoor, settingFrom } from '../../../infra/cli/aliases.ts';
import { createSite } from '../../../infra/cli/keys.ts';
import { systemScheduler } from '../../../infra/runtime/clock.ts';
import { createReadPool } from '../../../infra/runtime/postgres.ts';
import { startSites } from '../../../ingest/sites.ts';
import { testDatabase } from '../../support/servers.ts';

it('an identifier is tied, moved and untied; what a site wants of a door is merged by name', async () => {
  const { url, drop } = await testDatabase();
  const pool = createReadPool({ url, applicationName: 'test', poolSize: 2, statementTimeoutMs: 10_000, readOnly: false });
  const sites = startSites({
    query: pool.query,
    keys: { find: () => undefined } as never,
    scheduler: systemScheduler,
    refreshIntervalMs: 600_000,
    defaultSite: 'two',
    trustedHops: 0,
    logger: { warn: () => {} },
  });
  const found = async (id: string) => {
    await sites.refresh();
    const request = { prefixKey: '', headers: { host: 'a.example' }, query: new URLSearchParams(), origin: '' } as never;
    const decision = sites.siteOf(request, 'mave', [id]);
    return decision.ok ? [decision.key.site, decision.by, decision.settings] : decision.reason;
  };
  try {
    await sites.refresh();
    await createSite(pool, 'one');
    await createSite(pool, 'two');
    assert.equal(await setAlias(pool, { kind: 'mave', foreignId: ' abcde ', site: 'one', settings: { app: true } }), '');
    assert.deepEqual(await setDoor(pool, 'one', 'mave', Object.fromEntries([settingFrom('videoField=vid'), settingFrom('count=3')])), {
      videoField: 'vid',
      count: 3,
    });
    assert.deepEqual(await setDoor(pool, 'one', 'mave', { count: null }), { videoField: 'vid' });
    assert.deepEqual(await found('abcde'), ['one', 'alias', { videoField: 'vid', app: true }]);
    assert.equal(await setAlias(pool, { kind: 'mave', foreignId: 'abcde', site: 'two', settings: {} }), 'one');
    assert.deepEqual(await found('abcde'), ['two', 'alias', {}]);
    assert.deepEqual(
      (await listAliases(pool, '')).map(({ site, protocol, foreign_id: id }) => [site, protocol, id]),
      [
        ['one', 'mave', null],
        ['two', 'mave', 'abcde'],
      ],
    );
    assert.equal(await removeAlias(pool, 'mave', 'abcde'), 'two');
    assert.deepEqual(await found('abcde'), ['two', 'default', {}]);
    await assert.rejects(removeAlias(pool, 'mave', 'abcde'), { code: 'ERR_ALIAS' });
    await assert.rejects(setAlias(pool, { kind: 'mave', foreignId: 'x', site: 'nowhere', settings: {} }), { code: 'ERR_SITE' });
    await assert.rejects(setDoor(pool, 'nowhere', 'mave', {}), { code: 'ERR_SITE' });
    assert.throws(() => settingFrom('no setting'), { code: 'ERR_OPTION' });
  } finally {
    sites.stop();
    await pool.close();
    await drop();
  }
});
