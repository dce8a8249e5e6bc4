/*
 * What the tests stand on: a gateway process, a service process, and the console page as a user handles it.
 * Waits are for conditions, with a limit; nothing sleeps.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const BUILD = path.resolve(ROOT, process.env.BUILD || 'build');
export const WSLUICE = path.resolve(ROOT, process.env.WSLUICE || path.join(BUILD, 'wsluice'));
export const SCREENSHOTS = path.join(BUILD, 'screenshots');
export const LIMIT_MS = 30000; // no wait is longer; the machine may be busy

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
	const end = Date.now() + LIMIT_MS;
	while (!(await condition())) {
		if (Date.now() > end)
			throw new Error(`waited ${LIMIT_MS} ms for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
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
	const [, port] = await gateway.says(/listening.*?127\.0\.0\.1:(\d+)/);
	return `http://127.0.0.1:${port}/`;
}

/** A port that is free now. */
export async function freePort() {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address();
	await new Promise((resolve) => server.close(resolve));
	return port;
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
