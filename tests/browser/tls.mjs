/* The console over TLS: the page by https, its WebSocket by wss to where it came from. */
import assert from 'node:assert/strict';

import { certificate, startGateway } from './harness.mjs';

/** A console over TLS in front of a command, taken down at the end of the test. */
async function start(t, ...command) {
	const gateway = await startGateway(...certificate(t), ...command);

	t.defer(async () => assert.equal(await gateway.stop(), 0, gateway.output));
	const view = await t.newConsole({ ignoreHTTPSErrors: true });
	return view.open(gateway.url.replace('http:', 'https:'));
}

export async function tlsEcho(t) {
	const view = await start(t, 'sh', '-c', 'echo "$HTTPS $SSL_PROTOCOL $HTTP_ORIGIN"; cat');
	const { origin, protocol } = new URL(view.page.url());

	assert.equal(protocol, 'https:');
	assert.ok((await view.page.inputValue('#url')).startsWith(origin.replace('https:', 'wss:')));
	await view.connect();
	assert.equal(await view.row('in', 'TLS'), `on TLSv1.3 ${origin}`);
	await view.type('hello over TLS, grün 🎈');
	await view.row('in', 'hello over TLS, grün 🎈');
	await view.screenshot('console-tls');
	await view.disconnect();
	assert.equal(await view.status(), 'closed 1000');
}

/** Much of it both ways, in one message: records of every size, and pauses of the page. */
export async function tlsLongMessages(t) {
	const view = await start(t, '--set', 'framing=records', 'cat');
	const n = 3_000_000;

	await view.connect();
	const got = await view.page.evaluate((length) => new Promise((resolve, reject) => {
		const socket = new WebSocket(document.querySelector('#url').value);
		const sent = Array.from({ length: 8 }, (_, i) => String(i).repeat(length));
		let received = 0;

		socket.onopen = () => sent.forEach((text) => socket.send(text));
		socket.onmessage = ({ data }) => {
			if (data !== sent[received])
				reject(new Error(`message ${received} is another one`));
			if (++received === sent.length)
				socket.close(1000);
		};
		socket.onclose = ({ code }) => resolve([received, code]);
	}), n);
	assert.deepEqual(got, [8, 1000]);
	await view.disconnect();
}
