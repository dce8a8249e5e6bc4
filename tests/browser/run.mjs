/*
 * Runs the browser tests in headless Chromium and ends with "N passed, N failed".
 *   node run.mjs [WORD]...      only the tests whose names contain one of the words
 * WSLUICE is the program (build/wsluice), BUILD the build directory, CHROMIUM the browser.
 * A test is a function of ({ newConsole, newTerminal, defer, mayComplain }); it fails also when a page that it opened
 * reports an error that it did not announce: scripts, resources, content security policy.
 */
import { launchChromium } from './chromium.mjs';
import * as consoleTests from './console.mjs';
import * as demoTests from './demo.mjs';
import { Console, LIMIT_MS, Terminal } from './harness.mjs';
import * as novncTests from './novnc.mjs';
import * as shellTests from './shells.mjs';
import * as terminalTests from './terminal.mjs';
import * as tlsTests from './tls.mjs';

/** Opens a page in a context of its own; its complaints go to `complaints`. */
async function openPage(browser, cleanup, complaints, options) {
	const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
	const page = await context.newPage();

	cleanup.push(() => context.close());
	page.setDefaultTimeout(LIMIT_MS);
	page.on('pageerror', (error) => complaints.push(String(error)));
	page.on('console', (message) => {
		if (['error', 'warning'].includes(message.type()))
			complaints.push(message.text());
	});
	return page;
}

/** Runs one test, takes down what it left behind in reverse order, and throws what went wrong. */
async function runTest(browser, test) {
	const cleanup = [];
	const complaints = [];
	let expected = null;

	try {
		await test({
			newConsole: async (options) => new Console(await openPage(browser, cleanup, complaints, options)),
			newTerminal: async (options) => new Terminal(await openPage(browser, cleanup, complaints, options)),
			defer: (action) => cleanup.push(action),
			mayComplain: (pattern) => { expected = pattern; },
		});
	} finally {
		for (const action of cleanup.reverse())
			await action();
	}
	const unexpected = complaints.filter((text) => !expected || !expected.test(text));
	if (unexpected.length > 0)
		throw new Error('the page complains:\n' + unexpected.join('\n'));
}

async function main(words) {
	const tests = Object.entries({ ...consoleTests, ...demoTests, ...novncTests, ...shellTests, ...terminalTests, ...tlsTests })
		.filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
	const browser = await launchChromium(LIMIT_MS);
	let failed = 0;

	for (const [name, test] of tests) {
		const start = Date.now();
		try {
			await runTest(browser, test);
			console.log(`ok      ${name} (${Date.now() - start} ms)`);
		} catch (error) {
			failed++;
			console.log(`FAILED  ${name}\n${String(error.stack).replace(/^/gm, '        ')}`);
		}
	}
	await browser.close();
	console.log(`${tests.length - failed} passed, ${failed} failed`);
	return failed === 0 && tests.length > 0 ? 0 : 1;
}

process.exit(await main(process.argv.slice(2)));
