// Negative controls (reliability, section 6): builds with one defect that the simulator must notice, or it proves nothing. Some are a seam
// of the simulated world that stops checking; the others change a line of a copy of the product's source.

export type Patch = { file: string; find: string; replace: string };
export type ControlSpec = {
  what: string;
  /** What some seed must break. Empty = a variant without a defect: nothing may break. */
  breaks: readonly string[];
  /** Changes to a copy of the source; each text must be found exactly once. */
  patches?: readonly Patch[];
};

/** A flush may end between two outputs of one record, as a limit in rows would have it: the position then stands on that record (D16). */
const CUT_INSIDE: readonly Patch[] = [
  {
    file: 'processor/folding.ts',
    find: '    const outputs = this.#outputs;\n',
    replace: `    const all = this.#outputs;
    const last = all.at(-1);
    const inside = options.snapshot === undefined && last !== undefined && all.at(-2)?.sourceOffset === last.sourceOffset;
    const outputs = inside ? all.slice(0, -1) : all;
    const place = inside ? { nextOffset: last.sourceOffset, emissionSeq: last.emissionSeq - 1 } : this.position;
    const beacons = this.#beacons;
`,
  },
  { file: 'processor/folding.ts', find: '      to: this.position,\n', replace: '      to: place,\n' },
  {
    file: 'processor/folding.ts',
    find: '      beacons: this.#beacons,\n',
    replace: '      beacons: beacons.filter((row) => row.offset < place.nextOffset),\n',
  },
  {
    file: 'processor/folding.ts',
    find: '    this.#outputs = [];\n    this.#beacons = [];\n',
    replace:
      '    this.#outputs = all.slice(outputs.length);\n    this.#beacons = beacons.filter((row) => row.offset >= place.nextOffset);\n',
  },
  { file: 'processor/folding.ts', find: '    this.#lastCut = this.nextOffset;\n', replace: '    this.#lastCut = place.nextOffset;\n' },
];

export const CONTROLS = {
  noEpochCheck: { what: 'a writer is not asked for its epoch and token (NC3)', breaks: ['I8'] },
  noChecks: { what: 'a writer is asked neither for epoch and token nor for the old position (NC3)', breaks: ['I4', 'I5'] },
  retryAmbiguousCommit: { what: 'a batch whose COMMIT had no answer is written again, nobody asks (D4)', breaks: ['I4', 'I5'] },
  uncheckedSend: { what: 'a send is believed for partitions that its answer leaves out (NC1, K1)', breaks: ['I1'] },
  processorTicks: { what: 'processors make the ticks, not gateways (D14, H9)', breaks: ['H9'] },
  sealOnLeap: { what: 'log-active time has no cap (D13, H7)', breaks: ['H7'] },
  acceptSnapshotAhead: {
    what: 'a snapshot ahead of the position is used (D22, H1)',
    breaks: ['I4', 'I5', 'I6'],
    patches: [
      {
        file: 'processor/recovery.ts',
        find: '    if (row.next_offset > claim.nextOffset || row.emission_seq > claim.emissionSeq) continue;\n',
        replace: '',
      },
    ],
  },
  cutInsideRecord: { what: 'no defect: a flush may end inside a record (D16)', breaks: [], patches: CUT_INSIDE },
  suppressByOffset: {
    what: 'as before, and what is in the database is told by the offset alone (D16, H2)',
    breaks: ['I4'],
    patches: [
      ...CUT_INSIDE,
      {
        file: 'processor/folding.ts',
        find: '    for (const output of outputs) if (output.emissionSeq > committedSeq) this.#outputs.push(output);\n',
        replace: '    if (offset >= target) this.#outputs.push(...outputs);\n',
      },
    ],
  },
  noFingerprint: {
    what: 'any record is taken for the last one folded (D23, K21)',
    breaks: ['I6'],
    patches: [
      {
        file: 'processor/progress.ts',
        find: '  return { offset: record.offset, hash };\n',
        replace: '  return { offset: record.offset, hash: hash.fill(0) };\n',
      },
    ],
  },
} as const satisfies Record<string, ControlSpec>;
export type Control = keyof typeof CONTROLS;
export const CONTROL_NAMES = Object.keys(CONTROLS) as Control[];
export const specOf = (control: Control): ControlSpec => CONTROLS[control];
