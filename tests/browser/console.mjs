/* The console page in front of programs and services, used as a person would use it. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Process, ROOT, eventually, freePort, keepStatuses, middle, startGateway, statusesWith, stopClock } from './harness.mjs';

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FLOOD_MS = 300000; // a page that draws as much as it can needs the CPU for all that is asked of it
const PHONE = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark' };

/** A gateway with a console page in front of it, both taken down at the end of the test. */
async function start({ newConsole, defer }, args, options) {
	const gateway = await startGateway(...args);

	defer(async () => assert.equal(await gateway.stop(), 0, gateway.output));
	const view = await newConsole(options);
	view.gateway = gateway;
	return view.open(gateway.url);
}

/** A plain GET with a path and a Host of our choice. */
function get(url, target, host) {
	const { port } = new URL(url);

	return new Promise((resolve, reject) => {
		http.get({ host: '127.0.0.1', port, path: target, headers: { Host: host || `127.0.0.1:${port}` }, agent: false }, (response) => {
			const chunks = [];
			response.on('data', (chunk) => chunks.push(chunk));
			response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
		}).on('error', reject);
	});
}

export async function echo(t) {
	const view = await start(t, ['cat']);
	assert.equal(await view.page.getAttribute('#status', 'data-state'), 'closed');
	assert.ok(await view.page.isDisabled('#send'));

	await view.connect();
	await view.type('hello, world');
	await view.row('in', 'hello, world');
	await view.page.fill('#input', 'grün 🎈');
	await view.page.click('#send');
	await view.row('in', 'grün 🎈');
	assert.deepEqual(await view.rows('out'), ['hello, world', 'grün 🎈']);
	assert.equal(await view.page.textContent('#sent'), '2 messages, 22 B');
	assert.equal(await view.page.textContent('#received'), '2 messages, 22 B');
	assert.match(await view.page.textContent('#log .in time'), /^\d\d:\d\d:\d\d\.\d\d\d$/);

	await view.disconnect();
	assert.equal(await view.status(), 'closed 1000');
	assert.equal(await view.row('note', 'closed'), 'closed 1000 (normal end)');
	assert.match(await view.page.locator('#log .note .size').last().textContent(), /^after \d/);
}

export async function echoReconnects(t) {
	const view = await start(t, ['cat']);

	await view.connect();
	await view.disconnect();
	assert.equal(await view.page.textContent('#connect'), 'Reconnect');
	await view.connect();
	await view.type('again');
	await view.row('in', 'again');
	await view.page.click('#clear');
	assert.equal(await view.page.locator('#log .row').count(), 0);
	assert.equal(await view.page.textContent('#received'), '0 messages, 0 B');
}

export async function keyboardAlone(t) {
	const view = await start(t, ['cat']);
	const { page } = view;

	await page.locator('#connect:focus').waitFor();
	await page.keyboard.press('Enter');
	await view.state('open');
	for (const text of ['one', 'two', 'three']) {
		await page.keyboard.type(text);
		await page.keyboard.press('Enter');
		await view.row('in', text);
	}
	await page.keyboard.type('draft');
	const recalled = [];
	for (const key of ['ArrowUp', 'ArrowUp', 'ArrowUp', 'ArrowUp', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown']) {
		await page.keyboard.press(key);
		recalled.push(await page.inputValue('#input'));
	}
	assert.deepEqual(recalled, ['three', 'two', 'one', 'one', 'two', 'three', 'draft', 'draft']);
	await page.keyboard.press('Shift+Enter');
	await page.keyboard.type('second line');
	await page.keyboard.press('Enter');
	await view.row('out', 'draft\nsecond line');
	await view.row('in', 'second line');
}

/** Before the page's script has run nothing can be pressed; what was typed stays, and so does the focus. */
export async function quickerThanTheScript(t) {
	const gateway = await startGateway('cat');
	t.defer(async () => assert.equal(await gateway.stop(), 0, gateway.output));
	const view = await t.newConsole();
	const { page } = view;
	let release;
	const released = new Promise((resolve) => { release = resolve; });

	await page.route('**/*?console.js', async (route) => { await released; await route.continue(); });
	await page.goto(gateway.url, { waitUntil: 'commit' });
	await page.click('#connect', { force: true }); // which does not wait until it can be pressed
	await page.fill('#url', '/typed');
	await page.press('#url', 'Enter');
	await page.fill('#input', 'a draft');
	assert.deepEqual(await page.locator('button:enabled:visible').allTextContents(), []);
	release();
	await page.locator('#connect:enabled').waitFor();
	assert.equal(await page.evaluate(() => document.activeElement.id), 'input');
	await view.connect();
	assert.deepEqual(await page.locator('button:disabled').allTextContents(), ['Reconnect']);
	assert.equal(await page.inputValue('#input'), 'a draft');
	await view.disconnect();
	assert.match(await view.row('note', 'connecting'), /^connecting to ws:.*\/typed$/);
}

/** A message of no bytes, by the button and by the key, whatever is added to others and was being typed. */
export async function emptyMessage(t) {
	const view = await start(t, ['--set', 'framing=records', 'cat']);
	const { page } = view;

	assert.ok(await page.isDisabled('#empty'));
	await view.connect();
	await page.selectOption('#ending', 'crlf');
	await page.check('#hex');
	await page.fill('#input', 'a draft');
	await page.press('#input', 'Control+d');
	await page.click('#empty');
	await page.waitForFunction(() => document.querySelectorAll('#log .in').length === 1);
	assert.equal(await page.inputValue('#input'), 'a draft');
	await page.fill('#input', '');
	await page.press('#input', 'Control+d');
	await page.waitForFunction(() => document.querySelectorAll('#log .in').length === 2);
	assert.deepEqual([await view.rows('out'), await view.rows('in')], [['', ''], ['', '']]);
	assert.equal(await page.textContent('#sent'), '2 messages, 0 B');
	await view.disconnect();
	await page.press('#input', 'Control+d');
	assert.equal((await view.rows('out')).length, 2);
}

/** Whoever was let in and then lost is not told that they were refused. */
export async function lostIsNotRefused(t) {
	const gateway = await startGateway('cat');
	t.defer(() => gateway.stop('SIGKILL'));
	const view = await (await t.newConsole()).open(gateway.url);

	await view.connect();
	await gateway.stop('SIGKILL');
	await view.state('failed');
	await view.row('bad', 'closed 1006 (connection lost; if the gateway is there, its log says why)');
}

export async function hexIsBinary(t) {
	const view = await start(t, ['--set', 'framing=records', 'cat']);

	await view.connect();
	await view.page.check('#hex');
	await view.type('0x00 ff:48,656c6c6f');
	assert.match(await view.row('in', '00 ff 48'), /^0000 {2}00 ff 48 65 6c 6c 6f {29}\.\.Hello$/);
	await view.type('4 86');
	assert.match(await view.page.textContent('#hint'), /pairs/);
	await view.type(Array.from({ length: 300 }, (_, i) => (i & 255).toString(16).padStart(2, '0')).join(''));
	const dump = await view.row('in', '00f0  f0 f1');
	assert.equal(dump.split('\n').length, 16);
	assert.equal(await view.page.locator('#log .in .size').last().textContent(), '300 B binary, cut');
	await view.page.uncheck('#hex');
	await view.type('text stays text');
	await view.row('in', 'text stays text');
	await view.screenshot('console-hex');
}

export async function exitStatusIsShown(t) {
	const view = await start(t, ['sh', '-c', 'echo last words; exit 3']);

	await view.page.click('#connect');
	await view.state('failed');
	assert.equal(await view.status(), 'closed 4003: exit 3');
	await view.row('bad', 'closed 4003 (the program ended): exit 3');
	assert.deepEqual(await view.rows('in'), ['last words']);
	await view.screenshot('console-exit');
}

export async function reconnectsByItself(t) {
	const view = await start(t, ['sh', '-c', 'exit 1']);
	const { page } = view;

	await keepStatuses(page);
	await stopClock(page);
	await page.check('#auto');
	await page.click('#connect');
	for (const seconds of [1, 2, 4]) {
		await statusesWith(page, `closed 4001: exit 1, reconnecting in ${seconds} s`);
		await page.clock.runFor(seconds * 1000 - 1);
		assert.match(await view.status(), new RegExp(`in ${seconds} s$`), 'not before its time');
		await page.clock.runFor(1);
	}
	await statusesWith(page, 'in 8 s');
	await view.disconnect();
	assert.equal(await view.status(), 'not connected');

	await page.click('#connect'); // begins with the shortest pause again, and is called off
	await view.state('waiting');
	assert.match(await view.status(), /in 1 s$/);
	await page.uncheck('#auto');
	await view.state('closed');
}

/** The same by the browser's own clock: when the first wait is over there is another attempt. */
export async function reconnectsInTime(t) {
	const view = await start(t, ['sh', '-c', 'exit 1']);
	const end = 'closed 4001: exit 1, reconnecting in 1 s';

	await keepStatuses(view.page);
	await view.page.check('#auto');
	await view.page.click('#connect');
	await view.page.waitForFunction((words) =>
		window.statuses.includes(words) && window.statuses.lastIndexOf('connecting …') > window.statuses.indexOf(words), end);
}

export async function gatewayStops(t) {
	const view = await start(t, ['cat']);

	await view.connect();
	await view.gateway.stop();
	await view.state('failed');
	assert.equal(await view.row('bad', 'closed 1001'), 'closed 1001 (going away)');
	await view.screenshot('console-stopped');
}

export async function nobodyThere(t) {
	t.mayComplain(/WebSocket connection to .* failed/);
	const view = await start(t, ['--connect', `tcp://127.0.0.1:${await freePort()}`]);

	await view.page.click('#connect');
	await view.state('failed');
	assert.equal(await view.row('bad', 'closed 1006'), 'closed 1006 (not reached, or refused: then the log of the gateway says why)');
	await view.screenshot('console-refused');
}

export async function tcpService(t) {
	const service = net.createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
	await new Promise((resolve) => service.once('listening', resolve));
	t.defer(() => new Promise((resolve) => service.close(resolve)));
	const view = await start(t, ['--connect', `tcp://127.0.0.1:${service.address().port}`]);

	await view.connect();
	await view.page.selectOption('#ending', 'crlf');
	await view.type('line');
	assert.match(await view.row('in', '6c 69'), /^0000 {2}6c 69 6e 65 0d 0a {32}line\.\.$/);
	await view.page.selectOption('#view', 'text');
	await view.type('as text');
	await view.row('in', 'as text\r\n');
}

export async function redis(t) {
	const directory = mkdtempSync(path.join(tmpdir(), 'wsluice-'));
	const socket = path.join(directory, 'socket');
	const server = new Process('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', directory]);
	t.defer(async () => { await server.stop(); rmSync(directory, { recursive: true }); });
	await server.says(/eady to accept connections/);
	const view = await start(t, ['--connect', `unix:${socket}`]);

	await view.connect();
	await view.page.selectOption('#ending', 'crlf');
	await view.page.selectOption('#view', 'text');
	await view.type('PING');
	await view.row('in', '+PONG');
	await view.type('SET fruit banana');
	await view.row('in', '+OK');
	await view.type('GET fruit');
	await view.row('in', '$6\r\nbanana');
	await view.screenshot('console-redis');
	await view.type('QUIT');
	await view.state('closed');
	assert.equal(await view.status(), 'closed 1000');
}

export async function calculator(t) {
	const view = await start(t, ['bc', '-l']);

	await view.connect();
	await view.type('2^64');
	await view.row('in', '18446744073709551616');
	await view.type('4*a(1)');
	await view.row('in', '3.14159265358979323844');
	await view.screenshot('console-bc');
}

export async function vmstat(t) {
	const view = await start(t, ['vmstat', '1']);

	await view.connect();
	await view.row('in', 'procs');
	await view.page.waitForFunction(() => document.querySelectorAll('#log .in').length >= 4);
	await view.screenshot('console-vmstat');
	await view.disconnect();
}

export async function tailOfFile(t) {
	const directory = mkdtempSync(path.join(tmpdir(), 'wsluice-'));
	const file = path.join(directory, 'log');
	t.defer(() => rmSync(directory, { recursive: true }));
	writeFileSync(file, 'the beginning\n');
	const view = await start(t, ['tail', '-f', file]);

	await view.connect();
	await view.row('in', 'the beginning');
	appendFileSync(file, 'and then more\n');
	await view.row('in', 'and then more');
	await view.screenshot('console-tail');
}

export async function markupIsInert(t) {
	const evil = '<img src=x onerror=alert(1)><script>alert(2)</script>';
	const view = await start(t, ['printf', '%s\\n', evil]);
	const dialogs = [];
	view.page.on('dialog', (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });

	await view.page.click('#connect');
	assert.equal(await view.row('in', 'img'), evil);
	assert.equal(await view.page.locator('#log img, #log script').count(), 0);
	assert.deepEqual(dialogs, []);
}

export async function longTextIsCut(t) {
	const view = await start(t, ['sh', '-c', "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end"]);

	await view.page.click('#connect');
	await view.row('in', 'end');
	assert.equal((await view.rows('in'))[0].length, 4096);
	assert.equal(await view.page.locator('#log .in .size').first().textContent(), '97.7 KiB, cut');
	await view.state('closed');
}

export async function subprotocols(t) {
	const view = await start(t, ['cat']);

	await view.page.fill('#subprotocol', 'chat.v2, mqtt');
	await view.connect();
	assert.equal(await view.status(), 'connected, subprotocol chat.v2');
	await view.disconnect();
	await view.page.fill('#subprotocol', 'what@ever');
	await view.page.click('#connect');
	await view.state('failed');
	await view.row('bad', "'what@ever' is invalid");
}

export async function addressField(t) {
	t.mayComplain(/Content Security Policy/);
	const view = await start(t, ['sh', '-c', 'echo "$REQUEST_URI"']);

	await view.open(view.page.url() + 'some/path?with=query');
	assert.match(await view.page.inputValue('#url'), /^ws:\/\/127\.0\.0\.1:\d+\/some\/path\?with=query$/);
	await view.page.click('#connect');
	await view.row('in', '/some/path?with=query');
	await view.state('closed');
	await view.page.fill('#url', '/other');
	await view.page.press('#url', 'Enter');
	await view.row('in', '/other');
	await view.state('closed');
	await view.page.fill('#url', 'ws://example.org/');
	await view.page.click('#connect');
	await view.state('failed');
	await view.row('bad', 'this page may connect to its own gateway only');
	await view.page.fill('#url', 'gopher://example.org/');
	await view.page.click('#connect');
	await view.row('bad', 'scheme');
}

/**
 * While a program prints as fast as it can, the page answers to the mouse and the log stays bounded. Until the flood is
 * over nothing is asked from outside, nor heard from there, for both would wait behind thousands of messages: the page
 * itself sees when it has had enough.
 */
export async function floodLeavesThePageResponsive(t) {
	const view = await start(t, ['yes', 'a line of a flood that does not end']);
	const { page } = view;
	const devtools = await page.context().newCDPSession(page);
	const press = async (button) => {
		const box = await page.locator(button).boundingBox();
		return () => ['mousePressed', 'mouseReleased'].map((type) => devtools.send('Input.dispatchMouseEvent',
			{ type, x: box.x + 4, y: box.y + 4, button: 'left', clickCount: 1 }));
	};
	const [connect, clear] = [await press('#connect'), await press('#clear')];

	page.setDefaultTimeout(FLOOD_MS);
	await page.evaluate(() => {
		const log = document.querySelector('#log');
		window.delays = [];
		window.most = 0;
		window.noted = false; // that rows were left out; the note itself is soon pushed out of the log
		document.addEventListener('click', (event) => {
			if (event.isTrusted)
				window.delays.push(performance.now() - event.timeStamp);
		}, true);
		new MutationObserver((changes) => {
			window.most = Math.max(window.most, log.childElementCount);
			for (const { addedNodes } of changes)
				for (const row of addedNodes)
					window.noted ||= row.textContent.includes('rows came faster than they can be shown');
			if (window.noted && log.childElementCount >= 1000 && window.delays.length === 6) // also after the last Clear
				document.querySelector('#disconnect:enabled')?.click();
		}).observe(log, { childList: true });
	});
	await Promise.all(connect());
	await Promise.all([clear, clear, clear, clear, clear].flatMap((click) => click()));
	await view.state('closed');
	await view.row('note', 'closed 1000');

	const seen = await page.evaluate(() => {
		const log = document.querySelector('#log');
		return { rows: log.childElementCount, most: window.most, delays: window.delays.slice(1), // the first is of Connect
			hidden: log.scrollHeight - log.scrollTop - log.clientHeight };
	});
	assert.equal(seen.rows, 1000);
	assert.equal(seen.most, 1000);
	assert.equal(seen.delays.length, 5);
	assert.ok(middle(seen.delays) < 10000, `clicks waited ${seen.delays.map(Math.round)} ms`);
	assert.ok(seen.hidden < 32, `the newest row is ${seen.hidden} px out of sight`);
	await devtools.send('HeapProfiler.collectGarbage'); // what nobody has any longer does not count
	const { usedSize } = await devtools.send('Runtime.getHeapUsage');
	assert.ok(usedSize < 64 << 20, `${usedSize} bytes of heap`);
	await view.screenshot('console-flood');
}

/** Who scrolls up to read is left alone until they return to the newest row. */
export async function scrollingUpStopsTheFollowing(t) {
	const view = await start(t, ['sh', '-c', 'seq 200; cat']);
	const { page } = view;
	const bottom = () => page.evaluate(() => {
		const log = document.querySelector('#log');
		return log.scrollHeight - log.scrollTop - log.clientHeight;
	});

	await view.connect();
	await view.row('in', '200');
	assert.ok(await bottom() < 32);
	await page.hover('#log');
	await page.mouse.wheel(0, -2000);
	await page.locator('#latest').waitFor();
	await eventually(async () => await bottom() > 500, 'the wheel to have turned');
	await view.type('news');
	await view.row('in', 'news');
	assert.ok(await bottom() > 500);
	await page.click('#latest');
	await page.locator('#latest').waitFor({ state: 'hidden' });
	await eventually(async () => await bottom() < 32, 'the newest row');
}

export async function bytesDoNotDependOnTheRequest(t) {
	const { page } = await start(t, ['cat']);
	const url = page.url();

	for (const [query, ...files] of [['', 'src/gate/console.html'], ['?console.js', 'page/ends.js', 'src/gate/console.js'],
		['?console.css', 'src/gate/console.css']]) {
		const canonical = Buffer.concat(files.map((file) => readFileSync(path.join(ROOT, file))));
		for (const target of ['/', '/%22%3E%3Cscript%3Ealert(1)%3C/script%3E', '/a/b/c']) {
			const response = await get(url, target + query, target === '/' ? 'localhost' : undefined);
			assert.equal(response.status, 200, target + query);
			assert.ok(response.body.equals(canonical), `${target + query} is not ${files.join(' and ')}`);
			assert.equal(response.headers['content-security-policy'], POLICY);
			assert.equal(response.headers['x-content-type-options'], 'nosniff');
			assert.equal(response.headers['referrer-policy'], 'no-referrer');
		}
	}
}

export async function phone(t) {
	const view = await start(t, ['cat'], PHONE);
	const { page } = view;
	const buttons = () => page.locator('.buttons button:visible').allTextContents();

	await view.screenshot('phone-start');
	assert.deepEqual(await buttons(), ['Connect']);
	await view.connect();
	assert.deepEqual(await buttons(), ['Disconnect']);
	await page.fill('#input', 'from a phone, a message that is longer than the screen is wide');
	await page.tap('#send');
	await view.row('in', 'from a phone');
	await page.tap('#options');
	await page.check('#auto');
	await page.tap('#options');
	const [overX, overY, log] = await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth,
		document.documentElement.scrollHeight - innerHeight, document.querySelector('#log').clientHeight]);
	assert.ok(overX <= 0 && overY <= 0, `the page is ${overX} by ${overY} px too large`);
	assert.ok(log > 400, `the log has ${log} px`);
	await view.screenshot('phone');
}

export async function darkAndLight(t) {
	const background = (view) => view.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const dark = await start(t, ['cat'], { colorScheme: 'dark' });
	const light = await start(t, ['cat'], { colorScheme: 'light' });

	for (const [name, view] of [['dark', dark], ['light', light]]) {
		await view.connect();
		await view.type('a message');
		await view.row('in', 'a message');
		await view.screenshot('console-' + name);
	}
	assert.notEqual(await background(dark), await background(light));
}
