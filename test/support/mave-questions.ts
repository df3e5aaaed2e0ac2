// Every question of mave's read APIs, asked without HTTP of whatever answers statements: for comparing databases.
import type { Ask } from '../../query-api/answers.ts';
import { DAY_MS } from '../../query-api/core/civil.ts';
import { maveRoutes } from '../../query-api/dialects/mave.ts';
import { maveDataRoutes } from '../../query-api/dialects/mave-data.ts';
import { SEED_DAYS, SEED_SITE, SEED_START_MS, SEED_VIDEOS, type SeedPart } from './query-seed.ts';

const SPACE = 'abcde';
const NOW_MS = SEED_START_MS + SEED_DAYS * DAY_MS;
/** Where the plays of sessions are moved to, so that windows of wall-clock time have something to cut. */
const MIDNIGHT_MS = SEED_START_MS + 2 * DAY_MS;

/** The embed that stands for one of the seed's videos. */
export const embedOf = (video: string): string => `${SPACE}${String(SEED_VIDEOS.indexOf(video as never)).padStart(10, '0')}`;

/** The same sessions at mave's door: videos are embeds, and every other session plays over midnight. */
export const maveSeeds = (parts: readonly SeedPart[]): SeedPart[] =>
  parts.map(({ part, open }, i) => {
    let at = i % 2 === 0 ? part.startedAt : MIDNIGHT_MS - (i % 20) * 1_000;
    const sections = part.sections.map((section) => {
      const startedAt = at;
      at += section.toMs - section.fromMs;
      return { ...section, startedAt };
    });
    return { open, part: { ...part, session: `m${part.session}`, video: embedOf(part.video), sections } };
  });

type Question = { path: string; body?: Record<string, unknown>; params?: Record<string, string> };

function questions(): Question[] {
  const all = { from: SEED_START_MS / 1_000, to: NOW_MS / 1_000 };
  const choices: Record<string, unknown>[] = [
    { query: {} },
    { query: { video: { course: 12 } } },
    { query: { session: { plan: 'pro' } } },
    { query: { video: { course: 12 }, session: { plan: 'free' } } },
    { identifier: embedOf('intro'), shape: '2024' },
    { query: { video: { course: 13 } } },
  ];
  const widths = ['1 day', '7 hours', '1 week', '1 month', '12 months'];
  const legacy = choices.flatMap((choice) => [
    ...widths.flatMap((interval) =>
      ['views', 'sources', 'engagement'].map((path) => ({ path: `/api/v1/${path}`, body: { ...choice, interval, timeframe: all } })),
    ),
    { path: '/api/v1/views', body: { ...choice, minimum_watch_seconds: 7.5, timeframe: '2 days' } },
    { path: '/api/v1/engagement', body: { ...choice, shape: '2023', ranges: 17, timeframe: all } },
    { path: '/api/v1/watching', body: choice },
  ]);
  return [
    ...legacy,
    ...SEED_VIDEOS.map((video) => ({ path: '/api/v1/videos/{embed_id}/data', params: { embed_id: embedOf(video) } })),
    { path: '/api/v1/spaces/{space_hash}/data', params: { space_hash: SPACE } },
  ];
}

/** All answers, each with its question in front. */
export async function maveAnswers(ask: Ask): Promise<[question: string, answer: unknown][]> {
  const routes = [...maveRoutes(), ...maveDataRoutes()];
  const answers: [string, unknown][] = [];
  for (const { path, body, params = {} } of questions()) {
    const route = routes.find((each) => each.path === path && each.method === (body === undefined ? 'get' : 'post'));
    if (route === undefined) throw new Error(`no route ${path}`);
    const caller = { site: SEED_SITE, keyId: 'key_test', scopes: ['query'] } as never;
    const answer = await route.handle({ caller, params, query: {}, body, nowMs: NOW_MS, ask, askAdmin: ask, uuid: () => '' });
    answers.push([JSON.stringify({ path, body, params }), answer.body]);
  }
  return answers;
}
