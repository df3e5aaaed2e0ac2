// The part of `npm run build` that is not compiling: files that the built services read beside their code, and the dashboard.
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildDashboard } from '../../query-api/dashboard/build.ts';
import { PROJECT_DIRECTORY } from '../local/paths.ts';

const dist = join(PROJECT_DIRECTORY, 'dist');

/** Shipped schemas: the codec reads them (schemas/codec.ts). */
async function copySchemas(): Promise<void> {
  const from = join(PROJECT_DIRECTORY, 'schemas');
  await mkdir(join(dist, 'schemas'), { recursive: true });
  for (const file of await readdir(from)) if (file.endsWith('.avsc')) await cp(join(from, file), join(dist, 'schemas', file));
}

await copySchemas();
await cp(join(PROJECT_DIRECTORY, 'infra', 'sql'), join(dist, 'infra', 'sql'), { recursive: true });
await buildDashboard(join(dist, 'query-api', 'dashboard', 'dist'));
