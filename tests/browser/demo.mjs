/* What `make run` serves: the page that lists the routes, and each route in its console. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { BUILD, Process, ROOT, SCREENSHOTS, WSLUICE, listening } from './harness.mjs';

/** The demo on free ports, with a page of its index. */
async function start({ newConsole, defer }, options) {
	const demo = new Process(path.join(ROOT, 'etc/demo/run.sh'), [],
		{ BUILD, WSLUICE, WSLUICE_DEMO_ADDRESS: '127.0.0.1:0', WSLUICE_DEMO_TCP_PORT: '0' });

	defer(async () => assert.equal(await demo.stop(), 0, demo.output));
	const url = await listening(demo);
	return { url, view: await (await newConsole(options)).open(url) };
}

/** Follows the index's link to a route and connects. */
async function follow(view, route) {
	await view.page.click(`a[href="${route}"]`);
	await view.connect();
}

export async function demoIndex(t) {
	const { view } = await start(t);
	const links = await view.page.locator('main a').evaluateAll((all) => all.map((link) => link.getAttribute('href')));

	assert.deepEqual(links, ['/count', '/echo', '/vmstat', '/chat', '/sort', '/netstring', '/report', '/limited',
		'/scripts/greeter.sh/Welcome', '/scripts/environment.sh/some/path?some=query', '/tcp', '/desk?token=demo']);
	await view.page.screenshot({ path: path.join(SCREENSHOTS, 'demo-index.png'), fullPage: true });
	for (const link of links) {
		await view.page.click(`a[href="${link}"]`);
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
	await view.state('closed');
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
	await view.state('closed');
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
	await view.state('failed');
	assert.equal(await view.status(), 'closed 4003: exit 3');
	const said = (await view.rows('in')).map((text) => JSON.parse(text));
	assert.deepEqual(said.filter(({ stream }) => stream === 'stdout').map(({ data }) => data),
		['part one is done', 'part two is done', 'part three is done']);
	assert.deepEqual(said.filter(({ stream }) => stream === 'stderr').length, 4);
	await view.screenshot('demo-report');
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
	await view.state('closed');
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
	const demo = new Process(path.join(ROOT, 'etc/demo/run.sh'), ['--set', 'gateway.log_level=debug'],
		{ BUILD, WSLUICE, WSLUICE_DEMO_ADDRESS: '127.0.0.1:0', WSLUICE_DEMO_TCP_PORT: '0', TMPDIR: SCREENSHOTS });
	t.defer(() => demo.stop());
	await listening(demo);
	const directory = readdirSync(SCREENSHOTS).find((name) => name.startsWith('tmp.'));
	const children = readFileSync(`/proc/${demo.child.pid}/task/${demo.child.pid}/children`, 'utf8').trim().split(' ');

	assert.ok(directory);
	assert.equal(children.length, 2);
	assert.equal(await demo.stop('SIGINT'), 0, demo.output);
	assert.ok(!existsSync(path.join(SCREENSHOTS, directory)));
	for (const pid of children)
		assert.ok(!existsSync(`/proc/${pid}`), `process ${pid} is left`);
}
