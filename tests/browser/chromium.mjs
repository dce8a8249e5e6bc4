/* Headless Chromium, as all of our tests have it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync'];

/** A browser that begins within so many ms (0: whenever), with a home of its own, which is gone when this process is. */
export function launchChromium(timeout) {
	const home = mkdtempSync(path.join(tmpdir(), 'wsluice-chromium-'));

	process.on('exit', () => rmSync(home, { recursive: true, force: true, maxRetries: 10 }));
	return chromium.launch({
		executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS, timeout, env: { ...process.env, HOME: home },
	});
}
