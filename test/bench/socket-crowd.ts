// Many pages with a Phoenix channel each, for doors.ts: they join, play and pause in turns, and keep their sockets alive.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { TestSystem } from '../support/system.ts';

type Page = { socket: WebSocket; topic: string; ref: number; playing: boolean; answers: Map<string, () => void> };
/** `beats` = how long heartbeats waited for their answers, ms; `lost` = sockets that the gateway closed. */
export type SocketCrowd = { sockets: Page[]; opened: number; refused: number; lost: number; beats: number[]; closing: boolean };

const PAGE = 'https://example.org/watch/intro?utm_source=news';
/** Opened side by side. */
const OPENING = 50;

/** Opens sockets until there are so many, joined. */
export async function openSockets(system: TestSystem, count: number, crowd?: SocketCrowd): Promise<SocketCrowd> {
  const all: SocketCrowd = crowd ?? { sockets: [], opened: 0, refused: 0, lost: 0, beats: [], closing: false };
  while (all.sockets.length + all.refused < count) {
    const missing = Math.min(OPENING, count - all.sockets.length - all.refused);
    await Promise.all(Array.from({ length: missing }, (_, i) => open(system, all, all.sockets.length + i)));
  }
  return all;
}

async function open(system: TestSystem, crowd: SocketCrowd, n: number): Promise<void> {
  const query = `source_url=${encodeURIComponent(PAGE)}&key=${system.writeKey}&vsn=2.0.0`;
  const socket = new WebSocket(`${system.ingest.replace('http', 'ws')}/socket/websocket?${query}`);
  const page: Page = { socket, topic: `session:bench-${n}`, ref: 3, playing: false, answers: new Map() };
  socket.on('message', (data) => {
    const [, ref] = JSON.parse(String(data)) as [unknown, string];
    page.answers.get(ref)?.();
    page.answers.delete(ref);
  });
  socket.on('close', () => {
    if (!crowd.closing) crowd.lost++;
  });
  try {
    await once(socket, 'open');
    await ask(page, page.topic, 'phx_join', { metadata: { vid: `v${n % 50}` }, source_url: PAGE, key: system.writeKey });
    crowd.sockets.push(page);
    crowd.opened++;
  } catch {
    crowd.refused++;
  }
}

function tell(page: Page, topic: string, event: string, payload: object): string {
  const ref = String(page.ref++);
  page.socket.send(JSON.stringify([topic === page.topic ? '3' : null, ref, topic, event, payload]));
  return ref;
}

const ask = (page: Page, topic: string, event: string, payload: object): Promise<void> =>
  new Promise((resolve) => {
    page.answers.set(tell(page, topic, event, payload), resolve);
  });

/** One push from each socket, spread over a while; `beat` = one in ten also asks for a sign of life, and how long it waited is noted. */
export async function pushAll(crowd: SocketCrowd, options: { overMs?: number; beat?: boolean } = {}): Promise<void> {
  const { overMs = 0, beat = false } = options;
  const STEPS = 20;
  for (const [i, page] of crowd.sockets.entries()) {
    if (page.socket.readyState !== WebSocket.OPEN) continue;
    page.playing = !page.playing;
    const seconds = (page.ref * 2).toFixed(2);
    const payload = page.playing ? { name: 'play', duration: 600, from: seconds } : { name: 'pause', duration: 600, to: seconds };
    tell(page, page.topic, 'event', payload);
    if (beat && i % 10 === 0) {
      const startedMs = performance.now();
      void ask(page, 'phoenix', 'heartbeat', {}).then(() => crowd.beats.push(performance.now() - startedMs));
    }
    if (overMs > 0 && i % Math.ceil(crowd.sockets.length / STEPS) === 0) await sleep(overMs / STEPS / 2);
  }
}

/** Pages that go away. */
export async function closeSockets(crowd: SocketCrowd): Promise<void> {
  crowd.closing = true;
  await Promise.all(
    crowd.sockets.map(async ({ socket }) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.close();
      await once(socket, 'close');
    }),
  );
}
