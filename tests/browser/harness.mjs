/*
 * What the tests stand on: a gateway process, a service process, and the console and the terminal page as a user
 * handles them.
 * Waits are for conditions, with a limit; nothing sleeps.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const BUILD = path.resolve(ROOT, process.env.BUILD || 'build');
export const WSLUICE = path.resolve(ROOT, process.env.WSLUICE || path.join(BUILD, 'wsluice'));
export const SCREENSHOTS = path.join(BUILD, 'screenshots');
export const LIMIT_MS = 120000; // no wait is longer; the machine may have much else to do

mkdirSync(SCREENSHOTS, { recursive: true });

/** Ends a promise that takes too long, with what was waited for. */
export async function within(promise, what, ms = LIMIT_MS) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

/** Waits until a condition of this process holds. */
export async function eventually(condition, what) {
	const end = performance.now() + LIMIT_MS;
	while (!(await condition())) {
		if (performance.now() > end)
			throw new Error(`waited ${LIMIT_MS} ms for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

/** The one in the middle of some numbers: what others have the machine do at the same time moves it less than the largest. */
export function middle(values) {
	return values.slice().sort((one, other) => one - other)[values.length >> 1];
}

/** A child process whose output is kept. */
export class Process {
	constructor(command, args, env = {}) {
		this.output = '';
		this.child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
		this.ended = new Promise((resolve) => {
			this.child.on('error', (error) => { this.output += error; resolve(-1); });
			this.child.on('exit', (code, signal) => resolve(signal || code));
		});
		this.ended.then((how) => { this.how = how; });
		for (const stream of [this.child.stdout, this.child.stderr])
			stream.setEncoding('utf8').on('data', (text) => { this.output += text; });
	}

	/** Waits until its output matches, and returns the match. */
	async says(pattern) {
		await eventually(() => pattern.test(this.output) || this.how !== undefined, `${pattern} in:\n${this.output}`);
		const match = pattern.exec(this.output);
		if (!match)
			throw new Error(`it ended (${this.how}) without ${pattern}:\n${this.output}`);
		return match;
	}

	/** Asks it to end and returns how it did. */
	async stop(signal = 'SIGTERM') {
		if (this.how === undefined)
			this.child.kill(signal);
		try {
			return await within(this.ended, `the end of ${this.child.spawnfile}`);
		} catch (error) {
			this.child.kill('SIGKILL');
			error.message += ':\n' + this.output;
			throw error;
		}
	}
}

/** The gateway with these arguments on a free port; `url` is where its console is. */
export async function startGateway(...args) {
	const gateway = new Process(WSLUICE, ['--port=0', ...args]);
	gateway.url = await listening(gateway);
	return gateway;
}

export async function listening(gateway) {
	const [, port] = await gateway.says(/listening.*?127\.0\.0\.1:(\d+)\s/);
	return `http://127.0.0.1:${port}/`;
}

/** A certificate that nobody has signed, in files that go with the test: the options that name them. */
export function certificate(t) {
	const directory = mkdtempSync(path.join(tmpdir(), 'wsluice-tls-'));
	const [cert, key] = ['cert.pem', 'key.pem'].map((name) => path.join(directory, name));

	t.defer(() => rmSync(directory, { recursive: true }));
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
		'-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-out', cert, '-keyout', key],
	{ stdio: 'pipe' });
	return ['--ssl', `--sslcert=${cert}`, `--sslkey=${key}`];
}

/**
 * A port that is free, and stays so: none that the kernel might give to somebody else, as a client's or for a listener
 * without a port of its own, nor one of tests/e2e, which have those below 30000.
 */
export async function freePort() {
	const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'ascii').split('\t').map(Number);
	const lowest = first > 30000 ? 30000 : first >> 1;

	for (;;) {
		const port = lowest + Math.floor(Math.random() * (first - lowest));
		const server = createServer().listen(port, '127.0.0.1');
		if (await once(server, 'listening').then(() => true, () => false)) {
			await new Promise((resolve) => server.close(resolve));
			return port;
		}
	}
}

/** Has a page keep each status that it shows from now on: one of a second is over before it is asked for. */
export function keepStatuses(page) {
	return page.evaluate(() => {
		const status = document.querySelector('#status');
		window.statuses = [];
		new MutationObserver(() => window.statuses.push(status.textContent)).observe(status, { childList: true });
	});
}

/** Waits until a status with these words was kept, and returns all. */
export async function statusesWith(page, words) {
	try {
		await page.waitForFunction((part) => window.statuses.some((status) => status.includes(part)), words);
	} catch (error) {
		throw new Error(`no "${words}" in:\n${(await page.evaluate(() => window.statuses)).join('\n')}`, { cause: error });
	}
	return page.evaluate(() => window.statuses);
}

/**
 * Stops the clock of a page: from here on its timers run when the test says so. An animation frame is one, so what is
 * drawn by frames waits too.
 */
export async function stopClock(page) {
	const begin = Date.now();

	await page.clock.install({ time: begin });
	await page.clock.pauseAt(begin + 3_600_000); // later than whatever the page's clock says when that arrives
}

/** The console page; everything that a test does to it goes through its controls. */
export class Console {
	constructor(page) {
		this.page = page;
	}

	async open(url) {
		await this.page.goto(url);
		return this;
	}

	async connect() {
		await this.page.click('#connect');
		await this.state('open');
	}

	async disconnect() {
		await this.page.click('#disconnect');
		await this.state('closed');
	}

	/** Waits for a state: closed, failed, connecting, open, closing, waiting. */
	async state(name) {
		try {
			await this.page.locator(`#status[data-state=${name}]`).waitFor();
		} catch (error) {
			throw new Error(`not ${name}, but ${await this.status()}`, { cause: error });
		}
	}

	status() {
		return this.page.textContent('#status');
	}

	async type(text) {
		await this.page.fill('#input', text);
		await this.page.press('#input', 'Enter');
	}

	/** The texts of the rows of a kind (in, out, note, bad), oldest first. */
	rows(kind) {
		return this.page.locator(`#log .${kind} .body`).allTextContents();
	}

	/** Waits for a row of a kind whose text contains `text`, and returns its whole text. */
	async row(kind, text) {
		try {
			const found = await this.page.waitForFunction(([cells, part]) =>
				Array.from(document.querySelectorAll(cells), (cell) => cell.textContent).find((row) => row.includes(part)),
			[`#log .${kind} .body`, text]);
			return await found.jsonValue();
		} catch (error) {
			const log = await this.page.locator('#log .row').allTextContents();
			throw new Error(`no ${kind} row with ${JSON.stringify(text)} in:\n${log.join('\n')}`, { cause: error });
		}
	}

	async screenshot(name) {
		await this.page.screenshot({ path: path.join(SCREENSHOTS, name + '.png') });
	}
}

/** The terminal page, by way of `window.wsluice` for what can't be seen: the screen, the session's state. */
export class Terminal {
	constructor(page) {
		this.page = page;
	}

	async open(url) {
		await this.page.goto(url);
		return this;
	}

	/** Waits for a state: connecting, open, ended, failed, waiting. */
	async state(name) {
		try {
			await this.page.locator(`#status[data-state=${name}]`).waitFor();
		} catch (error) {
			throw new Error(`not ${name}, but ${await this.status()}`, { cause: error });
		}
	}

	status() {
		return this.page.textContent('#status');
	}

	/** The lines of the screen and of what has scrolled off it, as text, those that were wrapped joined. */
	lines() {
		return this.page.evaluate(() => {
			const buffer = window.wsluice.terminal.buffer.active;
			const lines = [];
			for (let at = 0; at < buffer.length; at++) {
				const line = buffer.getLine(at);
				const text = line.translateToString(true);
				if (line.isWrapped)
					lines[lines.length - 1] += text;
				else
					lines.push(text);
			}
			return lines;
		});
	}

	/** Waits for a line that matches, and returns the match. */
	async line(pattern) {
		let lines = [];
		const found = () => lines.map((line) => pattern.exec(line)).find(Boolean);
		try {
			await eventually(async () => { lines = await this.lines(); return found(); }, `a line ${pattern}`);
		} catch (error) {
			error.message += ` in:\n${lines.join('\n')}`;
			throw error;
		}
		return found();
	}

	/** Types a line as a person would. */
	async type(text) {
		await this.page.keyboard.type(text);
		await this.page.keyboard.press('Enter');
	}

	/** { columns, rows } */
	size() {
		return this.page.evaluate(() => ({ columns: window.wsluice.terminal.cols, rows: window.wsluice.terminal.rows }));
	}

	async screenshot(name) {
		await this.page.screenshot({ path: path.join(SCREENSHOTS, name + '.png') });
	}
}
