// Scenarios of the fold as timelines: what enters the log on the left, what is expected on the right.
//
//   timeline(`
//     0s     attempt@0          | open attempts=1
//     400ms  playing@0          |
//     12s    leave@11600        | open watched=0-11600
//     23s                       | sealed leave startupMs=400 watched=0-11600
//   `);
//
// Left: a time (ms, s, m, h) and one beacon: events joined by `,`, each `type[@position][#seq][key:value ...]` (fromMs, toMs, rateMilli,
// bitrateBps, flag, code, name; `at:` = client time in ms where it is not the line's time), and words for the whole beacon
// (`session=`, `video=`, `protocol=`, `key=`, `clock=none`, `context.x=`, `reject#seq`). Events are numbered by themselves
// unless `#seq` says otherwise; `#-` = not numbered. `close_all` and `set x=y` are control records. A line without anything only lets time
// pass. Ticks run every 5 s between lines.
// Right: emissions since the line before, in order, joined by `;`: `sealed reason`, `dead reason`, `duplicate n`, `custom name`, each with
// `field=value` of the sealed part or emission; and `open field=value ...`, what the session would be sealed as now. `watched` = sections.
import assert from 'node:assert/strict';
import { assertOutputs, assertPartition } from '../../processor/core/invariants.ts';
import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, emissionSeq, type FoldRecord, type PartitionState, step } from '../../processor/core/partition.ts';
import { provisionalOf } from '../../processor/core/seal.ts';
import { FOLD_SETTINGS_DEFAULT, type FoldSettings } from '../../processor/core/settings.ts';
import type { EventDetail, EventType, Protocol, Reject } from '../../schemas/beacon.ts';
import type { SessionPart } from '../../schemas/session.ts';
import { type BeaconSpec, context, type EventSpec, LogBuilder, SESSION, SITE, VIDEO } from './records.ts';

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const TICK_MS = 5_000;

/** Runs a timeline; fails at the first line whose right side is not what happened. Returns the state and all emissions. */
export function timeline(
  text: string,
  settings: Partial<FoldSettings> = {},
): { state: PartitionState; outputs: Output[]; records: FoldRecord[] } {
  const run = new Run(settings);
  for (const line of text.split('\n')) {
    const written = line.replace(/\s\/\/ .*$/, '').trim();
    if (written !== '' && !written.startsWith('//')) run.line(written);
  }
  return { state: run.state, outputs: run.outputs, records: run.records };
}

class Run {
  readonly state: PartitionState;
  readonly outputs: Output[] = [];
  readonly records: FoldRecord[] = [];
  readonly #log = new LogBuilder();
  readonly #nextSeq = new Map<string, number>();
  #now = 0;
  #nextTick = 0;

  constructor(settings: Partial<FoldSettings>) {
    this.state = createPartition({ ...FOLD_SETTINGS_DEFAULT, ...settings });
  }

  line(written: string): void {
    const [left = '', right = ''] = written.split('|').map((side) => side.trim());
    const [time = '', ...words] = left.split(/\s+/);
    const [, amount, unit] = /^([\d.]+)(ms|s|m|h)$/.exec(time) ?? assert.fail(`no time in: ${written}`);
    this.#now = Math.round(Number(amount) * (UNITS[unit as string] as number));
    const before = this.outputs.length;
    for (; this.#nextTick <= this.#now; this.#nextTick += TICK_MS) this.#fold(this.#log.tick(this.#nextTick));
    if (words.length > 0) this.#fold(this.#recordOf(words));
    expectAll(this.state, this.outputs.slice(before), right, written);
  }

  #fold(record: FoldRecord): void {
    const before = emissionSeq(this.state);
    const outputs = step(this.state, record);
    assertOutputs(before, outputs);
    assertPartition(this.state);
    this.records.push(record);
    this.outputs.push(...outputs);
  }

  #recordOf(words: readonly string[]): FoldRecord {
    const [first = '', ...rest] = words;
    if (first === 'close_all') return this.#log.control(this.#now, { command: 'close_all', ...fieldsOf(rest) });
    if (first === 'set') {
      const { site = '', protocol = '', ...settings } = fieldsOf(rest);
      const numbers = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, Number(value)]));
      return this.#log.control(this.#now, { command: 'settings', site, protocol, settings: numbers });
    }
    const spec = this.#beaconOf(words);
    const record = this.#log.beacon(this.#now, spec);
    const { key } = fieldsOf(words);
    return key === undefined ? record : { ...record, keyText: key };
  }

  #beaconOf(words: readonly string[]): BeaconSpec {
    const fields = fieldsOf(words.filter((word) => word.includes('=')));
    const session = fields['session'] ?? SESSION;
    const plain = words.filter((word) => !word.includes('='));
    const parts = plain
      .join(' ')
      .split(',')
      .filter((part) => part.trim() !== '');
    const events = parts.filter((part) => !part.trim().startsWith('reject')).map((part) => this.#eventOf(part.trim(), session));
    const rejects = parts.filter((part) => part.trim().startsWith('reject')).map(rejectOf);
    const known = Object.entries(fields).filter(([name]) => name.startsWith('context.'));
    const spec: BeaconSpec = {
      session,
      video: fields['video'] ?? VIDEO,
      protocol: (fields['protocol'] ?? 'native') as Protocol,
      events,
      rejects,
    };
    if (fields['clock'] === 'none') spec.baseAt = -1;
    if (fields['clock'] === 'none') for (const event of events) event.at = 0;
    if (known.length > 0) spec.context = context(Object.fromEntries(known.map(([name, value]) => [name.slice(8), numberOr(value)])));
    return spec;
  }

  #eventOf(part: string, session: string): EventSpec {
    const [head = '', ...details] = part.split(' ');
    const [, type, position, seq] = /^(\w+?)(?:@(-?\d+))?(?:#(\d+|-))?$/.exec(head) ?? assert.fail(`no event: ${part}`);
    const known = details.map((detail) => [detail.slice(0, detail.indexOf(':')), detail.slice(detail.indexOf(':') + 1)] as const);
    const at = known.find(([name]) => name === 'at')?.[1];
    const detail = Object.fromEntries(known.filter(([name]) => name !== 'at').map(([name, value]) => [name, numberOr(value)]));
    return {
      type: type as EventType,
      seq: seq === '-' ? -1 : this.#number(session, seq),
      at: at === undefined ? this.#now : Number(at),
      positionMs: position === undefined ? -1 : Number(position),
      ...(Object.keys(detail).length > 0 ? { detail: detail as Partial<EventDetail> } : {}),
    };
  }

  #number(session: string, given: string | undefined): number {
    const seq = given === undefined ? (this.#nextSeq.get(session) ?? 0) : Number(given);
    this.#nextSeq.set(session, Math.max(this.#nextSeq.get(session) ?? 0, seq + 1));
    return seq;
  }
}

const numberOr = (value: string): string | number => (/^-?\d+$/.test(value) ? Number(value) : value);

const fieldsOf = (words: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    words.filter((word) => word.includes('=')).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  );

function rejectOf(part: string): Reject {
  const seq = /#(\d+)/.exec(part)?.[1];
  return { index: 0, seq: seq === undefined ? -1 : Number(seq), reason: 'bad_event', detail: '', payload: '{}' };
}

function expectAll(state: PartitionState, outputs: readonly Output[], right: string, line: string): void {
  const expected = right
    .split(';')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  const emissions = expected.filter((each) => !each.startsWith('open'));
  assert.deepEqual(
    outputs.map(headOf),
    emissions.map((each) => each.split(' ').slice(0, 2).join(' ')),
    line,
  );
  emissions.forEach((each, i) => {
    const output = outputs[i] as Output;
    expectFields(output.kind === 'sealed' ? output.part : output, each.split(' ').slice(2), line);
  });
  for (const each of expected.filter((item) => item.startsWith('open')))
    expectFields(openPart(state, each), each.split(' ').slice(1), line);
}

function headOf(output: Output): string {
  if (output.kind === 'sealed') return `sealed ${output.reason}`;
  if (output.kind === 'dead') return `dead ${output.reason}`;
  if (output.kind === 'duplicate') return `duplicate ${output.duplicates}`;
  return `custom ${output.name}`;
}

/** The open part of the session and video named in the expectation, else the only one there is. */
function openPart(state: PartitionState, expected: string): SessionPart {
  const { session = SESSION, video, part } = fieldsOf(expected.split(' '));
  const open = (state.streams.get(`${SITE}/${session}`)?.sessions ?? []).map((each) => provisionalOf(each).part);
  const found = open.filter((each) => (video === undefined || each.video === video) && (part === undefined || each.part === Number(part)));
  assert.equal(found.length, 1, `${found.length} open parts for: ${expected}`);
  return found[0] as SessionPart;
}

function expectFields(actual: object, fields: readonly string[], line: string): void {
  for (const [name, value] of Object.entries(fieldsOf(fields))) assert.equal(fieldOf(actual, name), value, `${name} in: ${line}`);
}

function fieldOf(actual: object, name: string): string {
  const values = actual as Record<string, unknown>;
  if (name === 'watched' || name === 'runs') {
    const { sections } = actual as SessionPart;
    return name === 'runs' ? sections.map(({ run }) => run).join() : sections.map(({ fromMs, toMs }) => `${fromMs}-${toMs}`).join();
  }
  if (name === 'rates') return (actual as SessionPart).sections.map(({ rateMilli }) => rateMilli).join();
  if (name === 'errors')
    return (actual as SessionPart).errors.map(({ code, fatal, count }) => `${code}${fatal ? '!' : ''}:${count}`).join();
  if (name.startsWith('context.')) return String((values['context'] as Record<string, unknown>)[name.slice(8)]);
  return String(values[name]);
}
