/*
 * The terminal page. What it says to the gateway, and what it does with what it hears, is played by the test in the
 * gateway's place, so that nothing of it is left to chance; the page comes from the gateway, with its policy. Real
 * programs are at the end, and in shells.mjs.
 */
import assert from 'node:assert/strict';
import http from 'node:http';

import { Process, WSLUICE, eventually, freePort, keepStatuses, listening, startGateway, statusesWith, stopClock } from './harness.mjs';

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PHONE = { viewport: { width: 320, height: 640 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const WINDOW = 512 * 1024; // bytes that the gateway may send before it is told that they were drawn

/** One session as the gateway sees it: what the page said, and what it is told. */
class Session {
	constructor(route) {
		this.route = route;
		this.heard = [];
		route.onMessage((message) => this.heard.push(Buffer.from(message)));
	}

	/** What came of one kind ('0', '1', '2', '3', '{'), without the byte that says so. */
	of(kind) {
		return this.heard.filter((message) => message[0] === kind.charCodeAt(0)).map((message) => message.subarray(kind === '{' ? 0 : 1));
	}

	typed() {
		return Buffer.concat(this.of('0')).toString();
	}

	async hasTyped(text) {
		await eventually(() => this.typed() === text, `${JSON.stringify(text)} to be typed; it was ${JSON.stringify(this.typed())}`)
			.catch((error) => { throw new Error(`${error.message}, now ${JSON.stringify(this.typed())}`); });
	}

	tell(kind, bytes) {
		this.route.send(Buffer.concat([Buffer.from(kind), Buffer.from(bytes)]));
	}

	output(bytes) {
		this.tell('0', bytes);
	}

	close(code, reason) {
		return this.route.close({ code, reason });
	}
}

/** The page, and its sessions as they come. */
async function play(t, options, search = '') {
	const gateway = await startGateway('--set', 'terminal=yes', 'cat');
	t.defer(async () => assert.equal(await gateway.stop(), 0, gateway.output));
	const view = await t.newTerminal(options);
	const sessions = [];

	await view.page.routeWebSocket(/.*/, (route) => { sessions.push(new Session(route)); });
	await view.open(gateway.url + search);
	await view.state('open');
	view.gateway = gateway;
	view.sessions = sessions;
	/** The session of that number, once its first message has come. */
	view.session = async (number) => {
		await eventually(() => sessions.length > number && sessions[number].heard.length > 0, `session ${number}`);
		return sessions[number];
	};
	return view;
}

/** A plain GET. */
function get(url, headers = {}) {
	return new Promise((resolve, reject) => {
		http.get(url, { headers, agent: false }, (response) => {
			const chunks = [];
			response.on('data', (chunk) => chunks.push(chunk));
			response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
		}).on('error', reject);
	});
}

/** Where the page is, where it is not, and that a reload costs next to nothing. */
export async function terminalFiles(t) {
	const gateway = await startGateway('--set', 'terminal=yes', 'cat');
	t.defer(async () => assert.equal(await gateway.stop(), 0, gateway.output));
	const plain = await startGateway('cat');
	t.defer(async () => assert.equal(await plain.stop(), 0, plain.output));

	for (const query of ['', '?terminal', '?terminal.js', '?terminal.css', '?console', '?console.js']) {
		const whole = await get(gateway.url + query);
		assert.equal(whole.status, 200);
		assert.equal(whole.headers['content-security-policy'], POLICY);
		const again = await get(gateway.url + query, { 'If-None-Match': whole.headers.etag });
		assert.deepEqual([again.status, again.body.length], [304, 0]);
		assert.equal((await get(gateway.url + query, { 'If-None-Match': '"other"' })).status, 200);
		const small = await get(gateway.url + query, { 'Accept-Encoding': 'gzip' });
		assert.equal(small.headers['content-encoding'], query.startsWith('?terminal.') ? 'gzip' : undefined);
		assert.equal(small.headers.vary, 'Accept-Encoding');
		assert.equal(small.headers.etag !== whole.headers.etag, query.startsWith('?terminal.'));
	}
	assert.deepEqual((await get(gateway.url + 'token')).body.toString(), '{"token":""}');
	for (const query of ['?terminal', '?terminal.js', '?terminal.css'])
		assert.equal((await get(plain.url + query)).status, 404);
	t.mayComplain(/404/);

	// The console leads there where there is one, and nowhere else, and talks to the program without its own name.
	const view = await t.newConsole();
	await view.open(plain.url);
	assert.ok(await view.page.isHidden('#terminal'));
	await Promise.all([view.page.waitForResponse((response) => response.status() === 404), view.open(plain.url + '?console')]);
	assert.ok(await view.page.isHidden('#terminal'));
	await view.open(gateway.url + '?console');
	assert.equal(await view.page.inputValue('#url'), gateway.url.replace('http', 'ws'));
	await view.page.click('#terminal');
	await view.page.locator('#screen .xterm').waitFor();
	assert.equal(await view.page.evaluate(() => window.wsluice.link.socket.url), gateway.url.replace('http', 'ws'));
}

/** The first words, input of all kinds, sizes. */
export async function terminalSpeaks(t) {
	const view = await play(t, {}, '?who=me');
	const session = await view.session(0);
	const size = await view.size();

	assert.equal(new URL(session.route.url()).search, '?who=me');
	assert.deepEqual(JSON.parse(session.heard[0]), { AuthToken: '', ...size, window: WINDOW });
	assert.ok(size.columns > 80 && size.rows > 30, JSON.stringify(size));
	await view.type('grün 🎈');
	await session.hasTyped('grün 🎈\r');
	await view.page.keyboard.press('Control+c');
	await view.page.keyboard.press('Alt+b');
	await view.page.keyboard.press('ArrowUp');
	await session.hasTyped('grün 🎈\r\x03\x1bb\x1b[A');

	await view.page.setViewportSize({ width: 500, height: 300 });
	await eventually(async () => {
		const resized = await view.size();
		return resized.columns < size.columns && resized.rows < size.rows && String(session.of('1').at(-1)) === JSON.stringify(resized);
	}, 'the last size');
	assert.ok(session.heard.every((message) => '01{'.includes(String.fromCharCode(message[0]))));

	// A paste comes in pieces, whole, and in brackets when the program asked for them.
	const long = 'x'.repeat(100 * 1024) + 'é';
	session.output('\x1b[?2004h');
	await eventually(() => view.page.evaluate(() => window.wsluice.terminal.modes.bracketedPasteMode), 'bracketed paste');
	session.heard.length = 0;
	await view.page.evaluate((text) => window.wsluice.terminal.paste(text), long);
	await session.hasTyped(`\x1b[200~${long}\x1b[201~`);
	assert.ok(Math.max(...session.heard.map((message) => message.length)) <= 16 * 1024 + 1);
}

/** Output, also in the midst of a character; titles and preferences, which must do no harm. */
export async function terminalListens(t) {
	const view = await play(t);
	const session = await view.session(0);
	const balloon = Buffer.from('🎈');

	// What is no sequence is passed over without a complaint to the browser.
	session.output('\x1b[é');
	for (const byte of balloon)
		session.output([byte]);
	session.output('|\r\n\x1b[38;2;1;120;3mgreen\x1b[0m 漢|\r\n' + view.gateway.url + '?console \r\n');
	await view.line(/^🎈\|/);
	await view.line(/^green 漢\|/);
	// Colours of 24 bits are style attributes, and the policy knows it: the test fails when it complains.
	assert.ok((await view.page.locator('.xterm-rows span', { hasText: 'green' }).getAttribute('style')).includes('color'));

	// A link opens apart from this page, which it can't reach.
	const [linked] = await Promise.all([view.page.waitForEvent('popup'), view.page.locator('.xterm-screen').click({ position: { x: 60, y: 45 } })]);
	await linked.waitForLoadState();
	assert.equal(linked.url(), view.gateway.url + '?console');
	assert.equal(await linked.evaluate(() => window.opener), null);
	await linked.close();

	session.tell('1', 'top</title><img src=x onerror=alert(1)>');
	await view.page.waitForFunction(() => document.title.startsWith('top</title><img'));
	session.output('\x1b]0;by the program\x07');
	await view.page.waitForFunction(() => document.title === 'by the program – wsluice');
	assert.equal(await view.page.textContent('#title'), 'by the program');
	session.output('\x1b]0;' + 'x'.repeat(5000) + '\x07');
	await view.page.waitForFunction(() => document.title.length > 100);
	assert.ok((await view.page.evaluate(() => document.title.length)) < 250);

	session.tell('2', 'no JSON');
	session.tell('2', 'null');
	session.tell('2', JSON.stringify({ fontSize: 1e9, scrollback: 'x', fontFamily: 'url(x)', allowProposedApi: false, cursorStyle: 'bar', constructor: 1 }));
	session.tell('x', 'of times to come');
	await view.page.waitForFunction(() => window.wsluice.terminal.options.cursorStyle === 'bar');
	const options = await view.page.evaluate(() => ({ ...window.wsluice.terminal.options }));
	assert.deepEqual([options.fontSize, options.scrollback, options.allowProposedApi], [15, 5000, true]);
	assert.ok(!options.fontFamily.includes('url'));
	session.tell('2', '{"disableStdin":true}');
	await view.page.locator('#status', { hasText: 'look at only' }).waitFor();
	await view.type('nobody takes it');
	await view.page.setViewportSize({ width: 600, height: 300 });
	await eventually(() => session.of('1').length > 0, 'a resize');
	assert.deepEqual(session.of('0'), []);

	// That holds for its session only.
	session.close(1000);
	await view.state('ended');
	await view.page.keyboard.press('Enter');
	const next = await view.session(1);
	await view.state('open');
	await view.page.keyboard.type('x');
	await next.hasTyped('x');
}

/** How it ended is told, and nothing begins by itself then; Enter or the button do it. */
export async function terminalEnds(t) {
	const view = await play(t);
	const { page } = view;
	const ends = [
		[4003, 'exit 3', 'exit 3', 'ended'],
		[1000, '', 'exit 0', 'ended'],
		[4143, 'signal TERM', 'signal TERM', 'ended'],
		[4255, '', 'exit 255', 'ended'],
		[1011, 'program could not be started', 'closed 1011 (backend failed): program could not be started', 'failed'],
		[1001, 'idle', 'closed 1001 (going away): idle', 'failed'],
		[1008, '<b>', 'closed 1008 (policy violation): <b>', 'failed'],
	];

	for (const [number, [code, reason, text, state]] of ends.entries()) {
		const session = await view.session(number);
		session.output(`\x1b[?1049h\x1b[?1000h\x1b[31mrun ${number}\x1b[`);
		session.close(code, reason);
		await view.state(state);
		assert.equal(await view.status(), text);
		assert.equal(await page.textContent('#start'), 'Start anew');
		await page.keyboard.type('x'); // too late for anybody
		if (number === 0)
			await view.screenshot('terminal-exit');
		if (number % 2 === 0)
			await page.keyboard.press('Enter');
		else
			await page.click('#start');
		await view.state('open');
		assert.ok(await page.isHidden('#start'));
		assert.equal(await view.status(), 'connected to a new program');
		const next = await view.session(number + 1);
		assert.equal(next.heard.length, 1);
		next.output(`alive ${number}\r\n`);
		await view.line(new RegExp(`^alive ${number}$`));
		assert.deepEqual(await page.evaluate(() => [window.wsluice.terminal.buffer.active.type, window.wsluice.terminal.modes.mouseTrackingMode]), ['normal', 'none']);
		// One can see which program it was that wrote what; the first one left nothing, as a full screen does.
		const lines = Array.from({ length: number }, (_, n) => ['— new session —', `alive ${n + 1}`]).flat();
		assert.deepEqual((await view.lines()).filter(Boolean), ['alive 0', ...lines]);
	}
	// The focus was back with the terminal each time.
	await page.keyboard.type('y');
	await (await view.session(ends.length)).hasTyped('y');
}

/** What was lost comes back, with pauses that grow; a click saves the wait. The clock is turned on by the test. */
export async function terminalReconnects(t) {
	const view = await play(t);
	const { page } = view;
	let number = 0;
	const lose = async (code, reason, wait, stop = '') => {
		(await view.session(number)).close(code, reason + stop);
		const waits = new RegExp(`${reason}\\)?, reconnecting in ${wait} s$`);
		await eventually(async () => { // drawing what came, the last of it too, takes timers of no time
			await page.clock.runFor(1);
			return waits.test(await view.status());
		}, waits);
		number++;
	};

	await stopClock(page);
	for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
		await lose(number % 2 ? 1012 : 1013, 'busy', seconds);
		await page.clock.runFor(seconds * 1000 - 100);
		assert.equal(view.sessions.length, number, 'not before its time');
		await page.clock.runFor(100);
		await view.session(number);
		await view.state('open');
		assert.equal(await view.status(), 'connected to a new program');
	}
	// One that held for a while begins with the shortest pause again.
	await page.clock.runFor(10500);
	await lose(1001, 'gateway stops', 1);
	await page.click('#start');
	await view.session(number);
	await view.state('open');

	// A sentence goes on without its full stop.
	await lose(1013, 'All sessions are taken. Try again later', 1, '.');
	await view.screenshot('terminal-waiting');
	await page.click('#start');
	await view.session(number);
	await view.state('open');

	// A network that is back is not waited for any longer.
	for (const wait of [1, 2, 4, 8]) {
		await lose(1012, 'gateway restarts', wait);
		await page.evaluate(() => dispatchEvent(new Event('online')));
		await view.session(number);
		await view.state('open');
	}

	// None of them wrote anything that had to be told from what the next one writes.
	(await view.session(number)).output('$ sleep 9\r\n');
	await eventually(async () => {
		await page.clock.runFor(1);
		return (await view.lines()).includes('$ sleep 9');
	}, 'the command');
	await lose(1012, 'gateway restarts', 16);
	await page.click('#start');
	(await view.session(number)).output('$ ');
	await eventually(async () => {
		await page.clock.runFor(1);
		return (await view.lines()).filter(Boolean).join('|').startsWith('$ sleep 9|— new session —|$');
	}, 'the line between the sessions');

	// Who is only let in to be told why not has no program yet, and what the last one showed stays.
	(await view.session(number)).output('\x1b[?1049h\x1b[Hnot saved');
	await eventually(async () => {
		await page.clock.runFor(1);
		return (await view.lines())[0] === 'not saved';
	}, 'the screen');
	await lose(1012, 'gateway restarts', 1);
	await page.click('#start');
	await lose(1013, 'busy', 1);
	assert.equal((await view.lines())[0], 'not saved');
}

/** A browser does not tell a gateway that is gone from one that refuses, so nor does the page. What was on the screen stays there. */
export async function terminalNobodyThere(t) {
	t.mayComplain(/WebSocket connection to .* failed/);
	const gateway = await startGateway('--set', 'terminal=yes', 'sh', '-c', "printf '\\033[?1049hnot saved'; exec cat");
	t.defer(() => gateway.stop('SIGKILL'));
	const view = await t.newTerminal();

	await view.open(gateway.url);
	await view.state('open');
	await view.line(/^not saved$/);
	await keepStatuses(view.page);
	await gateway.stop('SIGKILL');
	for (const words of ['connection lost; if the gateway is there, its log says why', 'not reached, or refused: then the log of the gateway says why'])
		await statusesWith(view.page, `closed 1006 (${words})`);
	assert.equal((await view.lines())[0], 'not saved');
	await view.screenshot('terminal-away');
}

/** What has been drawn is told, often enough for a program that never stops to print; the end comes when all is drawn. */
export async function terminalFlow(t) {
	const view = await play(t);
	const session = await view.session(0);
	const piece = 'x'.repeat(78).concat('\r\n').repeat(100);
	const drawn = () => session.of('4').reduce((sum, digits) => sum + Number(digits), 0);

	session.output('a prompt, of which nothing is said $ ');
	await view.line(/^a prompt/);
	assert.deepEqual(session.of('4'), []);
	for (let sent = 37; sent < 4 * WINDOW; sent += piece.length) {
		await eventually(() => sent + piece.length - drawn() <= WINDOW, `room for more behind ${sent} of which ${drawn()} were drawn`);
		session.output(piece);
	}
	session.output('the last line\r\n');
	await view.line(/^the last line$/);
	assert.ok(session.of('4').length <= 4 * 16, `${session.of('4').length} messages`);
	assert.ok(drawn() <= 4 * WINDOW + piece.length);

	// A session that is over is told nothing.
	const [much, told] = [piece.repeat(WINDOW / piece.length), session.heard.length];
	session.output(much);
	session.output('bye\r\n');
	session.close(4007, 'exit 7');
	await view.state('ended');
	assert.ok((await view.lines()).includes('bye'));
	await view.page.keyboard.press('Enter');
	const next = await view.session(1);
	next.output(piece);
	await eventually(() => view.page.evaluate((n) => window.wsluice.link.drawn === n, piece.length), 'a count from the start');
	assert.ok(session.heard.slice(told).every((message) => message[0] === '4'.charCodeAt(0)));

	// Nor is one that the gateway has begun to close: the browser would complain.
	await view.page.evaluate((texts) => {
		const { socket } = window.wsluice.link;
		window.sent = 0;
		Object.defineProperty(socket, 'readyState', { value: WebSocket.CLOSING });
		socket.send = () => { window.sent++; };
		for (const text of texts)
			socket.onmessage({ data: '0' + text });
	}, [piece.repeat(8), 'all is drawn\r\n']);
	await view.line(/^all is drawn$/);
	await view.page.keyboard.type('x');
	assert.equal(await view.page.evaluate(() => window.sent), 0);
}

/** Copy and paste by keys; programs may write the clipboard and not read it. */
export async function terminalClipboard(t) {
	const view = await play(t, { permissions: ['clipboard-read', 'clipboard-write'] });
	const { page } = view;
	const session = await view.session(0);
	const clipboard = () => page.evaluate(() => navigator.clipboard.readText());

	session.output('copy these words\r\n');
	await view.line(/^copy these words/);
	await page.evaluate(() => window.wsluice.terminal.select(5, 0, 5));
	await page.keyboard.press('Control+Shift+C');
	await eventually(async () => await clipboard() === 'these', 'the selection in the clipboard');
	await page.keyboard.press('Control+Shift+V');
	await session.hasTyped('these');
	await page.locator('#options summary').click();
	await page.evaluate(() => navigator.clipboard.writeText('a secret'));
	await page.evaluate(() => window.wsluice.terminal.focus());

	session.output('\x1b]52;c;?\x07');
	await session.hasTyped('these\x1b]52;c;\x07');
	session.output('\x1b]52;c;' + Buffer.from('grüße').toString('base64') + '\x07');
	await eventually(async () => await clipboard() === 'grüße', "the program's words in the clipboard");
	await page.keyboard.press('Shift+Insert');
	await session.hasTyped('these\x1b]52;c;\x07grüße');

	// A page that is not secure has no clipboard, but the browser copies for it; programs then can't.
	await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
	await page.evaluate(() => window.wsluice.terminal.select(11, 0, 5));
	session.output('\x1b]52;c;aGVsbG8=\x07');
	await page.keyboard.press('Control+Shift+C');
	await page.keyboard.press('Control+Shift+V');
	await session.hasTyped('these\x1b]52;c;\x07grüßewords');
}

/** Dark and light follow the system while it runs; the size of text, the bell, the screen reader's copy; the keyboard gets everywhere. */
export async function terminalLooks(t) {
	const view = await play(t, { colorScheme: 'light', viewport: { width: 900, height: 500 } });
	const { page } = view;
	const session = await view.session(0);
	const background = () => page.evaluate(() => getComputedStyle(document.querySelector('.xterm-scrollable-element')).backgroundColor);

	for (const bold of ['0', '1'])
		for (let color = 0; color < 8; color++)
			session.output(`\x1b[${bold};3${color}mcolour ${color}\x1b[0m \x1b[9${color}mbright\x1b[0m \x1b[4${color}mbehind\x1b[0m${color % 2 ? '\r\n' : '   '}`);
	session.output('└─┐ box, 漢字, e\u0301, https://example.org/a?b=c\r\n$ ');
	await view.line(/^\$/);
	assert.equal(await background(), 'rgb(255, 255, 255)');
	await view.screenshot('terminal-light');
	await page.emulateMedia({ colorScheme: 'dark' });
	await eventually(async () => await background() === 'rgb(15, 21, 27)', 'the dark colours');
	await view.screenshot('terminal-dark');

	const before = await view.size();
	await page.keyboard.press('Control+Shift+ArrowDown');
	await page.keyboard.press('Enter');
	await page.keyboard.press('Tab');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'smaller');
	await page.keyboard.press('Enter');
	await eventually(async () => session.of('1').length > 0 && (await view.size()).columns > before.columns, 'the new size');
	await page.check('#reader');
	await page.locator('.xterm-accessibility', { hasText: 'box, 漢字' }).waitFor({ state: 'attached' });
	await view.screenshot('terminal-options');
	await page.keyboard.press('Escape');
	await page.keyboard.type('z');
	await session.hasTyped('z');
	await page.evaluate(() => {
		new MutationObserver(() => { window.rang = true; }).observe(document.querySelector('#screen'), { attributeFilter: ['class'] });
	});
	session.output('\x07');
	await page.waitForFunction(() => window.rang);

	// What was chosen is there the next time.
	page.on('dialog', (dialog) => dialog.accept()); // it asks before a shell is left
	await page.reload();
	await view.state('open');
	assert.equal(await page.evaluate(() => window.wsluice.terminal.options.fontSize), 14);
	assert.ok(await page.isChecked('#reader'));
	assert.ok(await page.evaluate(() => window.wsluice.terminal.options.screenReaderMode));
}

/** A phone: keys that it lacks, nothing wider than its screen, no zoom, a finger that scrolls and selects. */
export async function terminalPhone(t) {
	const view = await play(t, { ...PHONE, colorScheme: 'dark' });
	const { page } = view;
	const session = await view.session(0);
	const key = (name) => page.getByRole('button', { name, exact: true }).tap();

	assert.match(await page.getAttribute('meta[name=viewport]', 'content'), /interactive-widget=resizes-content/);
	assert.deepEqual(await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]), [320, 640]);
	assert.ok(await page.evaluate(() => parseFloat(getComputedStyle(document.querySelector('.xterm-helper-textarea')).fontSize)) >= 16);
	for (let n = 0; n < 100; n++)
		session.output(`line ${n}\r\n`);
	session.output('$ ');
	await view.line(/^\$/);
	await page.tap('#screen');
	let typed = '';
	const presses = async (names, text) => {
		for (const name of names)
			await key(name);
		typed += text;
		await session.hasTyped(typed);
	};
	await presses(['Esc', 'Tab', 'Left', 'Up', 'Pipe', 'Home', 'PgDn'], '\x1b\t\x1b[D\x1b[A|\x1b[H\x1b[6~');
	assert.equal(await page.evaluate(() => document.activeElement.className), 'xterm-helper-textarea');
	session.output('\x1b[?1h');
	await page.waitForFunction(() => window.wsluice.terminal.modes.applicationCursorKeysMode);
	await presses(['Down', 'Ctrl', 'Right', 'Right'], '\x1bOB\x1b[1;5C\x1bOC');
	await key('Ctrl');
	assert.equal(await page.getByRole('button', { name: 'Ctrl' }).getAttribute('aria-pressed'), 'true');
	await view.screenshot('terminal-phone');
	await page.keyboard.type('c');
	await key('Alt');
	await page.keyboard.type('b');
	await presses(['Ctrl', 'Ctrl'], '\x03\x1bb');
	await page.keyboard.type('cd');
	await presses([], 'cd');
	const edge = (name) => page.getByRole('button', { name, exact: true }).evaluate((button) => getComputedStyle(button).borderColor);
	assert.equal(await edge('Ctrl'), await edge('Alt'), 'a key that was tapped and is not held');
	await page.tap('#options summary');
	assert.ok(await page.isVisible('#larger'));
	assert.ok(await page.isHidden('#options .hint'));
	await page.tap('#options summary');

	const viewport = () => page.evaluate(() => window.wsluice.terminal.buffer.active.viewportY);
	const touch = (...events) => page.evaluate((all) => {
		const target = document.querySelector('#screen .xterm-screen');
		for (const [name, clientX, clientY] of all) {
			const touches = name === 'touchend' ? [] : [new Touch({ identifier: 1, target, clientX, clientY })];
			target.dispatchEvent(new TouchEvent(name, { touches, bubbles: true, cancelable: true }));
		}
	}, events);
	// In one go, or the finger may have rested.
	const drag = (from, to) => touch(['touchstart', 100, from],
		...Array.from({ length: 101 }, (_, n) => ['touchmove', 100, from + (to - from) * n / 100]), ['touchend']);
	const [top, { rows }] = [await viewport(), await view.size()];
	await drag(100, 300);
	await eventually(async () => await viewport() < top, 'a finger to scroll back');
	const lines = 200 / (await page.evaluate(() => document.querySelector('#screen').clientHeight) / rows);
	assert.ok(Math.abs(top - lines - await viewport()) < 3, `${top} - ${lines} is not about ${await viewport()}`);
	await drag(300, 50);
	await eventually(async () => await viewport() === top, 'a finger to scroll to the end');

	// A finger that rests selects a word; drawn on, more.
	const selected = (text) => eventually(() => page.evaluate((words) => window.wsluice.terminal.getSelection() === words, text), `"${text}" to be selected`);
	session.output('\x1b[2J\x1b[Hone 漢字two three\r\nfour five');
	await view.line(/^four five$/);
	await touch(['touchstart', 70, 10]);
	await selected('漢字two');
	await touch(['touchmove', 60, 25]);
	await selected('漢字two three\nfour fi');
	await touch(['touchend']);

	session.output('\x1b[?1049h\x1b[?1l');
	await page.waitForFunction(() => window.wsluice.terminal.buffer.active.type === 'alternate');
	await drag(100, 150);
	await eventually(() => session.typed().startsWith(typed + '\x1b[A'), 'the arrow keys of a wheel');
	await page.setViewportSize({ width: 640, height: 320 });
	await eventually(() => session.of('1').length > 0, 'a resize');
	await page.waitForFunction(() => innerWidth === 640 && document.documentElement.scrollWidth === 640);

	// Words that take some lines make the screen smaller, and the next session is told the size without them.
	await page.setViewportSize({ width: 320, height: 640 });
	await eventually(async () => (await view.size()).rows === rows, 'the first size');
	session.close(1008, 'many words of which this is only one of the lines that it takes to show them');
	await view.state('failed');
	await eventually(async () => (await view.size()).rows < rows, 'fewer rows');
	await page.tap('#start');
	const next = await view.session(1);
	assert.equal(JSON.parse(next.heard[0]).rows, rows);

	// Few words leave it as it is; more have their lines beside the buttons.
	await page.setViewportSize({ width: 360, height: 800 });
	await page.waitForFunction(() => innerWidth === 360);
	const bar = () => page.evaluate(() => document.querySelector('footer').clientHeight);
	const height = await bar();
	next.close(4003, 'exit 3');
	await view.state('ended');
	assert.equal(await bar(), height);
	await view.screenshot('terminal-phone-exit');
	await page.tap('#start');
	(await view.session(2)).close(1012, 'gateway restarts');
	await view.state('waiting');
	const tops = await page.evaluate(() => ['#start', '#options'].map((id) => document.querySelector(id).getBoundingClientRect().top));
	assert.equal(tops[0], tops[1]);
}

/** A real program: its size, a resize, its end; and a gateway that is gone and comes back. */
export async function terminalReal(t) {
	const args = ['--set', 'terminal=yes', 'sh', '-c', 'stty size; while read -r line; do echo "got $line"; stty size; [ "$line" != over ] || exit 3; done'];
	const port = await freePort();
	const start = () => new Process(WSLUICE, [`--port=${port}`, ...args]);
	let gateway = start();
	t.defer(async () => assert.equal(await gateway.stop(), 0, gateway.output));
	const url = await listening(gateway);
	const view = await t.newTerminal();
	const { page } = view;
	const seesSize = async () => {
		const { columns, rows } = await view.size();
		await view.line(new RegExp(`^${rows} ${columns}$`));
	};

	await view.open(url);
	await view.state('open');
	await seesSize();
	await page.waitForFunction(() => document.title.startsWith('sh'));
	const before = await view.size();
	await page.setViewportSize({ width: 700, height: 400 });
	await eventually(async () => (await view.size()).rows < before.rows, 'fewer rows');
	await view.type('grüne 🎈');
	await view.line(/^got grüne 🎈$/);
	await seesSize();
	await view.type('over');
	await view.state('ended');
	assert.equal(await view.status(), 'exit 3');
	await page.keyboard.press('Enter');
	await view.state('open');

	t.mayComplain(/WebSocket connection to .* failed/);
	assert.equal(await gateway.stop(), 0, gateway.output);
	await view.state('waiting');
	gateway = start();
	await listening(gateway);
	await page.locator('#start', { hasText: 'Now' }).click({ timeout: 1000 }).catch(() => {}); // it may be quicker itself
	await view.state('open');
	await seesSize();
}
