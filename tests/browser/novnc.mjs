/* noVNC in the browser, TigerVNC behind the gateway, as docs/services.md says: what is on the screen, keys, tokens. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { HEIGHT, WIDTH, pixels, startDesktop } from './desktop.mjs';
import { ROOT, SCREENSHOTS, certificate, eventually, startGateway } from './harness.mjs';

const PAGE = path.join(ROOT, 'tests/browser/novnc.html');
const NOVNC = path.join(ROOT, 'tests/browser/node_modules/@novnc/novnc');

const [BACKGROUND, FOREGROUND, RED] = [0x204060, 0xf0f0f0, 0xb04020];

const css = (colour) => '#' + colour.toString(16).padStart(6, '0');

/** A directory of the test's own. */
function directory(t) {
	const name = mkdtempSync(path.join(tmpdir(), 'wsluice-novnc-'));
	t.defer(() => rmSync(name, { recursive: true }));
	return name;
}

/** The directory that is served: the page, and noVNC beside it. */
function site(t) {
	const to = directory(t);
	cpSync(PAGE, path.join(to, 'index.html'));
	cpSync(NOVNC, path.join(to, 'novnc'), { recursive: true });
	return to;
}

/** The page's command line that has such an option, with what it names replaced. */
function words(option, places) {
	const text = readFileSync(path.join(ROOT, 'docs/services.md'), 'utf8').split('\n## VNC\n')[1];
	const [, line] = new RegExp(`^ +wsluice (.*${option}.*)$`, 'm').exec(text);
	const replaced = Object.entries(places).reduce((words, [from, to]) => words.replace(from, to), line);
	return replaced.split(' ').filter((word) => !word.startsWith('--port='));
}

/** A file of tokens, and what is behind each. */
function tokens(t, desktops) {
	const file = path.join(directory(t), 'tokens');
	writeFileSync(file, Object.entries(desktops).map(([token, { port }]) => `${token}: 127.0.0.1:${port}\n`).join(''));
	return file;
}

/** A gateway with these arguments; where it is. */
async function serve(t, ...args) {
	const gateway = await startGateway(...args);

	t.defer(async () => assert.equal(await gateway.stop(), 0, gateway.output));
	return args.includes('--ssl') ? gateway.url.replace('http:', 'https:') : gateway.url;
}

/** noVNC on a page of the gateway's, connected. */
async function open(t, url, context) {
	const { page } = await t.newConsole(context);

	t.mayComplain(/willReadFrequently/); // that we look at its canvas
	await page.goto(url);
	await page.waitForFunction(() => document.body.dataset.state === 'connect');
	return page;
}

/** How much of what noVNC shows has that colour, from 0 to 1. */
function share(page, colour) {
	return page.evaluate((wanted) => {
		const canvas = document.querySelector('canvas');
		const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
		const all = new DataView(data.buffer);
		let n = 0;
		for (let at = 0; at < data.length; at += 4)
			n += all.getUint32(at) >>> 8 === wanted;
		return n * 4 / data.length;
	}, colour);
}

/** A sum of every pixel that noVNC shows. */
function sum(page) {
	return page.evaluate(async () => {
		const canvas = document.querySelector('canvas');
		const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
		const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
		return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
	});
}

/** Waits until what is shown is what is on the desktop, pixel by pixel. */
async function same(page, port) {
	await eventually(async () => createHash('sha256').update(await pixels(port)).digest('hex') === await sum(page),
		'the same pixels here and there');
}

/** Waits until a file has a whole line, and returns it. */
async function typed(file) {
	await eventually(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'), 'what was typed');
	return readFileSync(file, 'utf8');
}

/** The whole of it: colours, keys, another colour by way of the shell, a screen full of text, each pixel; and the end. */
async function session(t, { gateway: options = [], query = '', ...context } = {}) {
	const desktop = await startDesktop(t, css(BACKGROUND), css(FOREGROUND));
	const places = { 'tcp://127.0.0.1:5901': `tcp://127.0.0.1:${desktop.port}`, '/usr/share/novnc': site(t) };
	const url = await serve(t, ...options, ...words('--connect', places));
	const page = await open(t, url + query, context);
	const file = path.join(directory(t), 'typed');

	await eventually(async () => await share(page, BACKGROUND) > 0.9, 'the window');
	await page.mouse.click(WIDTH / 2, HEIGHT / 2); // the keys go to where the pointer is
	await page.keyboard.type(`echo 'Hello, {~} "World"' >${file}\n`);
	assert.equal(await typed(file), 'Hello, {~} "World"\n');
	await page.keyboard.type(`clear; printf '\\033]11;${css(RED)}\\007'\n`);
	await eventually(async () => await share(page, RED) > 0.9, 'another background');
	await page.keyboard.type('seq -s " " 300 1200\n');
	await eventually(async () => await share(page, FOREGROUND) > 0.05, 'a screen of text');
	await same(page, desktop.port);
	await page.screenshot({ path: path.join(SCREENSHOTS, `novnc${query.replace('?', '-')}.png`) });
	await desktop.server.stop();
	await page.waitForFunction(() => document.body.dataset.state === 'disconnect');
}

/** Over ws:, with no subprotocol, as this noVNC asks for it. */
export function novnc(t) {
	return session(t);
}

/** Over wss:, with the subprotocol that older ones ask for: a browser gives up when it is not answered. */
export function novncTls(t) {
	return session(t, { gateway: certificate(t), query: '?binary', ignoreHTTPSErrors: true });
}

/** Two desktops behind one gateway, by their tokens; a token that is nobody's leads nowhere. */
export async function novncTokens(t) {
	const desktops = {
		desk1: await startDesktop(t, css(BACKGROUND), css(FOREGROUND)),
		desk2: await startDesktop(t, css(RED), css(FOREGROUND)),
	};
	const url = await serve(t, ...words('targets', { '=tokens': `=${tokens(t, desktops)}`, '/usr/share/novnc': site(t) }));

	for (const [token, colour] of [['desk1', BACKGROUND], ['desk2', RED]]) {
		const page = await open(t, `${url}?token=${token}`);
		await eventually(async () => await share(page, colour) > 0.9, token);
	}
	t.mayComplain(/willReadFrequently|404|on-error event|Failed when connecting/);
	const { page } = await t.newConsole();
	await page.goto(`${url}?token=desk3`);
	await page.waitForFunction(() => document.body.dataset.state === 'disconnect');
}
