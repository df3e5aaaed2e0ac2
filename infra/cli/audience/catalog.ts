// What the simulated audience watches, where it comes from and what it watches with. Invented names only; addresses are
// public blocks of well-known networks, used only where the gateway was told to trust a forwarded address.

/** A video of the invented site. `pull` is the share of the video that its audience typically watches. */
export type CatalogVideo = { id: string; title: string; durationMs: number; path: string; pull: number; weight: number };

export const DEMO_VIDEOS: readonly CatalogVideo[] = [
  { id: 'welcome-tour', title: 'Welcome: the two-minute tour', durationMs: 124_000, path: '/watch/welcome-tour', pull: 0.8, weight: 10 },
  {
    id: 'espresso-basics',
    title: 'Espresso at home, part 1: the basics',
    durationMs: 372_480,
    path: '/watch/espresso-basics',
    pull: 0.6,
    weight: 8,
  },
  {
    id: 'espresso-milk',
    title: 'Espresso at home, part 2: milk',
    durationMs: 418_960,
    path: '/watch/espresso-milk',
    pull: 0.55,
    weight: 5,
  },
  {
    id: 'grinder-repair',
    title: 'Taking a grinder apart without tears',
    durationMs: 641_200,
    path: '/watch/grinder-repair',
    pull: 0.4,
    weight: 4,
  },
  { id: 'roastery-visit', title: 'A morning at the roastery', durationMs: 893_320, path: '/stories/roastery', pull: 0.35, weight: 3 },
  { id: 'spring-launch', title: 'Spring launch: what is new', durationMs: 58_040, path: '/launch', pull: 0.9, weight: 7 },
  {
    id: 'latte-art-live',
    title: 'Latte art masterclass (recording)',
    durationMs: 2_712_000,
    path: '/watch/latte-art',
    pull: 0.2,
    weight: 2,
  },
  { id: 'faq-shipping', title: 'How shipping works', durationMs: 41_720, path: '/help/shipping', pull: 0.7, weight: 3 },
];

/** Short videos for tests, so that a viewing is over within minutes of its own time. */
export const SHORT_VIDEOS: readonly CatalogVideo[] = [
  { id: 'clip-a', title: 'Clip A', durationMs: 30_000, path: '/clips/a', pull: 0.7, weight: 3 },
  { id: 'clip-b', title: 'Clip B', durationMs: 61_337, path: '/clips/b', pull: 0.6, weight: 3 },
  { id: 'clip-c', title: 'Clip C', durationMs: 120_001, path: '/clips/c', pull: 0.5, weight: 2 },
  { id: 'clip-d', title: 'Clip D', durationMs: 7_919, path: '/clips/d', pull: 0.9, weight: 2 },
];

/** How somebody came to the page. `query` is appended to the page's address. */
export type Arrival = { referrer: string; query: string; weight: number };

export const ARRIVALS: readonly Arrival[] = [
  { referrer: '', query: '', weight: 10 },
  { referrer: 'https://www.google.com/', query: '', weight: 9 },
  { referrer: 'https://duckduckgo.com/', query: '', weight: 2 },
  { referrer: 'https://www.bing.com/', query: '', weight: 1 },
  { referrer: '', query: '?utm_source=newsletter&utm_medium=email&utm_campaign=spring-launch', weight: 6 },
  { referrer: 'https://t.co/', query: '', weight: 3 },
  { referrer: 'https://www.facebook.com/', query: '?utm_source=facebook&utm_medium=social&utm_campaign=spring-launch', weight: 3 },
  { referrer: 'https://news.example.net/coffee', query: '', weight: 2 },
  { referrer: 'https://www.google.com/', query: '?utm_source=google&utm_medium=cpc&utm_campaign=grinders', weight: 2 },
];

export type Agent = { userAgent: string; player: { name: string; version: string }; weight: number };

const HLS = { name: 'hls.js', version: '1.7.4' };
const NATIVE = { name: 'html5', version: '' };

export const AGENTS: readonly Agent[] = [
  {
    userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    player: HLS,
    weight: 9,
  },
  {
    userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
    player: NATIVE,
    weight: 4,
  },
  {
    userAgent:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
    player: NATIVE,
    weight: 6,
  },
  {
    userAgent: 'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36',
    player: HLS,
    weight: 6,
  },
  { userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', player: HLS, weight: 3 },
  {
    userAgent:
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0',
    player: HLS,
    weight: 3,
  },
  {
    userAgent:
      'Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/5.0 Chrome/120.0.0.0 TV Safari/537.36',
    player: HLS,
    weight: 1,
  },
];

/** First three bytes of networks in different countries; the last byte is drawn per viewer. */
export const NETWORKS: readonly { prefix: string; weight: number }[] = [
  { prefix: '84.160.12', weight: 6 }, // DE
  { prefix: '145.53.8', weight: 6 }, // NL
  { prefix: '81.128.33', weight: 5 }, // GB
  { prefix: '73.162.5', weight: 8 }, // US
  { prefix: '90.1.44', weight: 3 }, // FR
  { prefix: '126.1.2', weight: 2 }, // JP
  { prefix: '177.32.9', weight: 2 }, // BR
  { prefix: '1.128.3', weight: 2 }, // AU
  { prefix: '49.36.7', weight: 2 }, // IN
];

/** Renditions, lowest first. */
export const RENDITIONS: readonly { bitrateBps: number; width: number; height: number }[] = [
  { bitrateBps: 400_000, width: 640, height: 360 },
  { bitrateBps: 1_200_000, width: 960, height: 540 },
  { bitrateBps: 2_800_000, width: 1280, height: 720 },
  { bitrateBps: 5_500_000, width: 1920, height: 1080 },
];

/** Relative traffic by hour of the day, UTC: quiet nights, a lunch bump, a long evening. */
export const DAILY_SHAPE: readonly number[] = [3, 2, 1, 1, 1, 2, 4, 6, 8, 9, 9, 10, 12, 11, 10, 9, 10, 12, 14, 16, 17, 15, 10, 6];
