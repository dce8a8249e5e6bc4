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

	assert.deepEqual(links, ['/count', '/echo', '/vmstat', '/chat', '/tcp']);
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

export async function demoTcp(t) {
	const { view } = await start(t);

	await follow(view, '/tcp');
	await view.type('bytes');
	assert.match(await view.row('in', 'bytes'), /^0000 {2}62 79 74 65 73 /);
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
