// Exports: pages by keyset, one after the other, so that memory holds one page whatever the range.
import type { Row } from '../formats.ts';

export async function* exportPages<Key>(options: {
  first: Key | undefined;
  rowsMax: number;
  pageSize: number;
  page: (after: Key | undefined, limit: number) => Promise<{ rows: readonly Row[]; next: Key | undefined }>;
}): AsyncGenerator<readonly Row[]> {
  let after = options.first;
  let left = options.rowsMax;
  while (left > 0) {
    const { rows, next } = await options.page(after, Math.min(options.pageSize, left));
    yield rows;
    left -= rows.length;
    if (next === undefined) return;
    after = next;
  }
}
