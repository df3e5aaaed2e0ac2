// House style as a test: each rule is a test of its own and names the file, the line and what to do instead.
// The rules come from CONTRIBUTING.md; the numbers are starting values, changed in a commit that says why.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const STRAY_FILE_BYTES_MAX = 300_000;

const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((path) => path !== '');
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const isCode = (path: string): boolean => path.endsWith('.ts') || path.endsWith('.tsx');
const product = tracked.filter((path) => isCode(path) && !path.startsWith('test/'));
const everything = tracked.filter(isCode);

type Import = { from: string; to: string; line: number; typeOnly: boolean };
const importPattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

function importsOf(path: string): Import[] {
  const text = textOf(path);
  return [...text.matchAll(importPattern)].map((match) => {
    const target = (match[2] ?? match[3]) as string;
    const to = target.startsWith('.') ? posix.normalize(posix.join(posix.dirname(path), target)) : target;
    return { from: path, to, line: text.slice(0, match.index).split('\n').length, typeOnly: match[1] !== undefined };
  });
}
const imports = everything.flatMap(importsOf);
const productImports = imports.filter((each) => !each.from.startsWith('test/'));

/** Fails with one line per offence. */
function none(offences: readonly string[], rule: string): void {
  assert.equal(offences.length, 0, `${rule}\n  ${offences.join('\n  ')}`);
}
const at = (each: Import): string => `${each.from}:${each.line} imports ${each.to}`;

/** Lines of product code outside the allowed files that match, comments and strings of regular text left out. */
function lines(pattern: RegExp, files: readonly string[], allowed: (path: string) => boolean): string[] {
  return files
    .filter((path) => !allowed(path))
    .flatMap((path) =>
      textOf(path)
        .split('\n')
        .map((line, index) => ({ line, where: `${path}:${index + 1}` }))
        .filter(({ line }) => !/^\s*(\/\/|\*|\/\*)/.test(line) && pattern.test(line.replace(/\/\/ .*$/, '')))
        .map(({ line, where }) => `${where} ${line.trim().slice(0, 100)}`),
    );
}

const services = ['ingest', 'processor', 'query-api'] as const;
/** What runs in a browser has rules of its own: no Node, real timers. */
const isBrowserCode = (path: string): boolean => path.startsWith('ingest/sdk/') || path.startsWith('query-api/dashboard/');
/** Operator's tools and the local start are command-line programs: they may print, read the environment and wait. */
const isCommandLine = (path: string): boolean => path.startsWith('infra/local/') || path.startsWith('infra/cli/');

describe('import direction', () => {
  it('schemas import nothing of ours but their siblings', () => {
    none(
      productImports
        .filter(
          (each) =>
            each.from.startsWith('schemas/') &&
            each.to.includes('/') &&
            !each.to.startsWith('schemas/') &&
            !each.to.startsWith('@') &&
            !each.to.startsWith('node:'),
        )
        .map(at),
      'schemas/ is the contract',
    );
    none(
      productImports
        .filter((each) => each.from.startsWith('schemas/') && each.from !== 'schemas/codec.ts' && !each.to.startsWith('schemas/'))
        .map(at),
      'only codec.ts imports packages',
    );
  });

  it('processor/core imports only the contract and its siblings', () => {
    none(
      productImports
        .filter(
          (each) => each.from.startsWith('processor/core/') && !each.to.startsWith('processor/core/') && !each.to.startsWith('schemas/'),
        )
        .map(at),
      'the fold is pure',
    );
    none(
      productImports.filter((each) => each.from.startsWith('processor/core/') && each.to === 'schemas/codec.ts').map(at),
      'the fold does not decode',
    );
  });

  it('the other cores import the contract, siblings and an allow-list of pure packages', () => {
    const pure = new Set(['isbot', 'ua-parser-js', '@tryghost/referrer-parser', 'zod', '@asteasolutions/zod-to-openapi']);
    for (const core of ['ingest/core/', 'query-api/core/']) {
      none(
        productImports
          .filter(
            (each) => each.from.startsWith(core) && !each.to.startsWith(core) && !each.to.startsWith('schemas/') && !pure.has(each.to),
          )
          .map(at),
        `${core} is pure`,
      );
    }
  });

  it('infra/runtime never imports a service, services never import each other', () => {
    none(
      productImports
        .filter((each) => each.from.startsWith('infra/runtime/') && services.some((name) => each.to.startsWith(`${name}/`)))
        .map(at),
      'infra/runtime knows no service',
    );
    none(
      productImports
        .filter((each) =>
          services.some(
            (name) => each.from.startsWith(`${name}/`) && services.some((other) => other !== name && each.to.startsWith(`${other}/`)),
          ),
        )
        .map(at),
      'services meet in the log and the database',
    );
  });

  it('nothing imports a main.ts, and the product never imports test', () => {
    none(
      imports.filter((each) => /(^|\/)main\.ts$/.test(each.to) && each.to.endsWith('.ts') && !each.from.startsWith('test/')).map(at),
      'a main.ts is a composition root',
    );
    none(productImports.filter((each) => each.to.startsWith('test/')).map(at), 'product code does not import test');
  });

  it('drivers have one importer each', () => {
    const only = (packages: readonly string[], allowed: (path: string) => boolean, rule: string): void =>
      none(
        productImports
          .filter((each) => packages.some((name) => each.to === name || each.to.startsWith(`${name}/`)) && !allowed(each.from))
          .map(at),
        rule,
      );
    only(['kafkajs'], (path) => path.startsWith('infra/runtime/kafka'), 'kafkajs only in infra/runtime/kafka*.ts');
    only(['pg', 'pg-copy-streams'], (path) => path === 'infra/runtime/postgres.ts', 'pg only in infra/runtime/postgres.ts');
    only(['avsc', '@kafkajs/confluent-schema-registry'], (path) => path === 'schemas/codec.ts', 'avsc only in schemas/codec.ts');
  });

  it('development packages stay out of the product, but for the local start and bundling', () => {
    const manifest = JSON.parse(textOf('package.json')) as { devDependencies: Record<string, string> };
    const development = Object.keys(manifest.devDependencies);
    none(
      productImports
        .filter(
          (each) =>
            development.some((name) => each.to === name || each.to.startsWith(`${name}/`)) &&
            !each.from.startsWith('infra/local/') &&
            !/\/build\.ts$/.test(each.from),
        )
        .map(at),
      'a runtime import needs a runtime dependency',
    );
  });
});

describe('one place for what is not deterministic', () => {
  const outside = (path: string): boolean => path.startsWith('infra/runtime/') || isCommandLine(path) || isBrowserCode(path);

  it('clock, timers and randomness only behind the ports', () => {
    none(lines(/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, product, outside), 'take a Clock or a Scheduler');
    none(lines(/(?<![.\w])(setTimeout|setInterval|setImmediate)\(/, product, outside), 'take a Scheduler');
    none(
      lines(
        /\bMath\.random\(|(?<![.\w])(randomUUID|randomBytes)\(/,
        product,
        (path) => outside(path) || path === 'query-api/keys.ts' || path.startsWith('ingest/'),
      ),
      'take a Scheduler',
    );
  });

  it('the environment is read in config.ts and main.ts only', () => {
    none(
      lines(/\bprocess\.env\b/, product, (path) => /(^|\/)(config|main)\.ts$/.test(path) || isCommandLine(path)),
      'add a setting to config.ts',
    );
  });

  it('nothing prints but command-line programs', () => {
    none(lines(/\bconsole\.\w+\(/, product, isCommandLine), 'use the logger');
  });
});

describe('size and shape', () => {
  it(`files have at most ${FILE_LINES_MAX} lines`, () => {
    none(
      product
        .map((path) => ({ path, count: textOf(path).split('\n').length }))
        .filter(({ count }) => count > FILE_LINES_MAX + 1)
        .map(({ path, count }) => `${path} has ${count}`),
      'split by what each part owns',
    );
  });

  it(`functions have at most ${FUNCTION_LINES_MAX} lines`, () => {
    none(product.flatMap(longFunctions), 'name the steps');
  });

  it('no default exports, no barrels, no enums or namespaces', () => {
    none(
      lines(/^export default\b/, product, () => false),
      'export by name',
    );
    none(
      lines(/^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s/, product, () => false),
      'use a const list and a union',
    );
    none(
      lines(/^\s*export \* from/, product, () => false),
      'import from where it is defined',
    );
  });

  it('main.ts files are composition roots of at most 80 lines', () => {
    none(
      services.map((name) => `${name}/main.ts`).filter((path) => tracked.includes(path) && textOf(path).split('\n').length > 81),
      'move decisions into a file with a name',
    );
  });

  it('no unfinished work and no stray binaries', () => {
    none(
      lines(/\b(TODO|FIXME|XXX|HACK)\b/, everything, (path) => path === 'test/tidy.test.ts'),
      'finish it or write it down in the changelog',
    );
    const stray = tracked
      .filter((path) => !/\.(png|jpg|svg|ico|woff2|mmdb|lock)$/.test(path) && path !== 'package-lock.json')
      .filter((path) => readFileSync(join(ROOT, path)).length > STRAY_FILE_BYTES_MAX);
    none(stray, `files over ${STRAY_FILE_BYTES_MAX} bytes are made, not committed`);
  });
});

/** Functions longer than allowed; the formatter guarantees that a block ends at the indentation it began with. */
function longFunctions(path: string): string[] {
  const text = textOf(path).split('\n');
  const found: string[] = [];
  text.forEach((line, index) => {
    const start =
      /^(\s*)(?:export\s+)?(?:async\s+)?(?:function\b|(?:const|let)\s+\w+.*=>\s*\{$|(?:static\s+|async\s+|get\s+|#)*[\w#]+\(.*\)?.*\{$)/.exec(
        line,
      );
    if (start === null || !line.trimEnd().endsWith('{') || /^\s*(if|for|while|switch|describe|it|return|else|\}|try|catch)\b/.test(line))
      return;
    const end = text.findIndex((other, place) => place > index && other.startsWith(`${start[1]}}`));
    if (end - index - 1 > FUNCTION_LINES_MAX) found.push(`${path}:${index + 1} ${line.trim().slice(0, 60)} (${end - index - 1} lines)`);
  });
  return found;
}

describe('documents', () => {
  const pages = tracked.filter((path) => path.endsWith('.md'));

  it('have one heading of the first level', () => {
    const headings = (path: string): number =>
      textOf(path)
        .replace(/```[\s\S]*?```/g, '')
        .split('\n')
        .filter((line) => /^# /.test(line)).length;
    none(
      pages.filter((path) => headings(path) !== 1).map((path) => `${path} has ${headings(path)}`),
      'one H1 a page',
    );
  });

  it('link to files that exist', () => {
    const broken = pages.flatMap((path) =>
      [
        ...textOf(path)
          .replace(/```[\s\S]*?```/g, '')
          .matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g),
      ]
        .map((match) => posix.normalize(posix.join(posix.dirname(path), match[1] as string)))
        .filter((target) => !tracked.some((file) => file === target || file.startsWith(`${target.replace(/\/$/, '')}/`)))
        .map((target) => `${path} links to ${target}`),
    );
    none(broken, 'links inside the repository work');
  });

  it('the changelog keeps its form: Unreleased first, known groups only', () => {
    const headings = textOf('CHANGELOG.md')
      .split('\n')
      .filter((line) => line.startsWith('## '));
    assert.match(headings[0] ?? '', /^## \[?Unreleased\]?/);
    none(
      textOf('CHANGELOG.md')
        .split('\n')
        .filter((line) => /^### /.test(line) && !/^### (Added|Changed|Deprecated|Removed|Fixed|Security|Migrations)$/.test(line)),
      'groups of Keep a Changelog, and Migrations',
    );
  });

  it('every migration says whether it breaks', () => {
    none(
      tracked.filter((path) => /^infra\/sql\/.*\.sql$/.test(path)).filter((path) => !/^-- breaking: (yes|no)$/m.test(textOf(path))),
      'write `-- breaking: yes` or `-- breaking: no`',
    );
  });
});

describe('dependencies', () => {
  const manifest = JSON.parse(textOf('package.json')) as { dependencies: Record<string, string>; devDependencies: Record<string, string> };

  it('are pinned exactly', () => {
    none(
      Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
        .filter(([, version]) => !/^\d/.test(version))
        .map(([name, version]) => `${name} ${version}`),
      'pin exactly',
    );
  });

  it('ua-parser-js stays below 2 (its licence changes there)', () => {
    assert.match(manifest.dependencies['ua-parser-js'] ?? '', /^1\./);
  });

  it('the lock file holds every optional package, so that a clean install works on any platform', () => {
    const { packages } = JSON.parse(textOf('package-lock.json')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const missing = Object.entries(packages).flatMap(([place, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {})
        .filter(
          (name) => !Object.keys(packages).some((other) => other === `node_modules/${name}` || other === `${place}/node_modules/${name}`),
        )
        .map((name) => `${name} of ${place}`),
    );
    none(missing, 'npm ci refuses a lock file without them; install from a registry that has all platforms');
  });

  it('name no registry address', () => {
    none(
      lines(/resolved"?:\s*"https?:/, ['package-lock.json'], () => false),
      'the lock file holds no addresses',
    );
  });
});
