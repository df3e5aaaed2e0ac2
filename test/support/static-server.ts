// Serves a page, the SDK and a clip, with byte ranges, and can hold the clip's bytes back: that is how a stall is made.

import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const CHUNK_BYTES = 32_768;
const TYPES: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mp4': 'video/mp4' };

export type StaticServer = {
  url: string;
  /** No byte of any clip beyond this place is given while it is set; undefined = all flow. */
  holdBackFrom(byte: number | undefined): void;
  close(): Promise<void>;
};

export type StaticServerOptions = {
  /** Directory of pages. */
  directory: string;
  /** Files elsewhere by their name in the URL, without the slash. */
  files: Record<string, string>;
  /** Text by its name in the URL. */
  texts: Record<string, string>;
};

/** Listens on a free port of 127.0.0.1. */
export async function startStaticServer(options: StaticServerOptions): Promise<StaticServer> {
  let heldFrom: number | undefined;

  async function sendFile(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const { size } = await stat(path);
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = Number(range?.[1] ?? 0);
    const end = Math.min(range?.[2] ? Number(range[2]) + 1 : size, size);
    response.writeHead(range ? 206 : 200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'content-length': end - from,
      'accept-ranges': 'bytes',
      'cache-control': 'no-store',
      ...(range ? { 'content-range': `bytes ${from}-${end - 1}/${size}` } : {}),
    });
    const source = createReadStream(path, { start: from, end: end - 1, highWaterMark: CHUNK_BYTES });
    async function* flowing(): AsyncGenerator<Buffer> {
      let at = from;
      for await (const chunk of source as AsyncIterable<Buffer>) {
        while (heldFrom !== undefined && at + chunk.length > heldFrom && !response.destroyed) await sleep(20);
        yield chunk;
        at += chunk.length;
      }
    }
    await pipeline(flowing, response);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1);
    const text = options.texts[name];
    if (text !== undefined) {
      response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'text/plain' }).end(text);
      return;
    }
    const file = options.files[name];
    if (file) return sendFile(request, response, file);
    try {
      const page = await readFile(join(options.directory, name.replaceAll('..', '')));
      response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'text/plain' }).end(page);
    } catch {
      response.writeHead(404).end();
    }
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdBackFrom(byte) {
      heldFrom = byte;
    },
    async close() {
      heldFrom = undefined;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
