// The dashboard: asks the public API with the reader's key, draws, and asks again while somebody looks.
import './style.css';
import {
  type Answer,
  ask,
  type Bucket,
  type Definition,
  type Engagement,
  type Figures,
  forgetKey,
  keepKey,
  type Live,
  Problem,
  type Quality,
  type Source,
  takeKey,
  type Valued,
  type Video,
} from './api.ts';
import { byId, element } from './elements.ts';
import { showDefinitions } from './panels/definitions.ts';
import { showFreshness, showLost, showPlays, showTiles } from './panels/overview.ts';
import { showAudience, showLive, showQuality, showSources } from './panels/rankings.ts';
import { showRetention, showVideos, titleOf } from './panels/videos.ts';
import { instantsOf, RANGE_DEFAULT, RANGES, type Range } from './range.ts';

const REFRESH_MS = 5_000;
const VIDEOS_SHOWN = '20';
const AUDIENCE = ['country', 'device', 'browser', 'platform'] as const;

type Shown = { key: string; range: Range; video: string | undefined; audience: (typeof AUDIENCE)[number] };

const search = new URLSearchParams(location.search);
let current: Shown | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let running: AbortController | undefined;

/** Everything the page shows, asked at once. */
async function load(shown: Shown, signal: AbortSignal): Promise<void> {
  const { from, to, before } = instantsOf(shown.range, Date.now());
  const get = <T>(path: string, parameters: Record<string, string | undefined> = {}): Promise<T> =>
    ask<T>(path, parameters, shown.key, signal);
  const span = { from, to };
  const [live, now, earlier, buckets, top, videoList, sources, audience, quality] = await Promise.all([
    get<{ data: Live }>('live'),
    get<Answer<Figures>>('plays', span),
    get<Answer<Figures>>('plays', before),
    get<Answer<Bucket[]>>('plays', { ...span, granularity: shown.range.granularity }),
    get<Answer<Valued[]>>('plays', { ...span, groupBy: 'video', limit: VIDEOS_SHOWN }),
    get<Answer<Video[]>>('videos', { limit: '1000' }),
    get<Answer<Source[]>>('sources', span),
    get<Answer<Valued[]>>('plays', { ...span, groupBy: shown.audience }),
    get<Answer<Quality>>('quality', span),
  ]);
  const videos = new Map(videoList.data.map((video) => [video.id, video]));
  const played = top.data.filter((row) => row.value !== null && row.value !== '');
  const chosen = shown.video ?? played[0]?.value ?? undefined;
  showTiles(live.data, now.data, earlier.data, shown.range.name);
  showFreshness(now, Date.now());
  showPlays(buckets, shown.range.granularity);
  showVideos(played, videos, chosen, (id) => change({ video: id }));
  showSources(sources.data);
  showAudience(shown.audience, audience.data);
  showQuality(quality.data);
  showLive(live.data, videos);
  if (chosen !== undefined)
    showRetention(await get<Engagement>('engagement', { ...span, video: chosen, ranges: '100' }), titleOf(chosen, videos));
}

async function refresh(): Promise<void> {
  if (current === undefined) return;
  clearTimeout(timer);
  running?.abort();
  const mine = new AbortController();
  running = mine;
  try {
    await load(current, mine.signal);
  } catch (thrown) {
    if (mine.signal.aborted) return;
    if (thrown instanceof Problem && (thrown.status === 401 || thrown.status === 403)) return signOut(thrown.message);
    showLost(thrown instanceof Error ? thrown.message : 'The figures could not be read.');
  }
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

/** Changes what is shown; the address says it too, so that a reload or a shared link shows the same (without the key). */
function change(part: Partial<Shown>): void {
  if (current === undefined) return;
  current = { ...current, ...part };
  search.set('range', current.range.id);
  if (current.video !== undefined) search.set('video', current.video);
  history.replaceState(null, '', `${location.pathname}?${search}`);
  drawControls(current);
  void refresh();
}

function drawControls(shown: Shown): void {
  const ranges = byId('ranges');
  ranges.replaceChildren(
    ranges.firstElementChild as Element,
    ...RANGES.map((range) => {
      const input = element('input', '', [], { type: 'radio', name: 'range', value: range.id }) as HTMLInputElement;
      input.checked = range.id === shown.range.id;
      input.addEventListener('change', () => change({ range }));
      return element('label', '', [input, element('span', '', [range.name])]);
    }),
  );
  (ranges.querySelector('input:checked') as HTMLElement | null)?.blur();
  byId('audience-tabs').replaceChildren(
    ...AUDIENCE.map((name) => {
      const tab = element('button', '', [name], {
        type: 'button',
        role: 'tab',
        'aria-selected': String(name === shown.audience),
        'aria-controls': 'audience',
      });
      tab.addEventListener('click', () => change({ audience: name }));
      return tab;
    }),
  );
}

function open(key: string): void {
  current = {
    key,
    range: RANGES.find((range) => range.id === search.get('range')) ?? (RANGES.find((range) => range.id === RANGE_DEFAULT) as Range),
    video: search.get('video') ?? undefined,
    audience: 'country',
  };
  byId('sign-in').hidden = true;
  byId('content').hidden = false;
  byId('sign-out').hidden = false;
  drawControls(current);
  void refresh();
}

function signOut(problem = ''): void {
  forgetKey();
  current = undefined;
  clearTimeout(timer);
  byId('content').hidden = true;
  byId('sign-out').hidden = true;
  byId('sign-in').hidden = false;
  byId('sign-in-problem').textContent = problem;
  byId('key').focus();
}

byId('sign-out').addEventListener('click', () => signOut());
byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  const key = (byId('key') as HTMLInputElement).value.trim();
  (byId('key') as HTMLInputElement).value = '';
  keepKey(key);
  open(key);
});
byId('definitions').addEventListener('click', () => {
  if (current === undefined) return;
  ask<{ data: Definition[] }>('definitions', {}, current.key).then(
    ({ data }) => showDefinitions(data),
    (thrown: unknown) => showLost(thrown instanceof Error ? thrown.message : 'The definitions could not be read.'),
  );
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});

const key = takeKey();
if (key === undefined) signOut();
else open(key);
