// Settings: all problems at once, mistakes named, other services' variables left alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { VARIABLE_GROUPS } from '../../../../infra/cli/variables.ts';
import { commonSettings, loadConfig, rule, setting, VARIABLE_WORDS } from '../../../../infra/runtime/config.ts';
import { ingestConfigSpec } from '../../../../ingest/config.ts';

const spec = {
  ...commonSettings,
  port: setting({ env: 'PLAYHEAD_INGEST_PORT', schema: rule.port(), default: '8080', description: 'Port' }),
  secret: setting({ env: 'PLAYHEAD_INGEST_SECRET', schema: rule.text(), default: undefined, description: 'Needed' }),
};

describe('loadConfig', () => {
  it('reads values, defaults and types', () => {
    const config = loadConfig(spec, { PLAYHEAD_INGEST_SECRET: 'x', PLAYHEAD_SINGLE_NODE: 'true', KAFKA_BROKERS: 'a:1, b:2' });
    assert.equal(config.port, 8080);
    assert.equal(config.singleNode, true);
    assert.deepEqual(config.kafkaBrokers, ['a:1', 'b:2']);
    assert.ok(Object.isFrozen(config));
  });

  it('reports everything that is wrong at once', () => {
    assert.throws(
      () => loadConfig(spec, { PLAYHEAD_INGEST_PORT: '70000', PLAYHEAD_INGEST_PROT: '1', PLAYHEAD_PARTITIONS: 'many' }),
      (thrown: Error & { code?: string }) =>
        thrown.code === 'ERR_CONFIG' &&
        ['PORT', 'SECRET is required', 'INGEST_PROT is not a setting', 'PARTITIONS'].every((part) => thrown.message.includes(part)),
    );
  });

  it('leaves the variables of other services alone, but not words that nobody uses', () => {
    loadConfig(spec, { PLAYHEAD_INGEST_SECRET: 'x', PLAYHEAD_QUERY_PORT: '1', PLAYHEAD_FOLD_GRACE_MS: '1' });
    assert.throws(
      () => loadConfig(spec, { PLAYHEAD_INGEST_SECRET: 'x', PLAYHEAD_INGST_PORT: '1' }),
      /PLAYHEAD_INGST_PORT is not a setting/,
    );
  });

  it('takes no setting of another service for a mistake, in one environment for all (every variable, each service)', () => {
    const environment = Object.fromEntries(
      VARIABLE_GROUPS.flatMap(({ spec: each }) => Object.values(each)).map(({ env, default: text }) => [env, text ?? 'x']),
    );
    for (const { name, spec: each } of VARIABLE_GROUPS) assert.doesNotThrow(() => loadConfig(each, environment), name);
    assert.throws(() => loadConfig(ingestConfigSpec, { PLAYHEAD_PEERTUBE_LIFE_MS: '1' }), /PLAYHEAD_PEERTUBE_LIFE_MS is not a setting/);
  });

  it('knows the words of every documented variable', () => {
    const example = readFileSync(new URL('../../../../.env.example', import.meta.url), 'utf8');
    const words = new Set([...example.matchAll(/^#PLAYHEAD_([A-Z0-9]+)/gm)].map((match) => match[1] as string));
    assert.deepEqual([...words].sort(), [...VARIABLE_WORDS].sort());
  });
});
