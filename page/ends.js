/*
 * What this page and the console (src/gate/console.js) have in common: the words for how a session ended, and when the
 * next one is tried. The build puts this in front of the console's script, so that both are one module (gate/console.c).
 */
export const RETRY_MIN_MS = 1000; // the pause before reconnecting doubles between these
export const RETRY_MAX_MS = 30000;
export const STABLE_MS = 10000;   // a session that lasted this long begins with the shortest pause again

const CODES = {
	1000: 'normal end', 1001: 'going away', 1002: 'protocol error', 1003: 'unacceptable data',
	1005: 'no code given', 1006: 'connection lost; if the gateway is there, its log says why',
	1007: 'invalid UTF-8', 1008: 'policy violation', 1009: 'message too big', 1010: 'extension missing',
	1011: 'backend failed', 1012: 'gateway restarts', 1013: 'try again later', 1014: 'backend unreachable',
	1015: 'TLS handshake failed',
};
const REFUSED = 'not reached, or refused: then the log of the gateway says why';

// "closed 1011 (backend failed): why"; without the words in brackets when `brief`, and without a reason that says the
// same. `opened`: was there a session?
export function formatClose(event, opened, brief) {
	const ended = event.code >= 4000 && event.code < 4256 ? 'the program ended' : '';
	const name = brief ? '' : event.code === 1006 && !opened ? REFUSED : CODES[event.code] || ended;
	const reason = event.reason === name ? '' : event.reason;
	return 'closed ' + event.code + (name ? ' (' + name + ')' : '') + (reason ? ': ' + reason : '');
}

// How it ended, which may be a sentence, and that there will be another in `ms` milliseconds.
export function formatRetry(text, ms) {
	return text.replace(/\.$/, '') + ', reconnecting in ' + ms / 1000 + ' s';
}
