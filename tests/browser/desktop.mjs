/*
 * A desktop to look at: TigerVNC's X server on loopback with one xterm that almost fills it, and what is on it by the
 * shortest way, a VNC client of a few lines that asks for raw pixels.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';

import { Process, eventually, freePort, within } from './harness.mjs';

export const WIDTH = 640;
export const HEIGHT = 480;

/** The X server on a free port: { server, port, display }. It ends with the test, and what is on it too. */
async function startServer(t) {
	for (let left = 5; ; left--) {
		const port = await freePort();
		const server = new Process('Xvnc', ['-displayfd', '1', '-rfbport', String(port), '-localhost', '-SecurityTypes', 'None',
			'-geometry', `${WIDTH}x${HEIGHT}`, '-depth', '24', '-AlwaysShared']);
		try {
			const [, number] = await server.says(/^(\d+)$/m);
			t.defer(() => server.stop());
			return { server, port, display: `:${number}` };
		} catch (error) { // somebody else has taken the port
			await server.stop();
			if (left === 0)
				throw error;
		}
	}
}

/** A desktop whose one window is a shell in these colours. */
export async function startDesktop(t, background, foreground) {
	const desktop = await startServer(t);
	const xterm = new Process('xterm', ['-geometry', '106x36+0+0', '-fn', 'fixed', '-bg', background, '-fg', foreground,
		'-b', '0', '-bw', '0', '+sb', '-e', 'sh'], { DISPLAY: desktop.display, PS1: '$ ', ENV: '' });

	t.defer(() => xterm.stop());
	return desktop;
}

/** What a socket sends, in pieces of the sizes asked for. */
class Reader {
	constructor(socket) {
		this.bytes = socket[Symbol.asyncIterator]();
		this.held = Buffer.alloc(0);
	}

	async take(n) {
		while (this.held.length < n) {
			const { value, done } = await this.bytes.next();
			assert.ok(!done, 'the VNC server has hung up');
			this.held = Buffer.concat([this.held, value]);
		}
		const taken = this.held.subarray(0, n);
		this.held = this.held.subarray(n);
		return taken;
	}
}

/** Every pixel of the desktop, as red, green, blue and 255, without the gateway (RFC 6143). */
export async function pixels(port) {
	const socket = connect(port, '127.0.0.1');
	try {
		await once(socket, 'connect');
		return await within(readPixels(socket), 'the pixels of the desktop');
	} finally {
		socket.destroy();
	}
}

async function readPixels(socket) {
	const reader = new Reader(socket);
	const screen = Buffer.alloc(WIDTH * HEIGHT * 4, 255);

	await reader.take(12);
	socket.write('RFB 003.008\n');
	await reader.take((await reader.take(1))[0]); // kinds of security
	socket.write(Buffer.from([1])); // none
	assert.equal((await reader.take(4)).readUInt32BE(), 0);
	socket.write(Buffer.from([1])); // shared
	const init = await reader.take(24);
	assert.deepEqual([init.readUInt16BE(0), init.readUInt16BE(2)], [WIDTH, HEIGHT]);
	await reader.take(init.readUInt32BE(20));
	// 32 bits a pixel, 24 of colour, little endian, red at 0, green at 8, blue at 16; raw; the whole of it.
	socket.write(Buffer.from([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0]));
	socket.write(Buffer.from([2, 0, 0, 1, 0, 0, 0, 0]));
	socket.write(Buffer.from([3, 0, 0, 0, 0, 0, WIDTH >> 8, WIDTH & 255, HEIGHT >> 8, HEIGHT & 255]));
	let missing = WIDTH * HEIGHT;
	while (missing > 0) {
		const head = await reader.take(4);
		assert.equal(head[0], 0, 'no update');
		for (let n = head.readUInt16BE(2); n > 0; n--)
			missing -= await readRectangle(reader, screen);
	}
	return screen;
}

/** One raw rectangle of an update; how many pixels it had. */
async function readRectangle(reader, screen) {
	const head = await reader.take(12);
	const [x, y, width, height] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at));

	assert.equal(head.readInt32BE(8), 0, 'not raw');
	for (let row = y; row < y + height; row++) {
		const line = await reader.take(width * 4);
		for (let column = 0; column < width; column++)
			line.copy(screen, (row * WIDTH + x + column) * 4, column * 4, column * 4 + 3);
	}
	return width * height;
}
