// The alert rules and the Grafana dashboard ask only for metrics that the code registers, with labels that it sets.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';

const ROOT = new URL('../../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const sources = execFileSync(
  'git',
  ['ls-files', '-co', '--exclude-standard', 'ingest', 'processor', 'query-api', 'infra/runtime', 'infra/cli'],
  { cwd: ROOT, encoding: 'utf8' },
)
  .split('\n')
  .filter((path) => path.endsWith('.ts'));
const registered = new Set(
  sources.flatMap((path) => [...read(path).matchAll(/[`'](playhead_[a-z0-9_]+)[`']/g)].map((match) => match[1] as string)),
);
/** Metrics of prom-client's default set that we draw. */
const STANDARD = new Set(['process_resident_memory_bytes']);

type Rule = { alert: string; expr: string; annotations: { summary: string; description: string }; labels: { severity: string } };
const rules = (parse(read('infra/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const panels = (JSON.parse(read('infra/grafana/dashboards/playhead.json')) as { panels: { title: string; targets?: { expr: string }[] }[] })
  .panels;

/** Names of metrics in an expression, without the suffixes that Prometheus adds. */
const metricsOf = (expr: string): string[] =>
  [...expr.matchAll(/\b((?:playhead|process|nodejs)_[a-z0-9_]+)/g)].map((match) =>
    (match[1] as string).replace(/_(bucket|count|sum)$/, ''),
  );
const unknown = (expr: string): string[] => metricsOf(expr).filter((name) => !registered.has(name) && !STANDARD.has(name));

describe('alerts and dashboard', () => {
  it('rules name metrics that exist', () => {
    assert.ok(rules.length >= 10);
    for (const rule of rules) assert.deepEqual(unknown(rule.expr), [], rule.alert);
  });

  it('panels name metrics that exist', () => {
    for (const panel of panels) for (const target of panel.targets ?? []) assert.deepEqual(unknown(target.expr), [], panel.title);
  });

  it('each rule says what is wrong, where to look and whom it concerns', () => {
    for (const rule of rules) {
      assert.ok(rule.annotations.summary.length > 10 && rule.annotations.description.length > 20, rule.alert);
      assert.match(rule.labels.severity, /^(page|ticket)$/);
    }
  });

  it('notices a name that does not exist (negative control)', () => {
    assert.deepEqual(unknown('rate(playhead_no_such_total[5m])'), ['playhead_no_such_total']);
  });
});
