/*
 * One exchange, for any library of JavaScript: sends the messages of a seed, as many at a time as each allows, and
 * compares what comes back. The library is behind `send(message)`, `ping(payload)` and `close()`; it calls `received`,
 * `ponged` and `closed`. Runs in node and in pages.
 */
import { bytesOf, messages } from './messages.js';

/** Where two runs of bytes differ first; -1 when `bytes` is how `expected` begins. */
function differs(bytes, expected) {
	for (let i = 0; i < bytes.length; i++) {
		if (bytes[i] !== expected[i])
			return i;
	}
	return -1;
}

export class Exchange {
	/** stream: boundaries and types don't come back, only bytes. `result` is what came of it, once it is closed. */
	constructor({ n, seed, stream }, library) {
		this.messages = messages(n, seed);
		this.n = n;
		this.stream = stream;
		this.library = library;
		this.waiting = []; // sent and not back yet
		this.figures = { messages: 0, bytes: 0, fragments: 0, pings: 0 };
		this.result = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
		this.upcoming = this.messages.next();
	}

	/** Sends what may be sent now; at the end of it all, closes. */
	pump() {
		while (!this.upcoming.done && this.waiting.length < this.upcoming.value.window) {
			const message = this.upcoming.value;
			this.waiting.push(this.stream ? bytesOf(message.data) : message.data);
			this.figures.fragments += this.library.send(message) ?? 0;
			if (message.ping && this.library.ping)
				this.ping();
			if (this.stream && this.waiting[0].length === 0)
				this.back(0);
			this.upcoming = this.messages.next();
		}
		if (this.upcoming.done && this.waiting.length === 0 && !this.awaited && !this.closing) {
			this.closing = true;
			this.library.close();
		}
	}

	/** A ping whose pong must come before the end. */
	ping() {
		this.awaited = `ping ${this.figures.pings++}`;
		this.library.ping(this.awaited);
	}

	/** The first that is waited for has come back, all of its bytes. */
	back(len) {
		this.waiting.shift();
		this.figures.messages++;
		this.figures.bytes += len;
	}

	/** A message: a string, or bytes. */
	received(data) {
		try {
			if (this.stream)
				this.compareBytes(data);
			else
				this.compare(data);
			this.pump();
		} catch (error) {
			this.reject(error);
		}
	}

	compare(data) {
		const what = `message ${this.figures.messages}`;
		if (this.waiting.length === 0)
			throw new Error(`${what} came and was not sent`);
		const expected = this.waiting[0];
		if (typeof data !== typeof expected)
			throw new Error(`${what} is another type, not ${typeof expected} of ${expected.length}`);
		const bytes = bytesOf(data), wanted = bytesOf(expected);
		if (bytes.length !== wanted.length)
			throw new Error(`${what} (${typeof data}) has ${bytes.length} bytes, not ${wanted.length}`);
		if (differs(bytes, wanted) >= 0)
			throw new Error(`${what} (${typeof data}) of ${bytes.length} bytes differs at ${differs(bytes, wanted)}`);
		this.back(bytes.length);
	}

	compareBytes(data) {
		if (typeof data === 'string')
			throw new Error('a text message on a stream');
		for (let rest = data; rest.length > 0;) {
			if (this.waiting.length === 0)
				throw new Error(`${rest.length} bytes more than were sent`);
			const expected = this.waiting[0];
			const part = rest.subarray(0, expected.length);
			if (differs(part, expected) >= 0)
				throw new Error(`byte ${this.figures.bytes + differs(part, expected)} of the stream differs`);
			rest = rest.subarray(part.length);
			this.waiting[0] = expected.subarray(part.length);
			this.figures.bytes += part.length;
			while (this.waiting.length > 0 && this.waiting[0].length === 0)
				this.back(0);
		}
	}

	/** A pong. Those that a later one makes needless may be missing (RFC 6455 5.5.3). */
	ponged(payload) {
		if (payload === this.awaited)
			this.awaited = null;
		this.pump();
	}

	closed(code, more) {
		if (!this.closing || code !== 1000)
			this.reject(new Error(`closed with ${code} (${more}) after ${this.figures.messages} of ${this.n}`));
		else
			this.resolve({ ...this.figures, close: code });
	}
}
