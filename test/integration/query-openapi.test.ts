// The OpenAPI document: it lists the routes that are served and no others, and a client generated from it works.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { generateApi } from 'swagger-typescript-api';
import { routes } from '../../query-api/routes/list.ts';
import { type QueryServer, SECRETS, startQueryServer } from '../support/query-server.ts';

const run = promisify(execFile);

type Operation = {
  operationId: string;
  parameters?: { in: string; name: string; required?: boolean }[];
  responses: Record<string, unknown>;
};

describe('OpenAPI', { timeout: 180_000 }, () => {
  let server: QueryServer;
  let directory: string;
  before(async () => {
    server = await startQueryServer();
    directory = await mkdtemp(join(tmpdir(), 'playhead-openapi-'));
  });
  after(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('lists exactly the routes of the app (API9)', async () => {
    const { body } = await server.ask('/openapi.json', { key: null });
    assert.equal(body.openapi, '3.1.0');
    const documented = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    assert.deepEqual(documented.sort(), routes.map((route) => `${route.method} ${route.path}`).sort());
    for (const name of documented) {
      const [method, path] = name.split(' ') as [string, string];
      const { status } = await server.ask(path.replace(/\{\w+\}/, 'x'), { method: method.toUpperCase(), key: null });
      assert.equal(status, 401, `${name} is served and asks for a key`);
    }
  });

  it('is well formed: references resolve, operations have names of their own, path parameters are declared', async () => {
    const { body } = await server.ask('/openapi.json', { key: null });
    const ids = new Set<string>();
    for (const [path, methods] of Object.entries(body.paths as Record<string, Record<string, Operation>>))
      for (const operation of Object.values(methods)) {
        assert.ok(!ids.has(operation.operationId), operation.operationId);
        ids.add(operation.operationId);
        const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name);
        assert.deepEqual(
          declared,
          [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]),
        );
        assert.ok((operation.parameters ?? []).every((parameter) => parameter.in !== 'path' || parameter.required === true));
        assert.ok(Object.keys(operation.responses).some((status) => status.startsWith('2')) && '401' in operation.responses);
      }
    for (const [, reference] of JSON.stringify(body).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = (reference as string)
        .split('/')
        .reduce<Record<string, unknown> | undefined>((at, name) => at?.[name] as Record<string, unknown>, body);
      assert.notEqual(found, undefined, reference);
    }
  });

  it('serves its documentation from local files', async () => {
    const { status, text } = await server.ask('/docs/', { key: null });
    assert.equal(status, 200);
    assert.doesNotMatch(text, /(src|href)="https?:/);
    assert.equal((await server.ask('/docs/problems', { key: null })).status, 200);
  });

  it('gives a client that compiles and works', async () => {
    const { body } = await server.ask('/openapi.json', { key: null });
    const input = join(directory, 'openapi.json');
    await writeFile(input, JSON.stringify(body));
    await generateApi({ input, output: directory, fileName: 'client.ts', silent: true, httpClientType: 'fetch' });
    await writeFile(
      join(directory, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'es2022',
          module: 'esnext',
          moduleResolution: 'bundler',
          strict: true,
          noEmit: true,
          skipLibCheck: true,
          lib: ['es2022', 'dom', 'dom.iterable'],
          types: [],
        },
        files: ['client.ts'],
      }),
    );
    await run(process.execPath, [join(process.cwd(), 'node_modules/typescript/bin/tsc'), '-p', directory]);
    assert.match(await readFile(join(directory, 'client.ts'), 'utf8'), /getPlays/);
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    const { Api } = (await import(pathToFileURL(join(directory, 'client.ts')).href)) as {
      Api: new (options: unknown) => { v1: { getPlays(query: unknown): Promise<{ data: { data: { plays: number } } }> } };
    };
    const client = new Api({
      baseUrl: server.url,
      baseApiParams: { headers: { authorization: `Bearer ${SECRETS.query}` }, format: 'json' },
    });
    const answer = await client.v1.getPlays({ video: ['intro', 'tour'], state: 'sealed' });
    assert.equal(answer.data.data.plays, 0);
  });
});
