// Sources, audience, quality and who is watching now.
import type { Live, Quality, Source, Valued, Video } from '../api.ts';
import { drawLive } from '../charts.ts';
import { bar, byId, empty, fact } from '../elements.ts';
import { count, duration, locale, percent } from '../format.ts';
import { titleOf } from './videos.ts';

const ROWS_MAX = 8;

export function showSources(rows: readonly Source[]): void {
  const largest = Math.max(1, ...rows.map((row) => row.plays));
  byId('sources').replaceChildren(
    ...(rows.length === 0
      ? [empty('No plays yet.')]
      : rows
          .slice(0, ROWS_MAX)
          .map((row) =>
            bar(
              row.source || 'direct',
              count(row.plays),
              row.plays / largest,
              [row.medium, row.campaign].filter((part) => part !== '').join(' · '),
            ),
          )),
  );
}

const regionNames = new Intl.DisplayNames(locale, { type: 'region' });
function countryName(code: string): string {
  try {
    return regionNames.of(code) ?? code;
  } catch {
    return code;
  }
}

export function showAudience(dimension: string, rows: readonly Valued[]): void {
  const total = rows.reduce((sum, row) => sum + row.plays, 0);
  const name = (value: string | null): string =>
    value === null || value === '' ? 'unknown' : dimension === 'country' ? countryName(value) : value;
  byId('audience').replaceChildren(
    ...(total === 0
      ? [empty('No plays yet.')]
      : rows
          .slice(0, ROWS_MAX)
          .map((row) =>
            bar(name(row.value), percent(row.plays / total), row.plays / Math.max(1, rows[0]?.plays ?? 1), `${count(row.plays)} plays`),
          )),
  );
}

export function showQuality(quality: Quality): void {
  const { startupMs, attempts } = quality;
  const time = (ms: number | null | undefined): string => (ms === null || ms === undefined ? '-' : duration(ms));
  byId('quality-facts').replaceChildren(
    fact('Startup, median', time(startupMs.median), `95 % within ${time(startupMs.p95)}`),
    fact('Rebuffer ratio', percent(quality.rebufferRatio, 2), `${count(quality.stalls)} stalls, ${duration(quality.stallMs)}`),
    fact(
      'Left before start',
      percent(attempts === 0 ? undefined : quality.exitsBeforeStart / attempts, 1),
      `${count(quality.exitsBeforeStart)} attempts`,
    ),
    fact(
      'Failures',
      count(quality.startFailures + quality.playbackFailures),
      `${count(quality.startFailures)} at start, ${count(quality.playbackFailures)} in play`,
    ),
    fact(
      'Bitrate',
      quality.bitrateBps === null || quality.bitrateBps === undefined ? '-' : `${(quality.bitrateBps / 1e6).toFixed(2)} Mbit/s`,
      'weighted by time',
    ),
    fact(
      'Quality switches',
      count(quality.switchesUp + quality.switchesDown),
      `${count(quality.switchesUp)} up, ${count(quality.switchesDown)} down`,
    ),
  );
  const largest = Math.max(1, ...quality.errors.map((error) => error.count));
  byId('quality-errors').replaceChildren(
    ...quality.errors
      .slice(0, 4)
      .map((error) => bar(error.code || 'error without a code', count(error.count), error.count / largest, error.fatal ? 'fatal' : '')),
  );
}

export function showLive(live: Live, videos: ReadonlyMap<string, Video>): void {
  byId('live-hint').textContent =
    live.peak === null
      ? 'last 60 minutes'
      : `last 60 minutes; most at ${new Date(live.peak.at).toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' })}`;
  drawLive(
    byId('live-chart'),
    live.minutes.map((minute) => Date.parse(minute.at) / 1000),
    live.minutes.map((minute) => minute.viewers),
  );
  const largest = Math.max(1, ...live.videos.map((row) => row.viewers));
  byId('live-videos').replaceChildren(
    ...(live.videos.length === 0
      ? [empty('Nobody is watching right now.')]
      : live.videos.slice(0, ROWS_MAX).map((row) => bar(titleOf(row.video, videos), count(row.viewers), row.viewers / largest))),
  );
}
