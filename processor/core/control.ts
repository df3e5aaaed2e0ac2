// Control records: an operator's orders at their place in the log (D11). What cannot be understood becomes a dead letter, never silence.
import type { Control } from '../../schemas/beacon.ts';
import { closeAll, fireDue, rebuildWheel } from './deadlines.ts';
import type { Step } from './emit.ts';
import { emitDead } from './emit.ts';
import type { ControlledSetting, ControlledValues } from './settings.ts';
import { CONTROLLED_MS_MAX, CONTROLLED_SETTINGS } from './settings.ts';

export function foldControl(step: Step, control: Control): void {
  step.state.ledger.controls++;
  if (control.command === 'close_all') closeAll(step, control.site, control.protocol);
  else if (control.command === 'settings') changeSettings(step, control);
  else refuse(step, control, `command ${control.command}`);
}

/** Sets what is understood, in force at once for open sessions too; each wrong name or value is told. */
function changeSettings(step: Step, control: Control): void {
  const { state } = step;
  const names = Object.keys(control.settings).sort();
  for (const name of names) {
    const value = control.settings[name];
    if (!isControlled(name)) refuse(step, control, `no setting ${name}`);
    else if (value === undefined || !Number.isSafeInteger(value) || value < 0 || value > CONTROLLED_MS_MAX)
      refuse(step, control, `${name} out of range`);
    else overridesFor(step, control)[name] = value;
  }
  rebuildWheel(state);
  fireDue(step);
}

const NOTHING_SET = Object.freeze(Object.fromEntries(CONTROLLED_SETTINGS.map((name) => [name, -1]))) as Readonly<ControlledValues>;

const isControlled = (name: string): name is ControlledSetting => (CONTROLLED_SETTINGS as readonly string[]).includes(name);

function overridesFor(step: Step, { site, protocol }: Control): ControlledValues {
  const { overrides } = step.state;
  const ofSite = overrides.get(site) ?? new Map<string, ControlledValues>();
  overrides.set(site, ofSite);
  const values = ofSite.get(protocol) ?? { ...NOTHING_SET };
  ofSite.set(protocol, values);
  return values;
}

function refuse(step: Step, control: Control, detail: string): void {
  const payload = JSON.stringify(control);
  emitDead(step, { site: control.site, session: '', eventIndex: -1, seq: -1, reason: 'bad_control', detail, payload, events: 0 });
}
