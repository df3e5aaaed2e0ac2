// Texts that come again and again, each time as a new string out of a record: kept once, since many sessions hold on to them.

/** Texts remembered; when it is full all are forgotten and learned anew, so that rare ones do not stay. */
const TEXTS_REMEMBERED_MAX = 50_000;

export type SharedTexts = Map<string, string>;

export const createSharedTexts = (): SharedTexts => new Map();

/** The one string that stands for this text. */
export function shared(texts: SharedTexts, text: string): string {
  if (text === '') return '';
  const known = texts.get(text);
  if (known !== undefined) return known;
  if (texts.size >= TEXTS_REMEMBERED_MAX) texts.clear();
  texts.set(text, text);
  return text;
}
