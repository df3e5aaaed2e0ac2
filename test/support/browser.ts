// A real Chromium for tests: CHROME_PATH, else the one npm brought (it plays H.264 and AAC), else Debian's. With web security on:
// the packaged flags switch it off, and then no preflight would ever be sent and CORS be proven by nothing.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packagedChromium from '@sparticuz/chromium';
import puppeteer, { type Browser } from 'puppeteer-core';

const DEBIAN_PATH = '/usr/bin/chromium';
const UNWANTED_FLAGS = ['--disable-web-security', '--single-process', '--disable-site-isolation-trials'];

async function executable(): Promise<string> {
  const given = process.env['CHROME_PATH'];
  if (given) return given;
  try {
    return await packagedChromium.executablePath();
  } catch (cause) {
    if (existsSync(DEBIAN_PATH)) return DEBIAN_PATH;
    throw new Error('No Chromium: set CHROME_PATH to the path of one.', { cause });
  }
}

export type TestBrowser = { browser: Browser; close(): Promise<void> };

/** Starts a browser with a profile of its own; sound and picture need no gesture. */
export async function startBrowser(): Promise<TestBrowser> {
  const userDataDir = await mkdtemp(join(tmpdir(), 'playhead-browser-'));
  const browser = await puppeteer.launch({
    executablePath: await executable(),
    headless: 'shell',
    userDataDir,
    args: [
      ...packagedChromium.args.filter((flag) => !UNWANTED_FLAGS.some((unwanted) => flag.startsWith(unwanted))),
      '--no-sandbox',
      '--autoplay-policy=no-user-gesture-required',
      '--mute-audio',
    ],
  });
  return {
    browser,
    async close() {
      await browser.close();
      await rm(userDataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}
