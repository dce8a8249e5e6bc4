/*
 * irc-framework, two of it, against an IRC server behind the gateway: node irc.mjs URL. The server must ping who has been
 * silent for a few seconds. Exits 0 when every line arrived as it was said.
 */
import assert from 'node:assert/strict';

import IRC from 'irc-framework';
import transport from 'irc-framework/src/transports/websocket.js';
import WebSocket from 'ws';

const { hostname, port, protocol, pathname } = new URL(process.argv[2]);
const CHANNEL = '#wsluice';
const WORDS = ['hello', 'grüße, 世界 🎈', ': with : colons', 'x'.repeat(350), ' spaces  kept'];

globalThis.WebSocket = WebSocket; // as a browser has it

/** The next event of a name whose fields are those given. */
function next(client, name, fields = {}) {
	return new Promise((resolve) => {
		const look = (event) => {
			if (Object.entries(fields).some(([key, value]) => event[key] !== value))
				return;
			client.off(name, look);
			resolve(event);
		};
		client.on(name, look);
	});
}

/** A client that has registered. */
async function connect(nick) {
	const client = new IRC.Client();
	const registered = next(client, 'registered');

	client.connect({
		transport, host: hostname, port, path: pathname, tls: protocol === 'wss:', nick,
		websocket_protocol: 'text.ircv3.net', auto_reconnect: false, ping_interval: 0,
	});
	assert.equal((await registered).nick, nick);
	assert.equal(client.connection.transport.socket.protocol, 'text.ircv3.net');
	client.connection.transport.socket.on('message', (data, isBinary) => {
		assert.ok(!isBinary && !/[\r\n]/.test(String(data)), 'a message is not one line of text');
	});
	return client;
}

async function join(client) {
	const joined = next(client, 'userlist');
	client.join(CHANNEL);
	return (await joined).users.map(({ nick }) => nick).sort();
}

/** What one says to all, or to the other alone, the other hears. */
async function talk(from, to) {
	for (const target of [CHANNEL, to.user.nick]) {
		for (const message of WORDS) {
			const heard = next(to, 'privmsg', { nick: from.user.nick, target });
			from.say(target, message);
			assert.equal((await heard).message, message);
		}
	}
}

/** Many lines in a burst keep their order. */
async function burst(from, to) {
	const n = 500;
	const heard = [];
	const all = new Promise((resolve) => {
		to.on('privmsg', ({ message }) => { if (heard.push(message) === n) resolve(); });
	});
	for (let i = 0; i < n; i++)
		from.say(CHANNEL, `line ${i}`);
	await all;
	to.removeAllListeners('privmsg');
	assert.deepEqual(heard, Array.from({ length: n }, (_, i) => `line ${i}`));
}

/** The server asks whether they are there, and is answered. */
async function pinged(client) {
	await new Promise((resolve) => {
		client.on('raw', ({ line, from_server: fromServer }) => { if (fromServer && /^(:\S+ )?PING /.test(line)) resolve(); });
	});
}

const ann = await connect('ann');
assert.deepEqual(await join(ann), ['ann']);
const bob = await connect('bob');
assert.deepEqual(await join(bob), ['ann', 'bob']);
await talk(ann, bob);
await talk(bob, ann);
await burst(ann, bob);
await Promise.all([pinged(ann), pinged(bob)]);
await talk(bob, ann);
const left = next(ann, 'quit', { nick: 'bob' });
const ended = [ann, bob].map((client) => new Promise((resolve) => {
	client.connection.transport.socket.on('close', resolve);
}));
bob.quit('good-bye');
assert.match((await left).message, /good-bye/);
ann.quit('too');
console.log(`irc: ok ${await Promise.all(ended)}`);
process.exit(0);
