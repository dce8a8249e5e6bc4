/* What `make run` serves: the page that lists the routes, and each route in its console. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { BUILD, Process, ROOT, SCREENSHOTS, WSLUICE, eventually, listening } from './harness.mjs';
import { makeHome } from './screen.mjs';

/**
 * The demo on free ports, with a page of its index. Its terminals' home is the test's own: what a user's files have a
 * shell do first may take a minute, as that of version managers that wait for a lock which a shell left that was killed.
 */
async function start(t, options, env = {}) {
	const { newConsole, defer } = t;
	const home = makeHome(t);
	const demo = new Process(path.join(ROOT, 'etc/demo/run.sh'), ['shell', 'top'].map((name) => `--set=route /${name}.env=HOME=${home}`),
		{ BUILD, WSLUICE, WSLUICE_DEMO_ADDRESS: '127.0.0.1:0', WSLUICE_DEMO_TCP_PORT: '0', ...env });

	defer(async () => assert.equal(await demo.stop(), 0, demo.output));
	const url = await listening(demo);
	return { url, view: await (await newConsole(options)).open(url) };
}

/** Follows the index's link to a route and connects. */
async function follow(view, route) {
	await view.page.click(`a[href="${route}"]`);
	await view.connect();
}

/** The lines of the terminal, once there is one. */
function terminalLines() {
	const buffer = window.wsluice?.terminal?.buffer.active;

	return Array.from({ length: buffer?.length ?? 0 }, (_, i) => buffer.getLine(i).translateToString(true));
}

/** Waits until a line of the terminal matches, and returns it. */
async function shows(view, pattern) {
	const lines = () => view.page.evaluate(terminalLines).catch(() => []); // none while another page comes
	let line;

	await eventually(async () => { line = (await lines()).find((text) => pattern.test(text)); return line !== undefined; }, `a line ${pattern}`)
		.catch(async (error) => { throw new Error(`${error.message} in:\n${(await lines()).join('\n').trimEnd()}`); });
	return line;
}

/** What a link of the index leads to: the console of a route, a terminal, or a page that a program made. */
const arrives = {
	'/shell': (page) => page.waitForFunction(() => window.wsluice?.terminal),
	'/top': (page) => page.waitForFunction(() => window.wsluice?.terminal),
	'/cgi/guestbook.sh': (page) => page.locator('form input').waitFor(),
};

export async function demoIndex(t) {
	const { view } = await start(t);
	const links = await view.page.locator('main a').evaluateAll((all) => all.map((link) => link.getAttribute('href')));

	assert.deepEqual(links, ['/shell', '/top', '/count', '/echo', '/vmstat', '/chat', '/sort', '/netstring', '/report',
		'/limited', '/shout', '/cgi/guestbook.sh', '/scripts/greeter.sh/Welcome', '/scripts/environment.sh/some/path?some=query', '/tcp', '/desk?token=demo']);
	await view.page.screenshot({ path: path.join(SCREENSHOTS, 'demo-index.png'), fullPage: true });
	for (const link of links) {
		await view.page.click(`a[href="${link}"]`);
		if (arrives[link])
			await arrives[link](view.page);
		else
			await view.page.waitForFunction((end) => document.querySelector('#url')?.value.endsWith(end), link);
		await view.page.goBack();
	}
}

export async function demoOnPhone(t) {
	const { view } = await start(t, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: 'dark' });

	assert.ok(await view.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
	await view.screenshot('demo-phone');
}

export async function demoPrograms(t) {
	const { url, view } = await start(t);

	await follow(view, '/count');
	await view.row('in', '3');
	await view.open(url);
	await follow(view, '/echo');
	await view.type('anybody?');
	await view.row('in', 'anybody?');
	await view.open(url);
	await follow(view, '/vmstat');
	await view.row('in', 'procs');
}

export async function demoCountEnds(t) {
	const { view } = await start(t);

	await follow(view, '/count');
	await view.row('note', 'closed'); // which is drawn behind all that came before
	assert.deepEqual(await view.rows('in'), Array.from({ length: 20 }, (_, i) => String(i + 1)));
	assert.equal(await view.status(), 'closed 1000');
}

/** The input is ended by hand, and what sort has kept back comes, in its order. */
export async function demoSort(t) {
	const { view } = await start(t);

	await follow(view, '/sort');
	for (const word of ['pear', 'apple', 'fig'])
		await view.type(word);
	await view.page.click('#empty');
	await view.row('note', 'closed');
	assert.deepEqual(await view.rows('in'), ['apple', 'fig', 'pear']);
	assert.deepEqual(await view.rows('out'), ['pear', 'apple', 'fig', '']);
	await view.screenshot('demo-sort');
}

export async function demoNetstring(t) {
	const { view } = await start(t);

	await follow(view, '/netstring');
	await view.type('one\ntwo\n');
	assert.equal(await view.row('in', 'one'), 'one\ntwo\n');
}

export async function demoReport(t) {
	const { view } = await start(t);

	await view.page.click('a[href="/report"]');
	await view.page.click('#connect');
	await view.row('bad', 'closed');
	assert.equal(await view.status(), 'closed 4003: exit 3');
	const said = (await view.rows('in')).map((text) => JSON.parse(text));
	assert.deepEqual(said.filter(({ stream }) => stream === 'stdout').map(({ data }) => data),
		['part one is done', 'part two is done', 'part three is done']);
	assert.deepEqual(said.filter(({ stream }) => stream === 'stderr').length, 4);
	await view.screenshot('demo-report');
}

/** A shell of the visitor's own, whose exit status the page shows. */
export async function demoShell(t) {
	const { view } = await start(t);

	await view.page.click('a[href="/shell"]');
	await view.state('open');
	await shows(view, /^1>/);
	await view.page.keyboard.type('echo $((6 * 7)) $TERM; ls -d cgi\n');
	await shows(view, /^42 xterm-256color$/);
	await shows(view, /^cgi$/);
	await shows(view, /^2>/);
	await view.screenshot('demo-shell');
	await view.page.keyboard.type('exit 3\n');
	await view.state('ended');
	assert.match(await view.status(), /exit 3/);
}

/** It draws, and what is typed does not end it. */
export async function demoTop(t) {
	const { view } = await start(t);

	await view.page.click('a[href="/top"]');
	await shows(view, / PID +USER /);
	assert.match(await view.status(), /look at only/);
	await view.page.evaluate(() => window.wsluice.link.input('q')); // as a page would that is not ours
	const seconds = (line) => line.match(/^top - (\S+)/)[1];
	const before = seconds(await shows(view, /^top - /));
	await view.page.waitForFunction((old) => {
		const line = window.wsluice.terminal.buffer.active.getLine(0).translateToString(true);

		return line.startsWith('top - ') && !line.startsWith('top - ' + old);
	}, before);
	assert.equal(await view.page.locator('#status').getAttribute('data-state'), 'open');
	await view.screenshot('demo-top');
}

/** tr answers line by line. */
export async function demoShout(t) {
	const { view } = await start(t);

	await follow(view, '/shout');
	for (const word of ['quiet', 'please']) {
		await view.type(word);
		await view.row('in', word.toUpperCase());
	}
}

/** A form, what is made of it, and a program that says one thing after the other. */
export async function demoCgi(t) {
	const place = mkdtempSync(path.join(tmpdir(), 'wsluice-demo-'));
	t.defer(() => rmSync(place, { recursive: true }));
	const sleep = path.join(place, 'sleep'); // for as long as the test wants
	writeFileSync(sleep, '#!/bin/sh\nwhile [ ! -e "$0.over" ]; do /bin/sleep 0.02; done\n', { mode: 0o755 });
	const { url, view } = await start(t, {}, { PATH: `${place}:${process.env.PATH}` });

	await view.page.click('a[href="/cgi/guestbook.sh"]');
	await view.page.fill('input', '<b>Ann & Bob</b>');
	await view.screenshot('demo-cgi');
	await view.page.click('button');
	await view.page.waitForFunction(() => document.querySelector('pre')?.textContent === 'name=<b>Ann & Bob</b>\n');
	await view.page.click('a[href="/cgi/guestbook.sh"]');
	await view.page.locator('form input').waitFor();

	const come = (whole) => view.page.evaluate((n) => window.read(n), whole.length);
	const lines = Array.from({ length: 10 }, (_, i) => `line ${i + 1} of 10\n`);
	await view.page.evaluate(async (address) => {
		const reader = (await fetch(address)).body.getReader();
		const decoder = new TextDecoder();
		let text = '';

		window.read = async (n) => {
			while (text.length < n)
				text += decoder.decode((await reader.read()).value);
			return text;
		};
	}, url + 'cgi/slowly.sh');
	assert.equal(await come(lines[0]), lines[0]);
	writeFileSync(sleep + '.over', '');
	assert.equal(await come(lines.join('')), lines.join(''));
}

/** Who is not alone on an address gets no terminals: the demo says so and serves the rest. */
export async function demoWithoutTerminals(t) {
	const demo = new Process(path.join(ROOT, 'etc/demo/run.sh'), [],
		{ BUILD, WSLUICE, WSLUICE_DEMO_ADDRESS: '0.0.0.0:0', WSLUICE_DEMO_TCP_PORT: '0' });

	t.defer(async () => assert.equal(await demo.stop(), 0, demo.output));
	const [, port] = await demo.says(/listening.*?0\.0\.0\.0:(\d+)/);
	assert.match(demo.output, /\/shell and \/top are not there/);
	for (const [route, status] of [['shell', 404], ['top', 404], ['echo', 200]])
		assert.equal((await fetch(`http://127.0.0.1:${port}/${route}`)).status, status, route);
}

/** The second visitor hears why not; the first one's program is ended by the kernel. */
export async function demoLimited(t) {
	const { url, view: first } = await start(t);
	const second = await (await t.newConsole()).open(url + 'limited');

	await follow(first, '/limited');
	await first.row('in', 'Up to which number');
	await second.page.click('#connect');
	await second.state('failed');
	assert.match(await second.row('bad', 'closed 1013'), /^closed 1013 \(try again later\): \S/);
	await second.screenshot('demo-limited');
	await first.type('10');
	await first.row('in', '10, done');
	await first.type('999999999');
	await first.state('failed');
	assert.equal(await first.status(), 'closed 4152: signal XCPU');
}

export async function demoScripts(t) {
	const { url, view } = await start(t);

	await follow(view, '/scripts/greeter.sh/Welcome');
	await view.type('Ann');
	await view.row('in', 'Welcome, Ann!');
	await view.open(url);
	await view.page.click('a[href^="/scripts/environment.sh"]');
	await view.page.click('#connect');
	await view.row('note', 'closed');
	const names = new Map((await view.rows('in')).map((line) => line.split(/=(.*)/s)));
	assert.equal(names.get('SCRIPT_NAME'), '/scripts/environment.sh');
	assert.equal(names.get('PATH_INFO'), '/some/path');
	assert.equal(names.get('QUERY_STRING'), 'some=query');
	await view.screenshot('demo-environment');
}

export async function demoTcp(t) {
	const { view } = await start(t);

	await follow(view, '/tcp');
	await view.type('bytes');
	assert.match(await view.row('in', 'bytes'), /^0000 {2}62 79 74 65 73 /);
}

/** A token leads to the same service, another one nowhere. */
export async function demoDesk(t) {
	t.mayComplain(/WebSocket connection to .* failed/);
	const { url, view } = await start(t);

	await follow(view, '/desk?token=demo');
	await view.type('bytes');
	assert.match(await view.row('in', 'bytes'), /^0000 {2}62 79 74 65 73 /);
	await view.open(url + 'desk?token=other');
	await view.page.click('#connect');
	await view.state('failed');
}

export async function demoChat(t) {
	const { url, view: ann } = await start(t);
	const bob = await (await t.newConsole()).open(url);

	await follow(ann, '/chat');
	await ann.row('in', 'You are guest');
	await follow(bob, '/chat');
	await ann.type('/name ann');
	await bob.row('in', 'is now ann');
	await bob.type('/name $(id)');
	await bob.row('in', '! A name is');
	await bob.type('$(id) `id` \\n %s');
	assert.match(await ann.row('in', '$(id)'), /^guest\d+: \$\(id\) `id` \\n %s$/);
	await ann.type('hello, bob');
	await bob.row('in', 'ann: hello, bob');
	await bob.screenshot('demo-chat');
	await ann.disconnect();
	await bob.row('in', '* ann left');
}

/** Interrupted, the demo takes its service and its directory with it. */
export async function demoCleansUp(t) {
	const place = mkdtempSync(path.join(tmpdir(), 'wsluice-demo-')); // where nothing is left of a run that was killed
	t.defer(() => rmSync(place, { recursive: true }));
	const demo = new Process(path.join(ROOT, 'etc/demo/run.sh'), ['--set', 'gateway.log_level=debug'],
		{ BUILD, WSLUICE, WSLUICE_DEMO_ADDRESS: '127.0.0.1:0', WSLUICE_DEMO_TCP_PORT: '0', TMPDIR: place });
	t.defer(() => demo.stop());
	await listening(demo);
	const directory = readdirSync(place).find((name) => name.startsWith('tmp.'));
	const children = readFileSync(`/proc/${demo.child.pid}/task/${demo.child.pid}/children`, 'utf8').trim().split(' ');

	assert.ok(directory);
	assert.equal(children.length, 2);
	assert.equal(await demo.stop('SIGINT'), 0, demo.output);
	assert.ok(!existsSync(path.join(place, directory)));
	for (const pid of children)
		assert.ok(!existsSync(`/proc/${pid}`), `process ${pid} is left`);
}
