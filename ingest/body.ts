// Reads a request's body within the limits of G1 and G2: counted while it arrives and while it inflates, never held beyond them.
// One reader for all doors; the declared content type is not asked (G3).
import type { IncomingMessage } from 'node:http';
import { gunzip } from 'node:zlib';
import { BODY_BYTES_MAX, COMPRESSED_BYTES_MAX, INFLATE_RATIO_MAX, type LimitName } from './core/limits.ts';

/** What of a refused body is still read and thrown away, so that its sender gets to read the answer. */
const DISCARD_BYTES_MAX = 32 * 1024 * 1024;

export type BodyResult =
  | { ok: true; bytes: Buffer; wireBytes: number }
  | { ok: false; kind: 'limit'; limit: LimitName; detail: string }
  | { ok: false; kind: 'encoding'; detail: string }
  | { ok: false; kind: 'invalid'; detail: string }
  /** The client went away; there is nobody to answer. */
  | { ok: false; kind: 'aborted' };

const isGzip = (bytes: Buffer): boolean => bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;

/** Reads and, by header or magic bytes, inflates. Never rejects. */
export async function readBody(request: IncomingMessage): Promise<BodyResult> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip' && encoding !== 'x-gzip' && encoding !== '') {
    discard(request, 0);
    return { ok: false, kind: 'encoding', detail: 'Content-Encoding must be gzip or absent' };
  }
  const declaredGzip = encoding.endsWith('gzip');
  const raw = await readRaw(request, declaredGzip ? COMPRESSED_BYTES_MAX : BODY_BYTES_MAX);
  if (!raw.ok) return raw;
  if (isGzip(raw.bytes)) {
    return raw.wireBytes > COMPRESSED_BYTES_MAX ? tooLarge(true) : inflate(raw.bytes);
  }
  return declaredGzip && raw.bytes.length > 0 ? { ok: false, kind: 'invalid', detail: 'the body is not gzip' } : raw;
}

const tooLarge = (compressed: boolean): BodyResult => ({
  ok: false,
  kind: 'limit',
  limit: compressed ? 'compressed_bytes' : 'body_bytes',
  detail: `at most ${compressed ? COMPRESSED_BYTES_MAX : BODY_BYTES_MAX} bytes${compressed ? ' compressed' : ''}`,
});

function readRaw(request: IncomingMessage, bytesMax: number): Promise<BodyResult> {
  const compressed = bytesMax === COMPRESSED_BYTES_MAX;
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) {
    discard(request, 0);
    return Promise.resolve(tooLarge(compressed));
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= bytesMax) {
        chunks.push(chunk);
        return;
      }
      request.off('data', onData);
      discard(request, bytes);
      resolve(tooLarge(compressed));
    };
    request.on('data', onData);
    request.once('end', () => {
      const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      resolve({ ok: true, bytes: whole, wireBytes: bytes });
    });
    // Also a client that is cut off: without an end there is no body.
    request.once('close', () => resolve({ ok: false, kind: 'aborted' }));
    request.once('error', () => resolve({ ok: false, kind: 'aborted' }));
  });
}

/** Lets the rest flow past; a sender that does not stop is cut off. The server's request timeout bounds the slow ones. */
function discard(request: IncomingMessage, seen: number): void {
  let bytes = seen;
  request.on('error', () => {});
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DISCARD_BYTES_MAX) request.destroy();
  });
}

function inflate(bytes: Buffer): Promise<BodyResult> {
  const byRatio = bytes.length * INFLATE_RATIO_MAX;
  const ratioDecides = byRatio < BODY_BYTES_MAX;
  return new Promise((resolve) => {
    gunzip(bytes, { maxOutputLength: Math.min(byRatio, BODY_BYTES_MAX) }, (error, inflated) => {
      if (error === null) resolve({ ok: true, bytes: inflated, wireBytes: bytes.length });
      else if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
        resolve({ ok: false, kind: 'invalid', detail: 'the body is not readable gzip' });
      else if (ratioDecides)
        resolve({
          ok: false,
          kind: 'limit',
          limit: 'inflate_ratio',
          detail: `at most ${INFLATE_RATIO_MAX} inflated bytes for each compressed one`,
        });
      else resolve(tooLarge(false));
    });
  });
}
