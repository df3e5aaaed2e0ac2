// `playhead docs config | openapi`
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { PROJECT_DIRECTORY } from '../local/paths.ts';
import { PlayheadError } from '../runtime/errors.ts';
import { say } from './context.ts';
import { envExample, variableTable, withVariableTable } from './docs.ts';
import { VARIABLE_GROUPS } from './variables.ts';

type Generated = { file: string; text: string };

async function generatedConfig(): Promise<Generated[]> {
  const files: Generated[] = [{ file: '.env.example', text: envExample(VARIABLE_GROUPS) }];
  for (const file of ['README.md', 'docs/configuration.md']) {
    const text = await readFile(join(PROJECT_DIRECTORY, file), 'utf8').catch(() => undefined);
    const changed = text === undefined ? undefined : withVariableTable(text, variableTable(VARIABLE_GROUPS));
    if (changed !== undefined) files.push({ file, text: changed });
  }
  return files;
}

async function writeOrCheck(files: readonly Generated[], check: boolean): Promise<void> {
  const stale: string[] = [];
  for (const { file, text } of files) {
    const path = join(PROJECT_DIRECTORY, file);
    if ((await readFile(path, 'utf8').catch(() => '')) === text) continue;
    stale.push(file);
    if (!check) await writeFile(path, text);
  }
  if (check && stale.length > 0)
    throw new PlayheadError('ERR_STALE', `${stale.join(', ')} is not up to date: run npm run docs:config and commit the result.`);
  say(stale.length === 0 ? 'up to date' : `wrote ${stale.join(', ')}`);
}

/** Documents that are generated, never edited. */
export function docsCommand(): Command {
  const command = new Command('docs').description('generated documents');
  command
    .command('config')
    .description('.env.example and the tables of variables in README.md and docs/configuration.md')
    .option('--check', 'change nothing; fail if a document is not up to date', false)
    .action(async ({ check }: { check: boolean }) => writeOrCheck(await generatedConfig(), check));
  command
    .command('openapi')
    .description('write the document that the query API serves at /openapi.json into a file')
    .option('--output <file>', 'where to', join('dist', 'openapi.json'))
    .action(async ({ output }: { output: string }) => {
      await mkdir(dirname(output), { recursive: true });
      await writeFile(output, await openApiText());
      say(`wrote ${output}`);
    });
  return command;
}

async function openApiText(): Promise<string> {
  const { openApiDocument } = await import('../../query-api/openapi.ts');
  const { routes } = await import('../../query-api/routes/list.ts');
  const { version } = JSON.parse(await readFile(join(PROJECT_DIRECTORY, 'package.json'), 'utf8')) as { version: string };
  return `${JSON.stringify(openApiDocument(routes, version), undefined, 2)}\n`;
}
