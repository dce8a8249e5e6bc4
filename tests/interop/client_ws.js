/* The library ws: fragments cut anywhere, in the middle of characters too; pings also between them. */
import WebSocket from 'ws';

import { exchange, options, report } from './client.js';
import { bytesOf } from './messages.js';

const OFFERS = {
	no: false,
	yes: { threshold: 64 },
	narrow: {
		threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true,
		serverMaxWindowBits: 9, clientMaxWindowBits: 10,
	},
};
const socket = new WebSocket(options.url, { perMessageDeflate: OFFERS[options.offer], maxPayload: 0 });
const library = {
	/** Returns how many fragments it took beyond the first. */
	send({ data, cuts }) {
		const bytes = bytesOf(data), binary = typeof data !== 'string';
		let from = 0;
		for (const cut of cuts) {
			const to = Math.floor(cut * bytes.length);
			socket.send(bytes.subarray(from, to), { binary, fin: false });
			if (cuts.length === 5)
				it.ping();
			from = to;
		}
		socket.send(bytes.subarray(from), { binary, fin: true });
		return cuts.length;
	},
	ping: (payload) => socket.ping(payload),
	close: () => socket.close(1000, 'that is all'),
};
const it = exchange(library);

socket.on('open', () => it.pump());
socket.on('message', (data, binary) => it.received(binary ? data : data.toString()));
socket.on('pong', (payload) => it.ponged(payload.toString()));
socket.on('error', (error) => it.reject(error));
socket.on('close', (code, reason) => it.closed(code, reason));
await report(it.result.then((result) => ({ ...result, extensions: socket.extensions })));
