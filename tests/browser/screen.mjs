/*
 * The terminal page with a real program behind it: keys go in, what can be seen comes out of xterm.js's buffer. A shell
 * of the tests' own numbers its prompts, so that a wait is for that of the command that was given, not for an older one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Terminal, startGateway } from './harness.mjs';

// Bold and green up to the space.
const SHELL_RC = "PS1='\\[\\e[1;32m\\]\\#>\\[\\e[0m\\] '\nPROMPT_COMMAND=\nunset HISTFILE MAILCHECK\n";

/** A home directory of the test's own, for a bash that a test can follow. */
export function makeHome(t) {
	const home = mkdtempSync(path.join(tmpdir(), 'wsluice-shell-'));

	t.defer(() => rmSync(home, { recursive: true, force: true }));
	writeFileSync(path.join(home, '.bashrc'), SHELL_RC);
	writeFileSync(path.join(home, '.hushlogin'), ''); // Ubuntu's bash.bashrc has a hint for users of sudo
	return home;
}

/** A gateway whose one route runs the command on a terminal, at home. */
export async function serveTerminal(t, home, options, ...command) {
	const gateway = await startGateway('--set=terminal=yes', `--set=env=HOME=${home}`, `--set=directory=${home}`,
		'--set=pass_env=PATH', ...options, ...command);

	t.defer(() => gateway.stop());
	return gateway;
}

/** FNV-1a, here and in the page. */
export function fnv(sum, bytes, from = 0) {
	for (let at = from; at < bytes.length; at++)
		sum = Math.imul(sum ^ bytes[at], 0x01000193);
	return sum;
}

export const FNV_BEGIN = 0x811c9dc5 | 0;

/*
 * In the page before its own scripts: how the screen is read, and all output as it came, before the page has it. While
 * `held` is a list the gateway is not told what was drawn.
 */
function observe() {
	const Socket = WebSocket;

	window.observed = { bytes: 0, sum: 0x811c9dc5 | 0, sockets: [], held: null };
	window.WebSocket = class extends Socket {
		constructor(...args) {
			super(...args);
			window.observed.sockets.push(this);
			this.addEventListener('message', ({ data }) => {
				const bytes = new Uint8Array(data);
				if (bytes[0] !== 0x30)
					return;
				window.observed.bytes += bytes.length - 1;
				window.observed.sum = window.fnv(window.observed.sum, bytes, 1);
			});
		}

		send(data) {
			if (window.observed.held && data[0] === 0x34)
				window.observed.held.push(data);
			else
				super.send(data);
		}
	};
	window.screenLines = () => {
		const { buffer: { active }, rows } = window.wsluice.terminal;
		return Array.from({ length: rows }, (_, row) => (active.getLine(active.viewportY + row)?.translateToString() ?? '').trimEnd());
	};
	window.cursorLine = () => {
		const { active } = window.wsluice.terminal.buffer;
		return (active.getLine(active.baseY + active.cursorY)?.translateToString() ?? '').trimEnd();
	};
}

export class Screen extends Terminal {
	command = 1; // the number of the shell's next one

	/** A page of its own with a terminal that is connected. */
	static async connect(t, url, options) {
		const { page } = await t.newTerminal(options);
		const screen = new Screen(page);

		await page.addInitScript({ content: `window.fnv = ${fnv}; (${observe})();` });
		await screen.open(url);
		await screen.state('open');
		return screen;
	}

	/** A page with a shell that waits for its first command. */
	static async shell(t, url, options) {
		const screen = await Screen.connect(t, url, options);

		await screen.prompt();
		return screen;
	}

	/** The lines that can be seen. */
	visible() {
		return this.page.evaluate(() => window.screenLines());
	}

	async until(condition, argument, what) {
		try {
			await this.page.waitForFunction(condition, argument);
		} catch (error) {
			const lines = await this.visible().catch(String);
			throw new Error(`waited for ${what}; ${await this.status()}, and on the screen:\n${[lines].flat().join('\n')}`,
				{ cause: error });
		}
	}

	/** Waits until what is visible, its lines joined, matches. */
	shows(pattern) {
		return this.until((wanted) => wanted.test(window.screenLines().join('\n')), pattern, pattern);
	}

	/** Waits until the line of the cursor is that. */
	atLine(text) {
		return this.until((wanted) => window.cursorLine() === wanted, text, JSON.stringify(text));
	}

	/** Waits for the shell, which has done the last command and shows nothing behind its prompt. */
	prompt() {
		return this.atLine(`${this.command}>`);
	}

	keys(text) {
		return this.page.keyboard.type(text);
	}

	async press(...keys) {
		for (const key of keys)
			await this.page.keyboard.press(key);
	}

	/** Gives the shell a command and does not wait for its end. */
	async give(command) {
		await this.type(command);
		this.command++;
	}

	/** Has the shell carry out a command. */
	async run(command) {
		await this.give(command);
		await this.prompt();
	}

	/** Pastes as a user does, by the browser's own event. */
	paste(text) {
		return this.page.evaluate((pasted) => {
			const clipboardData = new DataTransfer();
			clipboardData.setData('text/plain', pasted);
			document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
		}, text);
	}

	/** The cell where a text begins that is visible: its colours (of the palette, or -1), is it bold, inverse. */
	cell(text) {
		return this.page.evaluate((wanted) => {
			const { active } = window.wsluice.terminal.buffer;
			const row = window.screenLines().findIndex((line) => line.includes(wanted));
			const line = row < 0 ? null : active.getLine(active.viewportY + row);
			for (let column = 0; column < line?.length; column++) {
				if (!line.translateToString(false, column).startsWith(wanted))
					continue;
				const cell = line.getCell(column);
				return { row, column, fg: cell.getFgColor(), bg: cell.getBgColor(), bold: !!cell.isBold(), inverse: !!cell.isInverse() };
			}
			return null;
		}, text);
	}

	/** The size as `stty size` says it: rows, columns. */
	sttySize() {
		return this.page.evaluate(() => `${window.wsluice.terminal.rows} ${window.wsluice.terminal.cols}`);
	}

	/** Makes the window another size and waits until the terminal has followed. */
	async resize(width, height) {
		const before = await this.sttySize();

		await this.page.setViewportSize({ width, height });
		await this.until((was) => `${window.wsluice.terminal.rows} ${window.wsluice.terminal.cols}` !== was, before, 'another size');
	}

	/** Waits until the last thing on the screen is its size, as `stty size` says it. */
	saysSize() {
		return this.until(() => window.screenLines().findLast(Boolean) === `${window.wsluice.terminal.rows} ${window.wsluice.terminal.cols}`,
			null, 'the size');
	}

	/** Is a program's full screen shown, in place of the shell's? */
	fullScreen(wanted) {
		return this.until((type) => window.wsluice.terminal.buffer.active.type === type, wanted ? 'alternate' : 'normal',
			wanted ? 'the full screen' : 'the end of the full screen');
	}
}
