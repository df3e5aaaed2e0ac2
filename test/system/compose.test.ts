// The compose stack in real containers: built, started, used and stopped. Skips, and says so, where there is no Docker.
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { StartedDockerComposeEnvironment } from 'testcontainers';
import { PROJECT_DIRECTORY } from '../../infra/local/paths.ts';
import { RUNNING_SYSTEM_CHECKS, type RunningSystem } from '../support/running-system.ts';

const run = promisify(execFile);
const START_TIMEOUT_MS = 15 * 60_000;

const dockerAnswers = await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 10_000 }).then(
  () => true,
  () => false,
);

describe('docker compose', {
  skip: dockerAnswers ? false : 'there is no Docker here: the compose stack was NOT started',
  timeout: START_TIMEOUT_MS,
}, () => {
  let stack: StartedDockerComposeEnvironment | undefined;
  let system: RunningSystem;

  before(async () => {
    const { DockerComposeEnvironment, Wait } = await import('testcontainers');
    stack = await new DockerComposeEnvironment(PROJECT_DIRECTORY, 'docker-compose.yml')
      .withBuild()
      .withStartupTimeout(START_TIMEOUT_MS)
      .withEnvironment({
        PLAYHEAD_INGEST_PORT: '0',
        PLAYHEAD_QUERY_PORT: '0',
        KAFKA_PORT: '0',
        POSTGRES_PORT: '0',
        SCHEMA_REGISTRY_PORT: '0',
      })
      .withWaitStrategy('ingest-1', Wait.forHealthCheck())
      .withWaitStrategy('processor-1', Wait.forHealthCheck())
      .withWaitStrategy('query-api-1', Wait.forHealthCheck())
      .up(['ingest', 'processor', 'query-api']);
    const at = (name: string, port: number): string => {
      const container = stack?.getContainer(name);
      return `http://${container?.getHost()}:${container?.getMappedPort(port)}`;
    };
    const keys = async (...args: string[]): Promise<string> => {
      const cli = ['node', 'dist/infra/cli/main.js', 'keys', 'create', '--site', 'check', ...args];
      const { output } = await (stack as StartedDockerComposeEnvironment).getContainer('query-api-1').exec(cli);
      return /^key\s+(\S+)/m.exec(output)?.[1] ?? output;
    };
    const [writeKey, readKey] = [await keys('--kind', 'write', '--app'), await keys('--kind', 'read')];
    system = { ingest: at('ingest-1', 8080), query: at('query-api-1', 8081), writeKey, readKey };
  });
  after(() => stack?.down({ removeVolumes: true }));

  for (const check of RUNNING_SYSTEM_CHECKS) it(check.name, () => check.run(system));
});
