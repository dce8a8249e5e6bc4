/*
 * The terminal page: xterm.js in front of a program that the gateway runs on a pseudo-terminal.
 *
 * What the program sends reaches xterm.js, which draws it, and nothing else of the page but the title, as text. Here the
 * parts are made and joined; each has a file of its own.
 */
import './styles.js';

import { ClipboardAddon } from '@xterm/addon-clipboard';
import { FitAddon } from '@xterm/addon-fit';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';

import { keysFollow, keysModify } from './keys.js';
import { linkNew } from './link.js';
import { looksFollow, looksOptions } from './looks.js';
import { preferencesApply, preferencesReset } from './preferences.js';
import { touchFollow } from './touch.js';

const MAX_TITLE = 200;
// Undo what a program that ended in the midst of things may have left behind: half a sequence; the alternate screen;
// attributes, the mouse, bracketed paste, focus reports, a hidden cursor. The old output stays.
const CANCEL = '\x18';
const LEAVE_ALTERNATE = '\x1b[?1049l'; // only when it is shown, since it takes the cursor to where it was before
const TIDY = '\x1b[!p\x1b[?9;1000;1002;1003;1004;1005;1006;1015;1016;2004;2026l\x1b[?25h\x1b[0m';
const NEW_SESSION = '\x1b[2m— new session —\x1b[0m\r\n'; // between the old output and the new

const page = {};
for (const element of document.querySelectorAll('[id]'))
	page[element.id] = element;

const encoder = new TextEncoder();
const terminal = new Terminal({
	...looksOptions(), allowProposedApi: true, scrollback: 5000, macOptionIsMeta: true,
	logLevel: 'off', // it would tell of each sequence that is none, and output may be anything
});
const fit = new FitAddon();

// ---------------------------------------------------------------- the clipboard

// To the clipboard, without a word when the browser does not allow it (no user's gesture, or not a secure page).
function copy(text) {
	if (navigator.clipboard)
		navigator.clipboard.writeText(text).catch(() => {});
	else
		document.execCommand('copy'); // xterm.js hands over the selection
}

async function pasteFromClipboard() {
	try {
		terminal.paste(await navigator.clipboard.readText());
	} catch {
		page.status.textContent = 'this browser lets pages paste by its own menu only';
	}
}

// A program may set the clipboard (OSC 52), and is told that it is empty when it asks.
const provider = {
	readText: () => '',
	writeText: (selection, text) => {
		if (selection !== 'p' && text !== '')
			navigator.clipboard?.writeText(text).catch(() => {});
	},
};

// ---------------------------------------------------------------- size

// After the layout, and once a frame.
let fitting = 0;
function fitSoon() {
	fitting = fitting || requestAnimationFrame(() => {
		fitting = 0;
		fit.fit();
	});
}

// Where the keyboard of a phone covers the page rather than shrinking it, only this knows.
function followViewport() {
	const { height, scale } = visualViewport;

	if (scale === 1)
		document.body.style.setProperty('--height', height + 'px');
	scrollTo(0, 0);
	fitSoon();
}

// ---------------------------------------------------------------- the session

// Makes the terminal fit for another program, which begins below what the last one wrote.
function tidy() {
	const { active, normal } = terminal.buffer;

	terminal.write(encoder.encode(CANCEL + (active.type === 'normal' ? '' : LEAVE_ALTERNATE) + TIDY + (normal.cursorX > 0 ? '\r\n' : '')));
	if (normal.baseY + normal.cursorY + normal.cursorX > 0)
		terminal.write(NEW_SESSION);
}

function showStatus(state, text) {
	const over = state === 'ended' || state === 'failed' || state === 'waiting';

	page.status.dataset.state = state;
	page.status.textContent = text;
	page.start.hidden = page.start.disabled = !over;
	page.start.textContent = state === 'waiting' ? 'Now' : 'Start anew';
}

function setTitle(text) {
	const title = text.slice(0, MAX_TITLE);

	page.title.textContent = title;
	document.title = (title || location.pathname) + ' – wsluice';
}

const link = linkNew({
	size: () => {
		fit.fit(); // the line below may just have shrunk
		return { columns: terminal.cols, rows: terminal.rows };
	},
	onBegin: () => {
		preferencesReset(terminal);
		setTitle('');
	},
	onAgain: tidy, // not before: what the last session showed may be all that is left of somebody's work
	onState: showStatus,
	onOutput: (bytes, drawn) => terminal.write(bytes, drawn),
	onSettled: (done) => terminal.write('', done),
	onTitle: setTitle,
	onPreferences: (preferences) => {
		preferencesApply(terminal, preferences);
		if (terminal.options.disableStdin)
			showStatus('open', link.connected + ', to look at only');
		fitSoon();
	},
});

function startAnew() {
	link.start();
	terminal.focus();
}

// What was typed; when nothing runs, Enter starts anew.
function type(text) {
	if (link.state === 'open')
		link.input(text);
	else if (text === '\r')
		startAnew();
}

// ---------------------------------------------------------------- wiring

// Keys that are the page's own; false keeps them from the terminal.
function onKey(event) {
	const chord = event.ctrlKey && event.shiftKey && !event.altKey && !event.metaKey;

	if (chord && event.code === 'KeyC') {
		if (event.type === 'keydown' && terminal.hasSelection())
			copy(terminal.getSelection());
		event.preventDefault(); // it would open the browser's developer tools
		return false;
	}
	if (chord && event.code === 'KeyV')
		return false; // the browser pastes
	if (chord && event.code === 'ArrowDown') {
		if (event.type === 'keydown')
			page.options.firstElementChild.focus();
		return false;
	}
	if (event.type === 'keydown' && event.key === 'Enter' && link.state !== 'open') {
		event.preventDefault();
		startAnew();
		return false;
	}
	return true;
}

terminal.loadAddon(fit);
terminal.loadAddon(new Unicode11Addon());
terminal.unicode.activeVersion = '11';
terminal.loadAddon(new WebLinksAddon((event, uri) => open(uri, '_blank', 'noopener,noreferrer')));
terminal.loadAddon(new ClipboardAddon(undefined, provider));
terminal.attachCustomKeyEventHandler(onKey);
terminal.open(page.screen);
terminal.onData((text) => type(keysModify(text)));
terminal.onBinary((text) => link.inputBytes(Uint8Array.from(text, (char) => char.charCodeAt(0))));
terminal.onResize(() => link.resize({ columns: terminal.cols, rows: terminal.rows }));
terminal.onTitleChange(setTitle);
looksFollow(terminal, page, fitSoon);
keysFollow(terminal, page, (text) => {
	if (!terminal.options.disableStdin)
		type(text);
});
touchFollow(terminal, page.screen);

new ResizeObserver(fitSoon).observe(page.screen);
visualViewport.addEventListener('resize', followViewport);
document.fonts.addEventListener('loadingdone', fitSoon);
page.start.addEventListener('click', startAnew);
page.copy.addEventListener('click', () => copy(terminal.getSelection()));
page.paste.addEventListener('click', pasteFromClipboard);
page.screen.addEventListener('pointerdown', () => { page.options.open = false; });
page.options.addEventListener('keydown', (event) => {
	if (event.key === 'Escape') {
		page.options.open = false;
		terminal.focus();
	}
});
// A habit of shells, Ctrl+W, closes a window.
addEventListener('beforeunload', (event) => {
	if (link.state === 'open' && !terminal.options.disableStdin)
		event.preventDefault();
});

// The page comes with its controls disabled, since there was nobody to listen.
for (const control of [page.smaller, page.larger, page.sound, page.reader])
	control.disabled = false;
window.wsluice = { terminal, link };
fit.fit();
link.start();
if (matchMedia('(pointer: fine)').matches)
	terminal.focus();
