/* Real programs in the terminal page: bash and its jobs, vim, top, htop, less, mc; much output, long pastes, reloads. */
import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';

import { Process, WSLUICE, eventually, freePort, keepStatuses, listening, middle, statusesWith } from './harness.mjs';
import { FNV_BEGIN, Screen, fnv, makeHome, serveTerminal } from './screen.mjs';

const GREEN = 2, BLUE = 4; // of the palette
const WINDOW = 512 * 1024; // of the page: bytes that are not drawn yet
const TTY = 8192; // what the kernel has of a terminal's output and does not forget at Ctrl-C, and some more

/** A page with an interactive bash at home. */
async function bash(t, options) {
	const home = makeHome(t);
	const gateway = await serveTerminal(t, home, [], 'bash', '-i');

	return { home, gateway, screen: await Screen.shell(t, gateway.url, options) };
}

/** Is a process there? */
function lives(pid) {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
}

/** The number that a shell has as a process. */
async function pidOf(screen) {
	await screen.run('echo pid=$$');
	return Number((await screen.line(/^pid=(\d+)$/))[1]);
}

/** Prompt and colours, history, completion, a title; what the shell's last command said is the session's end. */
export async function shellTyping(t) {
	const { home, screen } = await bash(t);

	assert.deepEqual(await screen.cell('1>'), { row: 0, column: 0, fg: GREEN, bg: -1, bold: true, inverse: false });
	await screen.run('echo "$TERM $COLORTERM $LANG"');
	await screen.shows(/^xterm-256color truecolor C\.UTF-8$/m);
	await screen.run('clear; echo once mo""re');
	await screen.press('ArrowUp', 'Enter');
	screen.command++;
	await screen.prompt();
	await screen.shows(/^once more\n.*>$/m);

	writeFileSync(path.join(home, 'a file with a long name'), 'what it holds\n');
	await screen.keys('cat a\\ f\t');
	await screen.atLine(`${screen.command}> cat a\\ file\\ with\\ a\\ long\\ name`);
	await screen.give('');
	await screen.shows(/^what it holds$/m);
	await screen.run("printf '\\e]0;a title\\a'; printf '\\e[44mon %-57s\\e[0m\\n' blue; ls --color=always -d .");
	assert.equal((await screen.cell('on blue')).bg, BLUE);
	await screen.until(() => document.title.includes('a title'), null, 'the title');
	await screen.screenshot('shell-typing');
	await screen.give('exit 3');
	await screen.state('ended');
	assert.equal(await screen.status(), 'exit 3');
	await screen.screenshot('shell-exit');
}

/** Ctrl-C ends what runs, also what prints without end; Ctrl-Z stops it, fg lets it go on; Ctrl-D is the end of input. */
export async function shellJobs(t) {
	const { screen } = await bash(t);
	const pid = await pidOf(screen);
	const sleep = "sh -c 'echo st\"\"arted; exec sleep 1000'";
	// bash has given the terminal to what it lets go on before that goes on, and says so before that. No child is born
	// meanwhile: one that is stopped between vfork() and exec() keeps its shell from being stopped, too.
	const loop = "sh -c 'trap \"echo on\"\"ward\" CONT; echo st\"\"arted; while :; do read -r line; done'";

	await screen.give(sleep);
	await screen.shows(/^started$/m);
	await screen.press('Control+c');
	await screen.prompt();
	await screen.run('echo status $?');
	await screen.shows(/^status 130$/m);

	await screen.run('clear');
	await screen.give(loop);
	await screen.shows(/^started$/m);
	await screen.press('Control+z');
	await screen.prompt();
	await screen.run('jobs; ps -o stat= -p $(jobs -p)');
	await screen.shows(/^\[1\]\+ +Stopped .*\n\[1\]\+ +Stopped .*\nT/ms);
	await screen.run('clear');
	await screen.give('fg');
	await screen.shows(/fg\nsh -c /);
	await screen.shows(/^onward$/m);
	await screen.press('Control+c');
	await screen.prompt();
	await screen.run('jobs; echo none of th""em');
	await screen.shows(/^none of them$/m);

	await screen.run('clear');
	await screen.give('yes "$(seq -s " " 40)"');
	await screen.until(() => window.observed.bytes > 8e6, null, 'megabytes of it');
	// What is drawn from then on makes room for more only when the program is gone, which may take the kernel a while.
	await screen.page.evaluate(() => {
		addEventListener('keydown', ({ key }) => {
			if (key === 'c')
				[window.bytesAtKey, window.observed.held] = [window.observed.bytes, []];
		}, true);
	});
	await screen.press('Control+c');
	await eventually(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'ascii') === '', 'the end of what prints');
	await screen.page.evaluate(() => {
		const { held, sockets } = window.observed;
		window.observed.held = null;
		held.forEach((drawn) => sockets.at(-1).send(drawn));
	});
	await screen.prompt();
	// So much was on its way to be drawn, and some of the kernel's; the sockets would hold megabytes.
	const rest = await screen.page.evaluate(() => window.observed.bytes - window.bytesAtKey);
	assert.ok(rest <= WINDOW + TTY, `${rest} bytes came after Ctrl-C`);
	await screen.press('Control+d');
	await screen.state('ended');
}

/** Each size of the window is the terminal's, and the programs in it hear of it. */
export async function shellResize(t) {
	const { screen } = await bash(t);

	await screen.run('stty size');
	await screen.shows(new RegExp(`^${await screen.sttySize()}$`, 'm'));
	await screen.give("sh -c 'trap \"stty size\" WINCH; echo re\"\"ady; while :; do sleep 0.02; done'");
	await screen.shows(/^ready$/m);
	for (const [width, height] of [[700, 400], [1300, 900], [1000, 700]]) {
		await screen.resize(width, height);
		await screen.saysSize();
	}
	await screen.press('Control+c');
	await screen.prompt();
	await screen.run('echo is $LINES $COLUMNS');
	await screen.shows(new RegExp(`^is ${await screen.sttySize()}$`, 'm'));
}

/** A new file in vim, whose screen follows the window; afterwards the file is there, and the shell's screen as it was. */
export async function shellVim(t) {
	const { home, screen } = await bash(t, { colorScheme: 'dark' });

	writeFileSync(path.join(home, '.vimrc'), 'set nocompatible ruler showmode nomore\nsyntax on\n');
	await screen.run('echo before; clear; echo on the shell""s screen');
	await screen.give('vim hello.c');
	await screen.fullScreen(true);
	await screen.shows(/^"hello\.c" \[New\]/m);
	await screen.keys('iint main(void)\n{\n\treturn 0; // grüße, 日本\n}');
	await screen.shows(/^-- INSERT --/m);
	await screen.press('Escape');
	await screen.keys('gg');
	await screen.press('ArrowDown', 'ArrowDown', 'Home');
	await screen.shows(/ 3,1/);
	await screen.resize(800, 500);
	await screen.until(() => / 3,1/.test(window.screenLines().at(-1)), null, 'its line of state to be the last again');
	await screen.screenshot('shell-vim');
	await screen.keys(':wq\n');
	await screen.fullScreen(false);
	await screen.prompt();
	await screen.shows(/^on the shells screen\n2> vim hello\.c\n3>$/m);
	assert.equal(readFileSync(path.join(home, 'hello.c'), 'utf8'), 'int main(void)\n{\n\treturn 0; // grüße, 日本\n}\n');
}

/** top draws its screen, again and again, and leaves it. */
export async function shellTop(t) {
	const { screen } = await bash(t);

	await screen.give('top -d 0.2');
	await screen.shows(/^top - .*load average:.*\n.*Tasks:/m);
	await screen.shows(/PID +USER .* COMMAND/);
	const [first] = await screen.visible();
	await screen.until((was) => window.screenLines()[0] !== was, first, 'a second screen');
	await screen.press('l'); // not 1: where there are many CPUs their lines leave no room for the table
	await screen.until(() => window.screenLines()[0].startsWith('Tasks:'), null, 'a screen without its first line');
	await eventually(async () => (await screen.cell('PID USER'))?.inverse, 'the head of the table'); // half a screen may have come
	await screen.screenshot('shell-top');
	await screen.press('q');
	await screen.prompt();
}

/** htop, with its colours and function keys. */
export async function shellHtop(t) {
	const { screen } = await bash(t, { colorScheme: 'dark' });

	await screen.give('htop');
	await screen.fullScreen(true);
	await screen.shows(/Tasks: /);
	await screen.shows(/F1Help .*F10Quit/);
	await eventually(async () => (await screen.cell('Help  F2Setup') ?? { bg: -1 }).bg !== -1, 'the keys in colour'); // Help may be a process
	await screen.screenshot('shell-htop');
	await screen.press('F10');
	await screen.fullScreen(false);
	await screen.prompt();
}

/** less: pages on and back, searches, goes to the end. */
export async function shellLess(t) {
	const { home, screen } = await bash(t);
	const top = (text) => screen.until((line) => window.screenLines()[0] === line, text, text);

	writeFileSync(path.join(home, 'lines'), Array.from({ length: 1000 }, (_, n) => `line ${n + 1}\n`).join(''));
	const page = Number((await screen.sttySize()).split(' ')[0]) - 1;
	await screen.give('less lines');
	await screen.fullScreen(true);
	await top('line 1');
	await screen.press('Space');
	await top(`line ${page + 1}`);
	await screen.press('ArrowDown');
	await top(`line ${page + 2}`);
	await screen.press('PageUp', 'ArrowUp');
	await top('line 1');
	await screen.keys('/line 777\n');
	await top('line 777');
	await eventually(async () => (await screen.cell('line 777'))?.inverse, 'what was found to be inverse');
	await screen.until(() => { // the colours of other text, exchanged
		const found = Array.from(document.querySelectorAll('.xterm-rows span')).find((span) => span.textContent === 'line 777');
		if (!found)
			return false; // it is not drawn yet
		const { color, backgroundColor } = getComputedStyle(found);
		return color === getComputedStyle(document.body).backgroundColor && backgroundColor === getComputedStyle(document.body).color;
	}, null, 'what was found to be shown inverse');
	await screen.screenshot('shell-less');
	await screen.press('G');
	await screen.shows(/line 1000\n\(END\)/);
	await screen.press('q');
	await screen.fullScreen(false);
	await screen.prompt();
}

/** mc: two panels on blue, a menu by its key, a directory entered; F10 leaves it. */
export async function shellMc(t) {
	const { home, screen } = await bash(t);

	// A hint is drawn by lot, and may have any words, those waited for among them.
	mkdirSync(path.join(home, '.config/mc'), { recursive: true });
	writeFileSync(path.join(home, '.config/mc/ini'), '[Layout]\nmessage_visible=false\n');
	await screen.run('mkdir -p panel/a-directory; echo >panel/a-directory/a-file; cd panel');
	await screen.give('mc --nosubshell');
	await screen.fullScreen(true);
	await screen.shows(/1Help .*10Quit/);
	await screen.shows(/a-directory/);
	await eventually(async () => (await screen.cell('a-directory'))?.bg === BLUE, 'a blue panel');
	await screen.press('ArrowDown', 'Enter');
	await screen.shows(/a-file/);
	await screen.press('F9', 'Enter');
	await screen.shows(/Listing format/i);
	await screen.screenshot('shell-mc');
	// Not by Escape: whether another key belongs to it is a matter of time.
	await screen.press('F10');
	await screen.until(() => !/Listing format/i.test(window.screenLines().join('\n')), null, 'the menu to be gone');
	await screen.press('F10');
	await screen.fullScreen(false);
	await screen.prompt();
}

/** Characters of two columns, those of several code points, emoji: drawn, echoed, and erased as one. */
export async function shellUnicode(t) {
	const { home, screen } = await bash(t);

	await screen.run("clear; printf '%s|\\n' '日本語' 'e\u0301' 'n\u0303o\u0308' '😀👍' 'äöüß€'");
	for (const [text, columns] of [['日本語', 6], ['e\u0301', 1], ['n\u0303o\u0308', 2], ['😀👍', 4], ['äöüß€', 5]]) {
		const at = await screen.page.evaluate((wanted) => {
			const { active } = window.wsluice.terminal.buffer;
			const line = active.getLine(active.viewportY + window.screenLines().indexOf(wanted + '|'));
			return Array.from({ length: 20 }, (_, column) => line?.getCell(column).getChars()).indexOf('|');
		}, text);
		assert.equal(at, columns, text);
	}
	await screen.screenshot('shell-unicode');
	await screen.run('clear');
	await screen.give('echo re""ady; cat >typed'); // the terminal is no longer as the shell has it for a line
	await screen.shows(/^ready$/m);
	await screen.keys('grün 日本 😀é');
	await screen.press('Backspace', 'Backspace');
	await screen.keys('.\n');
	await screen.press('Control+d');
	await screen.prompt();
	assert.equal(readFileSync(path.join(home, 'typed'), 'utf8'), 'grün 日本 .\n');
}

const LINE = `         of a file that is printed by cat, ${'.'.repeat(48)}`;
const FLOOD_LINES = 1_000_000; // of 100 bytes each
const PIECE_LINES = 10_000;
const drawnBytes = (lines) => lines * (LINE.length + 2);

/** The numbered lines, some at a time, with an end of our choice. */
function* floodPieces(lines, end) {
	const piece = Buffer.from(`${LINE}${end}`.repeat(PIECE_LINES));

	for (let n = 0; n < lines;) {
		for (let row = 0; row < PIECE_LINES; row++, n++)
			piece.write(String(n), row * (LINE.length + end.length), 'latin1');
		yield piece;
	}
}

/** A file of these lines. */
function writeFlood(file, lines) {
	const fd = openSync(file, 'w');

	for (const piece of floodPieces(lines, '\n'))
		writeSync(fd, piece);
	closeSync(fd);
}

/** The sum with what a terminal makes of them, after what has the sum `begin`. */
function sumFlood(begin, lines) {
	let sum = begin;

	for (const piece of floodPieces(lines, '\r\n'))
		sum = fnv(sum, piece);
	return sum;
}

/** 100 MB arrive whole, each byte, after as many as it takes to see that the page answers meanwhile. */
export async function shellFlood(t) {
	const home = makeHome(t);

	writeFlood(path.join(home, 'piece'), PIECE_LINES);
	writeFlood(path.join(home, 'flood'), FLOOD_LINES);
	const gateway = await serveTerminal(t, home, [], 'sh', '-c', 'while [ ! -e clicked ]; do cat piece; done; exec cat flood');
	const screen = await Screen.connect(t, gateway.url);

	await screen.page.evaluate(() => {
		let last = performance.now();
		window.frames = []; // how long each took
		window.clicks = []; // how long each waited
		requestAnimationFrame(function frame(now) {
			window.frames.push(now - last);
			last = now;
			requestAnimationFrame(frame);
		});
		document.addEventListener('click', (event) => window.clicks.push(performance.now() - event.timeStamp), true);
	});
	const { x, y } = await screen.page.locator('#options summary').boundingBox();
	await screen.until(() => window.observed.bytes > 1e6, null, 'the first megabyte');
	for (let n = 0; n < 5; n++)
		await screen.page.mouse.click(x + 4, y + 4);
	await screen.page.locator('#options[open]').waitFor();
	const before = await screen.page.evaluate(() => window.observed.bytes);
	writeFileSync(path.join(home, 'clicked'), '');
	for (let part = 1; part <= 10; part++) // each within the limit of a wait
		await screen.until((n) => window.observed.bytes >= n, before + part / 10 * drawnBytes(FLOOD_LINES), `${part} of 10 parts`);
	await screen.state('ended');
	assert.equal(await screen.status(), 'exit 0');
	const { bytes, sum } = await screen.page.evaluate(() => ({ ...window.observed, sockets: null }));
	const pieces = (bytes - drawnBytes(FLOOD_LINES)) / drawnBytes(PIECE_LINES);
	assert.ok(Number.isInteger(pieces), `${bytes} bytes came`);
	assert.equal(sum, sumFlood(Array(pieces).fill(PIECE_LINES).reduce(sumFlood, FNV_BEGIN), FLOOD_LINES));
	await screen.shows(new RegExp(`^${FLOOD_LINES - 1} .*\\n*$`, 'm'));
	const { clicks, frames } = await screen.page.evaluate(() => ({ clicks: window.clicks, frames: window.frames }));
	assert.ok(middle(clicks) < 10000, `clicks waited ${clicks.map(Math.round)} ms`);
	const time = (list) => list.reduce((sum, frame) => sum + frame, 0);
	assert.ok(time(frames.filter((frame) => frame > 2000)) < time(frames) / 2, `frames of ${frames.map(Math.round)} ms`);
	await screen.screenshot('shell-flood');
}

/** 100 KB that are pasted reach the program whole. */
export async function shellPaste(t) {
	const { home, screen } = await bash(t);
	const text = Array.from({ length: 2000 }, (_, n) => `${n} ${'pasted äöü €. '.repeat(3)}`.padEnd(50) + '\n').join('');

	await screen.run('echo at the shell, pasting is brack""eted');
	await screen.give('echo re""ady; cat >pasted'); // the terminal is no longer as the shell has it for a line
	await screen.shows(/^ready$/m);
	assert.ok(!await screen.page.evaluate(() => window.wsluice.terminal.modes.bracketedPasteMode));
	await screen.paste(text);
	// The kernel may keep the last of the echo until the next key.
	const file = path.join(home, 'pasted');
	await eventually(() => existsSync(file) && readFileSync(file, 'utf8') === text, 'all of it to reach cat');
	await screen.press('Control+d');
	await screen.prompt();
	assert.ok(Buffer.byteLength(text) > 100_000);
	await screen.paste('echo two\necho lin""es');
	await screen.shows(/> echo two\necho lin""es$/m);
	await screen.press('Enter');
	await screen.shows(/^two\nlines$/m);
}

/** Two pages have a shell and a terminal each. */
export async function shellTwo(t) {
	const { gateway, screen: one } = await bash(t);
	const two = await Screen.shell(t, gateway.url, { viewport: { width: 700, height: 400 } });

	await one.keys('echo "first $(tty)');
	await two.keys('echo "second $(tty)');
	await one.give('"');
	await two.give('"');
	await Promise.all([one.prompt(), two.prompt()]);
	assert.notEqual((await one.line(/^first (\S+)$/))[1], (await two.line(/^second (\S+)$/))[1]);
	assert.notEqual(await one.sttySize(), await two.sttySize());
	await two.give('exit 5');
	await two.state('ended');
	await one.run('echo still he""re');
	await one.shows(/^still here$/m);
}

/** With write = no it can be looked at, and what a page sends all the same does not reach it; sizes do. */
export async function shellReadOnly(t) {
	const home = makeHome(t);
	const program = 'trap "stty size" WINCH; echo ready; while :; do sleep 0.02; done';
	const gateway = await serveTerminal(t, home, ['--set=write=no'], 'sh', '-c', program);
	const screen = await Screen.connect(t, gateway.url);

	await screen.shows(/^ready$/m);
	assert.match(await screen.status(), /to look at only/);
	await screen.keys('typed');
	await screen.page.evaluate(() => window.observed.sockets[0].send(new TextEncoder().encode('0sent\x03')));
	await screen.resize(700, 400);
	await screen.saysSize();
	assert.doesNotMatch((await screen.visible()).join('\n'), /typed|sent|\^C/);
	await screen.state('open');
}

/** Who reloads the page ends the old shell with all that runs in it, and has a new one. */
export async function shellReload(t) {
	const { screen } = await bash(t);
	const pid = await pidOf(screen);

	await screen.give("sh -c 'echo job=$$; exec sleep 1000' & sh -c 'echo front=$$; exec sleep 1000'");
	const jobs = [(await screen.line(/^job=(\d+)$/))[1], (await screen.line(/^front=(\d+)$/))[1]];
	screen.page.on('dialog', (dialog) => dialog.accept()); // "leave the page?"
	await screen.page.reload();
	await eventually(() => ![pid, ...jobs].some(lives), 'the end of the old shell and its jobs');
	screen.command = 1;
	await screen.prompt();
	assert.notEqual(await pidOf(screen), pid);
}

/** When the gateway is started again, the page comes back by itself. */
export async function shellRestart(t) {
	const port = await freePort();
	const args = [`--port=${port}`, '--set=terminal=yes', `--set=env=HOME=${makeHome(t)}`, 'bash', '-i'];
	let gateway = new Process(WSLUICE, args);

	t.defer(() => gateway.stop());
	t.mayComplain(/WebSocket connection to .* failed/); // until it is there again
	const screen = await Screen.shell(t, await listening(gateway));
	await screen.run('echo of the first gate""way');
	await keepStatuses(screen.page);
	assert.equal(await gateway.stop(), 0);
	await statusesWith(screen.page, 'closed 1001 (going away), reconnecting in 1 s');
	await screen.screenshot('shell-waiting');
	gateway = new Process(WSLUICE, args);
	await listening(gateway);
	screen.command = 1;
	await screen.state('open');
	await screen.prompt();
	await screen.shows(/^of the first gateway$/m); // the old output stays
	await screen.run('echo of the sec""ond');
	await screen.shows(/^of the second$/m);
}
