/* Headless Chromium: a page that comes from the gateway, on the same port. It offers compression always. */
import { launchChromium } from '../browser/chromium.mjs';
import { options, report } from './client.js';

/** Runs in the page. */
async function inPage({ url, ...rest }) {
	const { Exchange } = await import('./exchange.js');
	const socket = new WebSocket(url);
	const it = new Exchange(rest, {
		send: ({ data }) => { socket.send(data); },
		close: () => socket.close(1000, 'that is all'),
	});

	socket.binaryType = 'arraybuffer';
	socket.onopen = () => it.pump();
	socket.onmessage = ({ data }) => it.received(typeof data === 'string' ? data : new Uint8Array(data));
	socket.onclose = ({ code, reason, wasClean }) => it.closed(wasClean ? code : 1006, reason);
	return { ...await it.result, extensions: socket.extensions };
}

/** From the opening of the page to the close code. */
async function run() {
	const browser = await launchChromium(0);
	try {
		const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
		page.setDefaultTimeout(0); // who runs this has the patience
		await page.goto(new URL('/files/page.html', options.url.replace(/^ws/, 'http')).href);
		return await page.evaluate(inPage, options);
	} finally {
		await browser.close();
	}
}

await report(run());
