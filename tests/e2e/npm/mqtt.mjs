/*
 * MQTT.js against a broker behind the gateway: node mqtt.mjs URL VERSION, VERSION being 3 (3.1), 4 (3.1.1) or 5.
 * Exits 0 when every message arrived as often as its quality of service says, byte by byte.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import mqtt from 'mqtt';
import WebSocket from 'ws';

const [url, version] = [process.argv[2], Number(process.argv[3])];
const PROTOCOLS = { 3: 'mqttv3.1', 4: 'mqtt', 5: 'mqtt' };
const LARGE = randomBytes(256 * 1024);

/** A connected client; `socket` is its WebSocket, `got` what it was sent. */
async function connect(options = {}) {
	let socket;
	const client = await mqtt.connectAsync(url, {
		protocolVersion: version,
		protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
		reconnectPeriod: 0,
		connectTimeout: 30000,
		createWebsocket: (address, protocols) => {
			assert.deepEqual(protocols, [PROTOCOLS[version]]);
			socket = new WebSocket(address, protocols);
			return socket;
		},
		...options,
	});
	assert.equal(socket.protocol, PROTOCOLS[version]);
	const it = { client, socket, got: [], wake: null };
	client.on('close', () => assert.ok(client.disconnecting || it.vanished, 'the connection has ended'));
	client.on('message', (topic, payload, packet) => {
		it.got.push({ topic, payload, packet });
		it.wake?.();
	});
	return it;
}

/** Waits until a client has n messages, and takes them. */
async function take(it, n) {
	while (it.got.length < n)
		await new Promise((resolve) => { it.wake = resolve; });
	return it.got.splice(0);
}

/** Disconnects, and expects the gateway's answer to the close frame. */
async function leave({ client, socket }) {
	const closed = new Promise((resolve) => { socket.once('close', resolve); });
	await client.endAsync();
	assert.ok([1000, 1005].includes(await closed));
}

/** One message of each quality of service, and as many as arrive of it. */
async function qualities(from, to) {
	for (const qos of [0, 1, 2]) {
		const topic = `large/${qos}`;
		const [granted] = await to.client.subscribeAsync(topic, { qos });
		assert.equal(granted.qos, qos);
		await from.client.publishAsync(topic, LARGE, { qos });
		await from.client.publishAsync(topic, Buffer.alloc(0), { qos });
		const [large, empty, ...more] = await take(to, 2);
		assert.ok(large.payload.equals(LARGE));
		assert.deepEqual([large.packet.qos, large.packet.dup, large.topic, empty.payload.length, more], [qos, false, topic, 0, []]);
	}
}

/** Many small ones keep their order. */
async function order(from, to) {
	const n = 1000;
	await to.client.subscribeAsync('order', { qos: 1 });
	await Promise.all(Array.from({ length: n }, (_, i) => from.client.publishAsync('order', String(i), { qos: i % 2 })));
	const got = (await take(to, n)).map(({ payload }) => Number(payload));
	for (const parity of [0, 1])
		assert.deepEqual(got.filter((i) => i % 2 === parity), Array.from({ length: n / 2 }, (_, i) => 2 * i + parity));
}

/** What is retained comes to who subscribes later. */
async function retained(from) {
	await from.client.publishAsync('kept', LARGE, { qos: 1, retain: true });
	const late = await connect();
	await late.client.subscribeAsync('kept', { qos: 1 });
	const [{ payload, packet }] = await take(late, 1);
	assert.ok(payload.equals(LARGE) && packet.retain);
	await from.client.publishAsync('kept', '', { qos: 1, retain: true });
	await take(late, 1);
	await leave(late);
}

/** The broker tells a client that left from one that vanished: only the last will of the second is published. */
async function wills(to) {
	const will = (payload) => ({ will: { topic: 'will', payload: Buffer.from(payload), qos: 1, retain: false } });
	await to.client.subscribeAsync('will', { qos: 1 });
	await leave(await connect(will('left')));
	const victim = await connect(will('vanished'));
	victim.vanished = true;
	victim.client.on('error', () => {});
	victim.socket.terminate();
	const got = await take(to, 1);
	assert.deepEqual(got.map(({ payload }) => String(payload)), ['vanished']);
}

const [from, to] = [await connect(), await connect()];
await qualities(from, to);
await order(from, to);
await retained(from);
await wills(to);
await leave(from);
await leave(to);
console.log(`mqtt ${version}: ok`);
