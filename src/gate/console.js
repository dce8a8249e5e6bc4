/*
 * The built-in console page: one WebSocket, a log of what goes over it, and a line to type into.
 *
 * What a peer sends reaches the page through textContent only; no markup is ever built from it. The log is
 * bounded (MAX_ROWS), and drawn in batches whatever the rate at which messages come.
 *
 * page/ends.js stands in front of it, in the same module.
 */
const MAX_ROWS = 1000;     // rows in the log, and rows that wait to be drawn; older ones go
const MAX_BATCH = 100;     // rows drawn in one frame
const MAX_TEXT = 4096;     // characters of a text message that are shown
const MAX_DUMP = 256;      // bytes of a binary message that are shown
const MAX_HISTORY = 100;   // lines to recall
const ENDINGS = { '': '', lf: '\n', crlf: '\r\n' };
const MARKS = { in: '←', out: '→', note: '·', bad: '×' };

const page = {};
for (const element of document.querySelectorAll('[id]'))
	page[element.id] = element;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// ---------------------------------------------------------------- formatting (pure)

function twoDigits(value) {
	return String(value).padStart(2, '0');
}

// Wall-clock time with milliseconds, since the order of events within a second is what one looks for.
function formatTime(ms) {
	const date = new Date(ms);

	return twoDigits(date.getHours()) + ':' + twoDigits(date.getMinutes()) + ':' + twoDigits(date.getSeconds()) +
		'.' + String(date.getMilliseconds()).padStart(3, '0');
}

function formatSize(bytes) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let unit = 0;

	while (bytes >= 1024 && unit < units.length - 1) {
		bytes /= 1024;
		unit++;
	}
	return (unit === 0 ? bytes : bytes.toFixed(1)) + ' ' + units[unit];
}

function formatDuration(ms) {
	return ms < 1000 ? Math.round(ms) + ' ms' : (ms / 1000).toFixed(1) + ' s';
}

function formatCount(count, bytes) {
	return count.toLocaleString('en') + (count === 1 ? ' message, ' : ' messages, ') + formatSize(bytes);
}

// Offset, bytes, and the printable characters among them, `width` bytes a line.
function formatDump(bytes, width) {
	const lines = [];

	for (let at = 0; at < bytes.length; at += width) {
		const part = Array.from(bytes.subarray(at, at + width));
		const hex = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
		const text = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
		lines.push(at.toString(16).padStart(4, '0') + '  ' + hex.padEnd(width * 3 - 1) + '  ' + text);
	}
	return lines.join('\n');
}

// "48 65", "4865", "0x48, 0x65" and "48:65" alike; null when it is not whole bytes of hexadecimal digits.
function parseHex(text) {
	const digits = text.replace(/0x/gi, ' ').split(/[\s,:;]+/).filter(Boolean);

	if (digits.some((word) => !/^([0-9a-f]{2})+$/i.test(word)))
		return null;
	return Uint8Array.from(digits.join('').match(/../g) || [], (pair) => parseInt(pair, 16));
}

// The first characters of a text, without half of a surrogate pair at the end.
function cutText(text) {
	return text.length <= MAX_TEXT ? text : text.slice(0, MAX_TEXT).replace(/[\uD800-\uDBFF]$/, '');
}

// ---------------------------------------------------------------- the log

const log = {
	pending: [],     // rows that wait to be drawn, at most 2 * MAX_ROWS
	skipped: 0,      // rows that were dropped from its front
	scheduled: false,
	cost: 0,         // milliseconds that the last drawing took
	following: true, // the newest row is to be kept in sight
	top: 0,          // where the log was scrolled to
	in: { messages: 0, bytes: 0 },
	out: { messages: 0, bytes: 0 },
};

function logAdd(kind, body, size, dump) {
	log.pending.push({ kind, body, size, dump, time: Date.now() });
	if (log.pending.length > 2 * MAX_ROWS) {
		log.pending.splice(0, MAX_ROWS);
		log.skipped += MAX_ROWS;
	}
	logSchedule();
}

// A message in either direction: a string or an ArrayBuffer.
function logMessage(kind, data) {
	const text = typeof data === 'string';
	const bytes = text ? encoder.encode(data).length : data.byteLength;

	log[kind].messages++;
	log[kind].bytes += bytes;
	if (text)
		logAdd(kind, cutText(data), formatSize(bytes) + (data.length > MAX_TEXT ? ', cut' : ''), false);
	else
		logBinary(kind, data, bytes);
}

function logBinary(kind, data, bytes) {
	if (page.view.value === 'text') {
		const shown = decoder.decode(new Uint8Array(data, 0, Math.min(bytes, MAX_TEXT)));
		logAdd(kind, shown, formatSize(bytes) + (bytes > MAX_TEXT ? ' binary, cut' : ' binary'), false);
		return;
	}
	// A copy, so that the row does not keep all of a large message alive until it is drawn.
	const head = new Uint8Array(data.slice(0, MAX_DUMP));
	logAdd(kind, head, formatSize(bytes) + (bytes > MAX_DUMP ? ' binary, cut' : ' binary'), true);
}

function logNote(text) {
	logAdd('note', text, '', false);
}

function logBad(text) {
	logAdd('bad', text, '', false);
}

// Small batches keep each frame short; after a long one the rest of the page gets twice its time.
function logSchedule() {
	if (log.scheduled)
		return;
	log.scheduled = true;
	if (document.hidden)
		setTimeout(logDraw, 1000); // there are no frames
	else if (log.cost < 8)
		requestAnimationFrame(logDraw);
	else
		setTimeout(() => requestAnimationFrame(logDraw), 2 * log.cost);
}

function logCell(name, className, text) {
	const cell = document.createElement(name);

	cell.className = className;
	cell.textContent = text;
	return cell;
}

function logRow(row, width) {
	const line = document.createElement('div');
	const body = row.dump ? formatDump(row.body, width) : row.body;

	line.className = 'row ' + row.kind;
	line.append(logCell('time', '', formatTime(row.time)), logCell('span', 'mark', MARKS[row.kind]),
		logCell('div', row.dump ? 'body dump' : 'body', body), logCell('span', 'size', row.size));
	return line;
}

// Draws the next batch; a hidden page draws all that it has, so that it holds no messages that nobody sees.
function logDraw() {
	const start = performance.now();
	const width = matchMedia('(max-width: 40rem)').matches ? 8 : 16;
	const batch = document.createDocumentFragment();

	log.scheduled = false;
	if (log.skipped > 0)
		batch.append(logRow(logSkipped(), width));
	for (const row of log.pending.splice(0, document.hidden ? Infinity : MAX_BATCH))
		batch.append(logRow(row, width));
	page.log.append(batch);
	while (page.log.childElementCount > MAX_ROWS)
		page.log.firstElementChild.remove();
	if (log.following)
		logFollow();
	logCount();
	log.cost = performance.now() - start;
	if (log.pending.length > 0)
		logSchedule();
}

// The row that stands for those which were dropped.
function logSkipped() {
	const body = log.skipped.toLocaleString('en') + ' rows came faster than they can be shown';

	log.skipped = 0;
	return { kind: 'note', body, size: '', dump: false, time: Date.now() };
}

function logCount() {
	page.received.textContent = formatCount(log.in.messages, log.in.bytes);
	page.sent.textContent = formatCount(log.out.messages, log.out.bytes);
}

function logFollow() {
	page.log.scrollTop = page.log.scrollHeight;
}

// Only scrolling up ends the following; a log that shrinks below its newest row is not the user's doing.
function logOnScroll() {
	const top = page.log.scrollTop;

	if (page.log.scrollHeight - top - page.log.clientHeight < 32)
		log.following = true;
	else if (top < log.top)
		log.following = false;
	log.top = top;
	page.latest.hidden = log.following;
}

function logClear() {
	log.pending = [];
	log.skipped = 0;
	log.in = { messages: 0, bytes: 0 };
	log.out = { messages: 0, bytes: 0 };
	page.log.replaceChildren();
	logCount();
}

// ---------------------------------------------------------------- the connection

const link = {
	socket: null,
	state: 'closed', // closed, failed, connecting, open, closing, waiting (to reconnect)
	openedAt: 0,     // 0 until the session is open
	byHand: false,   // not by the timer
	retryTimer: 0,
	retryMs: RETRY_MIN_MS,
};

function linkSetState(state, text) {
	const busy = state === 'connecting' || state === 'open' || state === 'closing';

	link.state = state;
	page.status.dataset.state = state;
	page.status.textContent = text;
	page.connect.disabled = busy;
	page.disconnect.disabled = state === 'closed' || state === 'failed' || state === 'closing';
	page.send.disabled = page.empty.disabled = state !== 'open';
}

// What is in the address field as a URL to open: a path means this host, and http stands for ws.
function linkAddress() {
	const url = new URL(page.url.value.trim(), location.href);

	url.protocol = url.protocol.replace(/^http/, 'ws');
	url.hash = '';
	return url.href;
}

function linkOpen() {
	const protocols = page.subprotocol.value.split(/[\s,]+/).filter(Boolean);

	clearTimeout(link.retryTimer);
	link.openedAt = 0;
	try {
		link.socket = new WebSocket(linkAddress(), protocols);
	} catch (error) {
		linkFail(error.message);
		return;
	}
	link.socket.binaryType = 'arraybuffer';
	link.socket.onopen = linkOnOpen;
	link.socket.onmessage = (event) => logMessage('in', event.data);
	link.socket.onclose = linkOnClose;
	linkSetState('connecting', 'connecting …');
	logNote('connecting to ' + link.socket.url);
}

// The address or a subprotocol is no good, so there was no attempt.
function linkFail(message) {
	link.socket = null;
	linkSetState('failed', 'not connected');
	logBad(message);
}

function linkOnOpen() {
	const chosen = link.socket.protocol ? ', subprotocol ' + link.socket.protocol : '';
	const extended = link.socket.extensions ? ', ' + link.socket.extensions : '';

	link.openedAt = performance.now();
	linkSetState('open', 'connected' + chosen);
	logNote('connected' + chosen + extended);
	page.connect.textContent = 'Reconnect';
	// On a touch screen focus would bring up the keyboard over half of the page.
	if (link.byHand && matchMedia('(pointer: fine)').matches)
		page.input.focus();
}

function linkOnClose(event) {
	const opened = link.openedAt > 0;
	const lasted = opened ? performance.now() - link.openedAt : 0;
	const asked = link.state === 'closing';
	const cancelled = asked && !opened;
	const good = event.code === 1000 || event.code === 1005 || cancelled;
	const text = cancelled ? 'not connected' : formatClose(event, opened, true);

	if (cancelled)
		logNote('given up');
	else
		logAdd(good ? 'note' : 'bad', formatClose(event, opened), opened ? 'after ' + formatDuration(lasted) : '', false);
	link.socket = null;
	if (lasted >= STABLE_MS)
		link.retryMs = RETRY_MIN_MS;
	linkSetState(good ? 'closed' : 'failed', text);
	if (page.auto.checked && !asked)
		linkRetry(text);
	else if (document.activeElement === document.body)
		page.connect.focus(); // the button that had it is disabled now
}

function linkRetry(text) {
	linkSetState('waiting', formatRetry(text, link.retryMs));
	link.retryTimer = setTimeout(linkOpen, link.retryMs);
	link.byHand = false;
	link.retryMs = Math.min(2 * link.retryMs, RETRY_MAX_MS);
}

// The content security policy refused the address; not every browser sends a close event then.
function linkOnForbidden(event) {
	if (link.state !== 'connecting')
		return;
	link.socket.onclose = null;
	linkFail('this page may connect to its own gateway only, not to ' + event.blockedURI);
}

// Ends the session, the attempt, or the wait for the next attempt.
function linkClose() {
	clearTimeout(link.retryTimer);
	link.retryMs = RETRY_MIN_MS;
	if (!link.socket) {
		linkSetState('closed', 'not connected');
		return;
	}
	linkSetState('closing', 'closing …');
	link.socket.close(1000);
}

// ---------------------------------------------------------------- the line to type into

const history = { lines: [], at: 0, draft: '' }; // at === lines.length is the draft

function composerResize() {
	page.input.rows = Math.min(8, page.input.value.split('\n').length);
}

function composerSet(text) {
	page.input.value = text;
	composerResize();
}

function composerRemember(text) {
	if (text !== '' && text !== history.lines[history.lines.length - 1])
		history.lines.push(text);
	if (history.lines.length > MAX_HISTORY)
		history.lines.shift();
	history.at = history.lines.length;
}

// One line back or forth; what was being typed is kept as the last of them.
function composerRecall(step) {
	const at = history.at + step;

	if (at < 0 || at > history.lines.length)
		return;
	if (history.at === history.lines.length)
		history.draft = page.input.value;
	history.at = at;
	composerSet(at === history.lines.length ? history.draft : history.lines[at]);
}

// What is to be sent: a string, an ArrayBuffer, or null with a hint.
function composerPayload() {
	if (!page.hex.checked)
		return page.input.value + ENDINGS[page.ending.value];
	const bytes = parseHex(page.input.value);
	if (bytes)
		return bytes.buffer;
	page.hint.textContent = 'Hexadecimal digits in pairs, please: 48 65 6c 6c 6f';
	return null;
}

function composerPut(payload) {
	link.socket.send(payload);
	logMessage('out', payload);
}

// A message of no bytes, whatever is added to others; what is being typed stays.
function composerSendEmpty() {
	composerPut('');
}

// Ctrl+D in an empty line is the end of the input, as in a terminal.
function composerOnControl(event) {
	if (event.key !== 'd' || page.input.value !== '' || link.state !== 'open')
		return;
	composerSendEmpty();
	event.preventDefault();
}

function composerSend() {
	page.hint.textContent = '';
	if (link.state !== 'open') {
		page.hint.textContent = 'Not connected; Connect opens a session.';
		return;
	}
	const payload = composerPayload();
	if (payload === null)
		return;
	composerPut(payload);
	composerRemember(page.input.value);
	composerSet('');
}

function composerOnKey(event) {
	const before = page.input.value.slice(0, page.input.selectionStart);
	const after = page.input.value.slice(page.input.selectionEnd);

	if (event.isComposing || event.shiftKey || event.altKey || event.metaKey)
		return;
	if (event.ctrlKey && event.key !== 'Enter')
		composerOnControl(event);
	else if (event.key === 'Enter')
		composerSend();
	else if (event.key === 'ArrowUp' && !before.includes('\n'))
		composerRecall(-1);
	else if (event.key === 'ArrowDown' && !after.includes('\n'))
		composerRecall(1);
	else
		return;
	event.preventDefault();
}

// ---------------------------------------------------------------- wiring

function onSubmit(form, action) {
	form.addEventListener('submit', (event) => {
		event.preventDefault();
		action();
	});
}

onSubmit(page.target, () => {
	if (!page.connect.disabled) {
		link.retryMs = RETRY_MIN_MS;
		link.byHand = true;
		linkOpen();
	}
});
onSubmit(page.composer, composerSend);
page.disconnect.addEventListener('click', linkClose);
page.auto.addEventListener('change', () => {
	if (!page.auto.checked && link.state === 'waiting')
		linkClose();
});
page.input.addEventListener('keydown', composerOnKey);
page.input.addEventListener('input', () => {
	page.hint.textContent = '';
	composerResize();
});
page.empty.addEventListener('click', composerSendEmpty);
page.clear.addEventListener('click', logClear);
page.log.addEventListener('scroll', logOnScroll);
page.latest.addEventListener('click', logFollow);
page.options.addEventListener('click', () => {
	const open = document.body.classList.toggle('open');
	page.options.setAttribute('aria-expanded', open);
});
new ResizeObserver(() => {
	if (log.following)
		logFollow();
}).observe(page.log);
document.addEventListener('securitypolicyviolation', linkOnForbidden);
document.addEventListener('visibilitychange', () => {
	if (document.hidden && log.pending.length > 0)
		logDraw(); // the frame that was asked for may never come
});

if (matchMedia('(pointer: coarse)').matches)
	page.input.placeholder = 'Message';
// By that name the console is asked for where it is not the page itself; it means nothing to a program.
const named = location.search === '?console';
if (page.url.value === '') // nobody was quicker
	page.url.value = location.protocol.replace(/^http/, 'ws') + '//' + location.host + location.pathname + (named ? '' : location.search);
if (named)
	fetch('?terminal', { method: 'HEAD' }).then((response) => { page.terminal.hidden = !response.ok; }, () => {});
document.title = location.pathname + ' – wsluice console';

// The page comes with its buttons disabled: one that is pressed before there is anybody to listen would submit its form.
page.options.disabled = page.clear.disabled = false;
linkSetState('closed', 'not connected');
if (document.activeElement === document.body)
	page.connect.focus();
