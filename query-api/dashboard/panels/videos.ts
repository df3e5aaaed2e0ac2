// The list of videos and the curve of the chosen one.
import type { Engagement, Valued, Video } from '../api.ts';
import { drawRetention } from '../charts.ts';
import { byId, element, empty, fact } from '../elements.ts';
import { count, durationOrNone, percent, position } from '../format.ts';

export const titleOf = (id: string | null, videos: ReadonlyMap<string, Video>): string =>
  id === null ? 'no video' : videos.get(id)?.title || id;

/** A list to choose from by mouse, touch or arrow keys. */
export function showVideos(
  rows: readonly Valued[],
  videos: ReadonlyMap<string, Video>,
  chosen: string | undefined,
  choose: (id: string) => void,
): void {
  const list = byId('videos');
  if (rows.length === 0) {
    list.replaceChildren(empty('Nothing was played in this range.'));
    return;
  }
  list.replaceChildren(
    ...rows.map((row) => {
      const id = row.value as string;
      const durationMs = videos.get(id)?.durationMs;
      const made = element(
        'div',
        'row',
        [
          element('div', 'title', [titleOf(id, videos), element('small', '', [durationMs ? position(durationMs) : id])], { title: id }),
          element('div', 'number', [count(row.plays), element('small', '', ['plays'])]),
          element('div', 'number', [row.averageWatchMs === null ? '-' : position(row.averageWatchMs), element('small', '', ['average'])]),
        ],
        { role: 'option', id: `video-${id}`, 'aria-selected': String(id === chosen) },
      );
      made.addEventListener('click', () => choose(id));
      return made;
    }),
  );
  if (chosen !== undefined) list.setAttribute('aria-activedescendant', `video-${chosen}`);
  list.onkeydown = (event) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const next = rows[Math.max(0, Math.min(rows.length - 1, rows.findIndex((row) => row.value === chosen) + step))];
    if (next?.value) choose(next.value);
    list.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  };
}

export function showRetention(answer: Engagement, title: string): void {
  const { data, totals } = answer;
  byId('retention-hint').textContent = title;
  const facts = byId('retention-facts');
  if (data.length === 0 || totals.plays === 0) {
    byId('retention-chart').replaceChildren(empty('No plays with a known duration in this range.'));
    facts.replaceChildren();
    return;
  }
  drawRetention(
    byId('retention-chart'),
    data.map((range) => range.fromMs),
    data.map((range) => range.share),
    data.map((range) => range.watches / totals.plays),
  );
  const hottest = data.reduce((best, range) => (range.rewatches > best.rewatches ? range : best));
  const half = data.find((range) => range.share < 0.5);
  facts.replaceChildren(
    fact('Plays', count(totals.plays)),
    fact('Average watched', durationOrNone(totals.averageWatchMs), answer.durationMs ? `of ${position(answer.durationMs)}` : ''),
    fact('Half have left by', half === undefined ? 'they stay' : position(half.fromMs)),
    fact(
      'Most rewatched',
      hottest.rewatches === 0 ? 'nothing yet' : `${position(hottest.fromMs)}`,
      hottest.rewatches === 0 ? '' : `${count(hottest.rewatches)} times again`,
    ),
    fact('To the end', percent(totals.completions / totals.plays)),
  );
}
