// Turns the events of node's test runner into short progress lines and one count.
import { relative } from 'node:path';

/** Tests that ran. A skipped or to-do test is neither passed nor failed. */
export type Tally = { passed: number; failed: number; skipped: number };

export const emptyTally = (): Tally => ({ passed: 0, failed: 0, skipped: 0 });

export const addTally = (a: Tally, b: Tally): Tally => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

type TestEvent = {
  name: string;
  file?: string;
  nesting: number;
  skip?: string | boolean;
  todo?: string | boolean;
  details: { type?: string; duration_ms: number; error?: Error & { cause?: unknown; failureType?: string } };
};
type OutputEvent = { file?: string; message: string };
type Events = AsyncIterable<{ type: string; data: TestEvent & OutputEvent }>;

/** Last characters of a failing file's output that are shown. */
const OUTPUT_CHARACTERS_MAX = 6000;

type FileState = { file: string; tally: Tally; durationMs: number; output: string };

/** Reads a run to its end, printing one line per file, every failure in full and every skip with its reason. */
export async function reportRun(stream: unknown, print: (line: string) => void): Promise<Tally> {
  let total = emptyTally();
  let current: FileState | undefined;
  const close = (): void => {
    if (!current) return;
    const { tally, file } = current;
    if (tally.failed > 0 && current.output !== '') print(`--- output of ${file}\n${current.output.slice(-OUTPUT_CHARACTERS_MAX)}\n---`);
    print(
      `${tally.failed > 0 ? 'FAIL' : ' ok '} ${file} (${tally.passed} passed${tally.failed ? `, ${tally.failed} failed` : ''}${tally.skipped ? `, ${tally.skipped} skipped` : ''}, ${(current.durationMs / 1000).toFixed(1)} s)`,
    );
    total = addTally(total, tally);
    current = undefined;
  };
  const open = (path: string | undefined): FileState => {
    const file = path === undefined ? '(runner)' : relative(process.cwd(), path);
    if (current?.file !== file) {
      close();
      current = { file, tally: emptyTally(), durationMs: 0, output: '' };
    }
    return current as FileState;
  };
  for await (const { type, data } of stream as Events) {
    if (type === 'test:stdout' || type === 'test:stderr') open(data.file).output += data.message;
    if (type === 'test:pass' || type === 'test:fail') countTest(open(data.file), type === 'test:pass', data, print);
  }
  close();
  return total;
}

function countTest(state: FileState, passed: boolean, data: TestEvent, print: (line: string) => void): void {
  if (data.nesting === 0) state.durationMs += data.details.duration_ms;
  const skipped = (data.skip !== undefined && data.skip !== false) || (data.todo !== undefined && data.todo !== false);
  if (skipped) {
    state.tally.skipped += 1;
    print(`SKIP ${state.file}: ${data.name}${typeof data.skip === 'string' && data.skip !== '' ? `: ${data.skip}` : ''}`);
    return;
  }
  if (data.details.type === 'suite') return;
  if (passed) {
    state.tally.passed += 1;
    return;
  }
  const { error } = data.details;
  if (error?.failureType === 'subtestsFailed') return;
  state.tally.failed += 1;
  print(`FAIL ${state.file}: ${data.name}\n${describe(error)}`);
}

function describe(error: (Error & { cause?: unknown }) | undefined): string {
  const cause = error?.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return text
    .split('\n')
    .map((line) => `     ${line}`)
    .join('\n');
}
