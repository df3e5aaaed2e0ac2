// The tables of docs/simulator.md, made from the code that they describe.
import { CONTROL_NAMES, specOf } from './controls.ts';
import { FAULT_NAMES, FAULTS } from './faults.ts';

/** One row for each fault. */
export const faultTable = (): string =>
  ['| fault | what happens |', '|---|---|', ...FAULT_NAMES.map((name) => `| \`${name}\` | ${FAULTS[name]} |`)].join('\n');

/** One row for each control. */
export const controlTable = (): string =>
  [
    '| control | the defect | must break |',
    '|---|---|---|',
    ...CONTROL_NAMES.map((name) => `| \`${name}\` | ${specOf(name).what} | ${specOf(name).breaks.join(' or ') || 'nothing'} |`),
  ].join('\n');
