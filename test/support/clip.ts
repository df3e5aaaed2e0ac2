// The clip that browser tests play: made once per machine, never committed. 14 s of test picture and tone, H.264 and AAC, a
// keyframe every half second (so that seeks are exact), its index in front (so that play starts before all is loaded).

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ffmpeg from '@ffmpeg-installer/ffmpeg';

export const CLIP_MS = 14_000;
const FRAMES_PER_SECOND = 24;

/** Path of the clip, about 1 MB so that a server can hold back a part of it. */
export async function clipPath(): Promise<string> {
  const directory = join(tmpdir(), 'playhead-clips');
  const path = join(directory, `clip-${CLIP_MS}.mp4`);
  if (existsSync(path)) return path;
  await mkdir(directory, { recursive: true });
  // Under another name first: two files of a run may make it at once.
  const unfinished = join(directory, `unfinished-${process.pid}.mp4`);
  const seconds = String(CLIP_MS / 1000);
  const rate = String(FRAMES_PER_SECOND);
  // biome-ignore format: an option and its value on one line read better
  await promisify(execFile)(ffmpeg.path, [
    '-v', 'error', '-y',
    '-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=${rate}:duration=${seconds}`,
    '-f', 'lavfi', '-i', `sine=frequency=440:duration=${seconds}`,
    '-t', seconds, '-pix_fmt', 'yuv420p',
    '-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '500k', '-minrate', '500k', '-maxrate', '500k', '-bufsize', '500k',
    '-g', String(FRAMES_PER_SECOND / 2), '-keyint_min', String(FRAMES_PER_SECOND / 2), '-sc_threshold', '0',
    '-c:a', 'aac', '-b:a', '64k', '-movflags', '+faststart', unfinished,
  ]);
  await rename(unfinished, path);
  return path;
}
