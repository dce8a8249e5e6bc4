/* The library faye-websocket, with permessage-deflate. It sends each message as one frame. */
import faye from 'faye-websocket';
import deflate from 'permessage-deflate';

import { exchange, options, report } from './client.js';

const OFFERS = {
	no: [],
	yes: [deflate],
	narrow: [deflate.configure({
		requestNoContextTakeover: true, noContextTakeover: true, requestMaxWindowBits: 9, maxWindowBits: 10,
	})],
};
const socket = new faye.Client(options.url, [], { maxLength: 2 ** 26, extensions: OFFERS[options.offer] });
const it = exchange({
	send: ({ data }) => { socket.send(typeof data === 'string' ? data : Buffer.from(data)); },
	ping: (payload) => socket.ping(payload, () => it.ponged(payload)),
	close: () => socket.close(1000, 'that is all'),
});

socket.on('open', () => it.pump());
socket.on('message', ({ data }) => it.received(data));
socket.on('error', ({ message }) => it.reject(new Error(message)));
socket.on('close', ({ code, reason }) => it.closed(code, reason));
await report(it.result.then((result) => ({ ...result, extensions: socket.headers['sec-websocket-extensions'] ?? '' })));
