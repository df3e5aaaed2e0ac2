// The written definition of every figure, as the API serves it.
import type { Definition } from '../api.ts';
import { byId, element } from '../elements.ts';

export function showDefinitions(definitions: readonly Definition[]): void {
  byId('definitions-list').replaceChildren(
    ...definitions.flatMap(({ name, unit, meaning, source }) => [
      element('dt', '', [name, element('small', '', [unit])]),
      element('dd', '', [meaning, element('small', '', [source])]),
    ]),
  );
  (byId('definitions-dialog') as HTMLDialogElement).showModal();
}
