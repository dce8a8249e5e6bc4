/*
 * How the terminal looks and sounds: colours by the system's choice of dark or light, the size of the text, the bell;
 * and what the user has chosen of it, kept in this browser.
 */
export const FONT_MIN = 8;
export const FONT_MAX = 32;
const FONTS = 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';
const BELL_MS = 100; // bells that follow each other faster are one
const KEPT_AS = 'wsluice.terminal';

// The first eight serve as backgrounds too (mc, htop), so they are of middling brightness; what is hard to read on the
// background that it has is made lighter or darker by xterm.js (minimumContrastRatio).
const LIGHT = {
	background: '#ffffff', foreground: '#17212b', cursor: '#0b7285', cursorAccent: '#ffffff', selectionBackground: '#b5d9e4',
	black: '#17212b', red: '#b3261e', green: '#0b6b3a', yellow: '#9a6b00', blue: '#1f56b8', magenta: '#8a2b9e', cyan: '#0b7285', white: '#d5dce3',
	brightBlack: '#566472', brightRed: '#d13a30', brightGreen: '#12804a', brightYellow: '#b98200', brightBlue: '#2f6bd6', brightMagenta: '#a23cb8', brightCyan: '#0f8399', brightWhite: '#ffffff',
};
const DARK = {
	background: '#0f151b', foreground: '#e3e9ef', cursor: '#3bb6cc', cursorAccent: '#0f151b', selectionBackground: '#2f5361',
	black: '#1f2933', red: '#c5443c', green: '#2f8a57', yellow: '#a67a1a', blue: '#2d62b8', magenta: '#9350b0', cyan: '#1f8496', white: '#cfd8e0',
	brightBlack: '#7a8896', brightRed: '#ff8a80', brightGreen: '#62cf94', brightYellow: '#f0bf5a', brightBlue: '#82b1ff', brightMagenta: '#e0a3ff', brightCyan: '#5fd0e0', brightWhite: '#ffffff',
};

const dark = matchMedia('(prefers-color-scheme: dark)');
const chosen = { fontSize: matchMedia('(max-width: 40rem)').matches ? 13 : 15, sound: false, reader: false, ...load() };
let rang = 0;
let audio = null;

function load() {
	try {
		return JSON.parse(localStorage.getItem(KEPT_AS)) || {};
	} catch {
		return {}; // it holds nonsense, or this browser keeps nothing
	}
}

function keep() {
	try {
		localStorage.setItem(KEPT_AS, JSON.stringify(chosen));
	} catch {
		// then it is for this visit
	}
}

// What a terminal is made with.
export function looksOptions() {
	return {
		theme: dark.matches ? DARK : LIGHT,
		fontFamily: FONTS,
		fontSize: chosen.fontSize,
		minimumContrastRatio: 4.5,
		screenReaderMode: chosen.reader,
	};
}

// A short beep; made by the browser, so there is no file of it.
function beep() {
	audio = audio || new AudioContext();
	const tone = new OscillatorNode(audio, { frequency: 660 });
	const volume = new GainNode(audio, { gain: 0.1 });

	tone.connect(volume).connect(audio.destination);
	tone.start();
	tone.stop(audio.currentTime + BELL_MS / 1000);
}

function ring(screen) {
	const now = performance.now();

	if (now - rang < BELL_MS)
		return;
	rang = now;
	screen.classList.add('bell');
	if (chosen.sound)
		beep();
}

function setFontSize(terminal, size, fit) {
	chosen.fontSize = terminal.options.fontSize = Math.min(FONT_MAX, Math.max(FONT_MIN, size));
	keep();
	fit();
}

// Joins a terminal with the page's controls; `fit` is called when the size of the text has changed.
export function looksFollow(terminal, page, fit) {
	dark.addEventListener('change', () => { terminal.options.theme = dark.matches ? DARK : LIGHT; });
	terminal.onBell(() => ring(page.screen));
	page.screen.addEventListener('animationend', () => page.screen.classList.remove('bell'));
	page.smaller.addEventListener('click', () => setFontSize(terminal, terminal.options.fontSize - 1, fit));
	page.larger.addEventListener('click', () => setFontSize(terminal, terminal.options.fontSize + 1, fit));
	page.sound.checked = chosen.sound;
	page.sound.addEventListener('change', () => {
		chosen.sound = page.sound.checked;
		keep();
	});
	page.reader.checked = chosen.reader;
	page.reader.addEventListener('change', () => {
		chosen.reader = terminal.options.screenReaderMode = page.reader.checked;
		keep();
	});
}
