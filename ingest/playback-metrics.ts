// What players report of their playback, under the names PeerTube itself exports, so that its dashboards go on working. The same numbers
// are kept as events; these are for whoever watches the servers.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { PlaybackCounter, PlaybackReport } from './core/protocols/peertube.ts';

export type PlaybackMetrics = { report(video: string, report: PlaybackReport): void };

const LABELS = ['videoOrigin', 'playerMode', 'resolution', 'fps', 'p2pEnabled', 'videoUUID'] as const;
type Labels = Record<(typeof LABELS)[number], string>;

const NAMES: Readonly<Record<PlaybackCounter, readonly [name: string, help: string]>> = {
  errors: ['peertube_playback_errors_count', 'Errors that players reported'],
  resolutionChanges: ['peertube_playback_resolution_changes_count', 'Changes of resolution that players reported'],
  stalls: ['peertube_playback_buffer_stalled_count', 'Stalls that players reported'],
  bytesHttp: ['peertube_playback_http_downloaded_bytes', 'Bytes that players took from servers'],
  bytesP2p: ['peertube_playback_p2p_downloaded_bytes', 'Bytes that players took from each other'],
  bytesP2pSent: ['peertube_playback_p2p_uploaded_bytes', 'Bytes that players gave each other'],
};

/** Player modes and resolutions that have a label of their own. */
const MODES: ReadonlySet<string> = new Set(['web-video', 'p2p-media-loader', 'webtorrent']);
const RESOLUTIONS: ReadonlySet<number> = new Set([0, 144, 240, 360, 480, 720, 1080, 1440, 2160, 4320]);
const FPS_MAX = 240;
const OTHER = 'other';

/** `videosMax`: videos with a label of their own; `seriesMax`: sets of labels; past them everything is `other`. */
export function createPlaybackMetrics(registry: Registry, limits: { videosMax: number; seriesMax: number }): PlaybackMetrics {
  const registers = [registry];
  const labelNames = [...LABELS];
  const counters = new Map(
    Object.entries(NAMES).map(([counter, [name, help]]) => [
      counter as PlaybackCounter,
      new Counter({ name, help, labelNames, registers }),
    ]),
  );
  const peers = new Gauge({ name: 'peertube_playback_p2p_peers', help: 'Peers of the player that reported last', labelNames, registers });
  const videos = new Set<string>();
  const series = new Set<string>();
  const labelsOf = (video: string, report: PlaybackReport): Labels => {
    const named = videos.has(video) || videos.size < limits.videosMax;
    if (named) videos.add(video);
    const labels: Labels = {
      videoOrigin: 'local',
      playerMode: MODES.has(report.playerMode) ? report.playerMode : OTHER,
      resolution: RESOLUTIONS.has(report.resolution) ? String(report.resolution) : OTHER,
      fps: report.fps < 0 ? '' : report.fps <= FPS_MAX ? String(report.fps) : OTHER,
      p2pEnabled: String(report.p2pEnabled),
      videoUUID: named ? video : OTHER,
    };
    const id = JSON.stringify(labels);
    if (!series.has(id) && series.size >= limits.seriesMax) {
      return { ...labels, playerMode: OTHER, resolution: OTHER, fps: OTHER, p2pEnabled: OTHER, videoUUID: OTHER };
    }
    series.add(id);
    return labels;
  };
  return {
    report(video, report) {
      const labels = labelsOf(video, report);
      for (const [counter, metric] of counters) {
        const value = report.counters[counter];
        if (value > 0) metric.inc(labels, value);
      }
      if (report.p2pPeers >= 0) peers.set(labels, report.p2pPeers);
    },
  };
}
