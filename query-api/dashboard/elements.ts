// Tiny helpers over the DOM: text only, never markup from data.

/** The element with this id, which index.html has. */
export const byId = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;

/** A new element with a class, attributes and children; strings become text nodes. */
export function element(
  tag: string,
  className: string,
  children: readonly (Node | string)[] = [],
  attributes: Record<string, string> = {},
): HTMLElement {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** One labelled bar of a ranking: name, figure, share of the largest. */
export function bar(label: string, figure: string, share: number, detail = ''): HTMLElement {
  const fill = element('span', 'fill');
  fill.style.width = `${Math.max(1, Math.min(100, share * 100))}%`;
  return element('div', 'bar', [
    fill,
    element('span', 'label', [label], { title: label }),
    element('span', 'detail', [detail]),
    element('span', 'figure', [figure]),
  ]);
}

/** Term and value of a definition list. */
export function fact(term: string, value: string, note = ''): DocumentFragment {
  const made = document.createDocumentFragment();
  made.append(
    element('div', 'fact', [element('dt', '', [term]), element('dd', '', note === '' ? [value] : [value, element('small', '', [note])])]),
  );
  return made;
}

/** What stands where there is nothing to show. */
export const empty = (text: string): HTMLElement => element('p', 'empty', [text]);
