// The small decisions of the local system that need no server.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { checkFiles, checkNode, choosePorts } from '../../../../infra/local/checks.ts';
import { figuresLine, metricSum } from '../../../../infra/local/figures.ts';
import { javaVersion } from '../../../../infra/local/java.ts';
import { freePorts } from '../../../../infra/local/ports.ts';

test('the Java version is read from what java -version prints', () => {
  assert.equal(javaVersion('openjdk version "17.0.15" 2025-04-15'), 17);
  assert.equal(javaVersion('java version "1.8.0_292"'), 8);
  assert.equal(javaVersion('openjdk version "25" 2025-09-16'), 25);
  assert.equal(javaVersion('command not found'), 0);
});

test('an old Node is refused with what to do', () => {
  checkNode('20.19.0');
  checkNode('22.1.0');
  assert.throws(() => checkNode('20.18.3'), { code: 'ERR_NODE', message: /20\.19 or newer/ });
  assert.throws(() => checkNode('18.20.0'), { code: 'ERR_NODE' });
});

test('a missing file of the project is named', () => {
  checkFiles(['package.json']);
  assert.throws(() => checkFiles(['package.json', 'ingest/nothing.ts']), { code: 'ERR_INCOMPLETE', message: /ingest\/nothing\.ts/ });
});

test('a taken port is refused with the option that changes it, or replaced where nobody cares', async () => {
  const [port] = (await freePorts(1)) as [number];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const said: string[] = [];
  try {
    const wish = { name: 'the gateway', port, option: '--port-ingest' };
    await assert.rejects(
      choosePorts([{ ...wish, whenTaken: 'fail' }], () => {}),
      { code: 'ERR_PORT', message: /--port-ingest/ },
    );
    const chosen = await choosePorts([{ ...wish, whenTaken: 'other' }], (line) => said.push(line));
    assert.notEqual(chosen['the gateway'], port);
    assert.match(said[0] ?? '', new RegExp(`port ${port} is taken`));
  } finally {
    server.close();
  }
});

test('port 0 becomes a free one, different for each', async () => {
  const wishes = ['a', 'b', 'c'].map((name) => ({ name, port: 0, option: `--${name}`, whenTaken: 'fail' as const }));
  const chosen = await choosePorts(wishes, () => {});
  assert.equal(new Set(Object.values(chosen)).size, 3);
});

test('a metric is summed over its labels and not mixed up with longer names', () => {
  const text = ['# HELP a_total x', 'a_total{k="1"} 3', 'a_total{k="2"} 4', 'a_total_more 100'].join('\n');
  assert.equal(metricSum(text, 'a_total'), 7);
  assert.equal(metricSum('b 2.5', 'b'), 2.5);
  assert.equal(metricSum('', 'b'), 0);
});

test('the line of figures reads well with and without figures', () => {
  assert.equal(
    figuresLine({ plays: 12, viewers: 3, eventsPerSecond: 4.26, behindMs: 1234 }),
    '12 plays, 3 watching now, 4.3 events/s, figures 1.2 s old',
  );
  assert.match(figuresLine({ plays: 0, viewers: 0, eventsPerSecond: 120.4, behindMs: undefined }), /120 events\/s, no figures yet/);
});
