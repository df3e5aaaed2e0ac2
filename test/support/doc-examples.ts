// Runs the examples of a documentation page, in order, against a running system: what a page shows is what happens.
//
// ```sh     a shell script; it must end with 0. `playhead` is the command line of this package.
// ```http   a request (request line, headers, empty line, body) and, after an empty line, the answer it gets: a status line and, where
//           one is shown, a JSON body. Every member shown must be there and equal; `"…"` stands for any value. Bodies are one paragraph.
//           A GET is asked again for a while until it answers so: figures are there within seconds, not at once.
// Both may use variables: $INGEST, $QUERY, $WRITE_KEY and whatever else the test hands in.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

export type DocExample = { kind: 'sh' | 'http'; text: string; line: number };
export type DocVariables = Readonly<Record<string, string>>;

const ROOT = new URL('../../', import.meta.url).pathname;
const FENCE = /^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm;
const REQUEST = /^(GET|POST|PUT|DELETE|OPTIONS) (\S+)/;
const STATUS = /^HTTP\/1\.1 (\d{3})/;
const ANYTHING = '…';
const PATIENCE_MS = 30_000;
const RETRY_MS = 250;
const SCRIPT_TIMEOUT_MS = 60_000;
const ALIASES_KNOWN_MS = 6_000;

/** The examples of a page, by its path from the root of the repository. */
export function docExamples(path: string): DocExample[] {
  const page = readFileSync(new URL(path, `file://${ROOT}`), 'utf8');
  return [...page.matchAll(FENCE)].flatMap((match) => {
    const [, kind, text = ''] = match;
    const line = page.slice(0, match.index).split('\n').length;
    return kind === 'sh' || kind === 'http' ? [{ kind, text, line }] : [];
  });
}

/** Runs one example; fails where it does not do what the page says. */
export async function runDocExample(example: DocExample, variables: DocVariables): Promise<void> {
  if (example.kind === 'sh') return runScript(example.text, variables);
  for (const exchange of exchangesOf(filled(example.text, variables))) await runExchange(exchange);
}

async function runScript(text: string, variables: DocVariables): Promise<void> {
  const command = `playhead() { node --import tsx ${ROOT}infra/cli/main.ts "$@"; }\n${text}`;
  await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], {
    cwd: ROOT,
    timeout: SCRIPT_TIMEOUT_MS,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...variables },
  });
  // Gateways read keys, sites and aliases every two seconds: what a page says next may need them.
  if (/playhead (sites|keys) /.test(text)) await new Promise((resolve) => setTimeout(resolve, ALIASES_KNOWN_MS));
}

const filled = (text: string, variables: DocVariables): string =>
  text.replaceAll(/\$\{?([A-Z][A-Z_]*)\}?/g, (whole, name: string) => variables[name] ?? whole);

type Exchange = { method: string; url: string; headers: Record<string, string>; body: string; status: number; answer: unknown };

/** Paragraphs: request head, request body if any, status line (with its body, or the body as the next paragraph). */
function exchangesOf(text: string): Exchange[] {
  const exchanges: Exchange[] = [];
  let current: Exchange | undefined;
  for (const paragraph of text.trim().split(/\n\s*\n/)) {
    const request = REQUEST.exec(paragraph);
    const status = STATUS.exec(paragraph);
    if (request !== null) {
      const [, method = '', url = ''] = request;
      current = { method, url, headers: headersOf(paragraph), body: '', status: 0, answer: undefined };
      exchanges.push(current);
    } else if (current === undefined) assert.fail(`no request before: ${paragraph}`);
    else if (status !== null) current.status = Number(status[1]);
    else if (current.status === 0) current.body = paragraph;
    else current.answer = JSON.parse(paragraph);
  }
  for (const { status, url } of exchanges) assert.notEqual(status, 0, `no answer is shown for ${url}`);
  return exchanges;
}

function headersOf(paragraph: string): Record<string, string> {
  const lines = paragraph.split('\n').slice(1);
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()]));
}

async function runExchange(exchange: Exchange): Promise<void> {
  const deadline = performance.now() + (exchange.method === 'GET' ? PATIENCE_MS : 0);
  for (;;) {
    try {
      return await runOnce(exchange);
    } catch (thrown) {
      if (performance.now() >= deadline) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function runOnce({ method, url, headers, body, status, answer }: Exchange): Promise<void> {
  const response = await fetch(url, { method, headers, ...(body === '' ? {} : { body }) });
  const text = await response.text();
  assert.equal(response.status, status, `${method} ${url}: ${text}`);
  if (answer !== undefined) assertShows(text === '' ? undefined : JSON.parse(text), answer, `${method} ${url}`);
}

function assertShows(actual: unknown, shown: unknown, place: string): void {
  if (shown === ANYTHING) return assert.notEqual(actual, undefined, `${place} is missing`);
  if (shown === null || typeof shown !== 'object') return assert.deepEqual(actual, shown, place);
  assert.ok(actual !== null && typeof actual === 'object', `${place} is ${JSON.stringify(actual)}`);
  if (Array.isArray(shown)) assert.equal((actual as unknown[]).length, shown.length, `${place}: ${JSON.stringify(actual)}`);
  for (const [name, value] of Object.entries(shown)) assertShows((actual as Record<string, unknown>)[name], value, `${place} ${name}`);
}
