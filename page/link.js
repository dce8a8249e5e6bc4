/*
 * The connection: a WebSocket with the subprotocol `tty`, whose messages begin with a byte that says what they are.
 *
 * The gateway is told what has been drawn, and sends no more than WINDOW bytes beyond that: so much is all that can come
 * between Ctrl+C and the shell's prompt, whatever the sockets on the way would hold, and all that waits in the page.
 */
import { RETRY_MAX_MS, RETRY_MIN_MS, STABLE_MS, formatClose, formatRetry } from './ends.js';

const WINDOW = 512 * 1024;
const WINDOW_STEP = WINDOW / 16; // bytes that are drawn before the gateway is told
const MAX_PIECE = 16 * 1024; // bytes of input in a message; what is pasted may be long
const AGAIN = 'connected to a new program';
const PASSING = [1001, 1006, 1012, 1013, 1014]; // it may be better in a while
const LIMITS = ['idle', 'lifetime'];            // reasons of 1001 that a new session would only meet again

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// "exit 3", "signal TERM"; what else ended the session as "closed 1006 (connection lost; ...)".
export function formatEnd(event, opened) {
	if (event.code === 1000 || (event.code >= 4000 && event.code < 4256))
		return event.reason || 'exit ' + (event.code === 1000 ? 0 : event.code - 4000);
	return formatClose(event, opened);
}

// Is a session that ended like this to be followed by another by itself?
export function isPassing(event) {
	return PASSING.includes(event.code) && !LIMITS.includes(event.reason);
}

/*
 * Makes the one connection of the page. `hooks`: size() -> { columns, rows }; onState(state, text): connecting, open,
 * ended (by the program), failed, waiting (to reconnect); onBegin(); onOutput(bytes, drawn), where drawn() is to be
 * called when they are; onAgain(), when the first message of a session that is not the first one is there, before it is
 * taken; onTitle(text); onPreferences(object); onSettled(done), which calls done() when all is drawn.
 */
export function linkNew(hooks) {
	const link = {
		socket: null,
		state: 'closed',
		openedAt: 0, // 0 until the session is open
		connected: 'connected', // the text of the state open: who was there before may take the new program for the old
		again: false, // is this not the first session, and nothing has come of it? It may be open only to be closed
		drawn: 0,    // bytes of which the gateway has not been told
		retryTimer: 0,
		retryMs: RETRY_MIN_MS,
		start,
		input,
		inputBytes,
		resize,
	};

	function setState(state, text) {
		link.state = state;
		hooks.onState(state, text);
	}

	// One message: the byte of its kind, then what belongs to it. Nobody hears it when the gateway has begun to close.
	function send(kind, bytes) {
		if (link.socket.readyState !== WebSocket.OPEN)
			return;
		const message = new Uint8Array(1 + bytes.length);

		message[0] = kind.charCodeAt(0);
		message.set(bytes, 1);
		link.socket.send(message);
	}

	function inputBytes(bytes) {
		for (let at = 0; link.state === 'open' && at < bytes.length; at += MAX_PIECE)
			send('0', bytes.subarray(at, at + MAX_PIECE));
	}

	function input(text) {
		inputBytes(encoder.encode(text));
	}

	function resize(size) {
		if (link.state === 'open')
			send('1', encoder.encode(JSON.stringify(size)));
	}

	function takeOutput(bytes) {
		const { socket } = link;

		hooks.onOutput(bytes, () => {
			if (socket !== link.socket)
				return; // of a session that is over
			link.drawn += bytes.length;
			if (link.drawn < WINDOW_STEP || link.state !== 'open')
				return;
			send('4', encoder.encode(link.drawn));
			link.drawn = 0;
		});
	}

	function takePreferences(text) {
		let preferences = null;

		try {
			preferences = JSON.parse(text);
		} catch {
			return;
		}
		if (preferences && typeof preferences === 'object')
			hooks.onPreferences(preferences);
	}

	// Kinds that are not known are for pages to come.
	function take(bytes) {
		const rest = bytes.subarray(1);

		if (link.again)
			hooks.onAgain();
		link.again = false;
		switch (String.fromCharCode(bytes[0])) {
		case '0':
			takeOutput(rest);
			break;
		case '1':
			hooks.onTitle(decoder.decode(rest));
			break;
		case '2':
			takePreferences(decoder.decode(rest));
			break;
		}
	}

	function onOpen() {
		link.openedAt = performance.now();
		link.socket.send(encoder.encode(JSON.stringify({ AuthToken: '', ...hooks.size(), window: WINDOW })));
		link.again = link.connected === AGAIN;
		setState('open', link.connected);
	}

	function onClose(event) {
		const opened = link.openedAt > 0;
		const text = formatEnd(event, opened);

		if (opened)
			link.connected = AGAIN;
		if (opened && performance.now() - link.openedAt >= STABLE_MS)
			link.retryMs = RETRY_MIN_MS;
		link.state = 'closed';
		hooks.onSettled(() => {
			if (link.state !== 'closed')
				return; // somebody was quicker
			if (isPassing(event))
				retry(text);
			else
				setState(event.code === 1000 || event.code >= 4000 ? 'ended' : 'failed', text);
		});
	}

	function retry(text) {
		setState('waiting', formatRetry(text, link.retryMs));
		link.retryTimer = setTimeout(open, link.retryMs);
		link.retryMs = Math.min(2 * link.retryMs, RETRY_MAX_MS);
	}

	function open() {
		const url = new URL(location.href);

		url.protocol = url.protocol.replace(/^http/, 'ws');
		url.hash = '';
		if (url.search === '?terminal')
			url.search = ''; // this page's name, which means nothing to a program
		clearTimeout(link.retryTimer);
		link.openedAt = link.drawn = 0;
		hooks.onBegin();
		link.socket = new WebSocket(url, ['tty']);
		link.socket.binaryType = 'arraybuffer';
		link.socket.onopen = onOpen;
		link.socket.onmessage = ({ data }) => take(typeof data === 'string' ? encoder.encode(data) : new Uint8Array(data));
		link.socket.onclose = onClose;
		setState('connecting', 'connecting …');
	}

	// A new session by the user's wish, unless there is one.
	function start() {
		if (link.state === 'connecting' || link.state === 'open')
			return;
		link.retryMs = RETRY_MIN_MS;
		open();
	}

	// A phone that wakes up, or has a network again, need not wait.
	function hurry() {
		if (link.state === 'waiting' && !document.hidden)
			open();
	}

	addEventListener('online', hurry);
	document.addEventListener('visibilitychange', hurry);
	return link;
}
