/*
 * The keys that touch keyboards lack, and Ctrl and Alt that stay down for the next one.
 */
const FINALS = { ArrowUp: 'A', ArrowDown: 'B', ArrowRight: 'C', ArrowLeft: 'D', End: 'F', Home: 'H' };
const TILDES = { PageUp: 5, PageDown: 6 };
const SINGLES = { Escape: '\x1b', Tab: '\t' };

const held = { ctrl: null, alt: null }; // their buttons, while they are down

// What xterm sends for a key: plain, or with the modifiers as a parameter.
export function encodeKey(key, ctrl, alt, application) {
	const modifiers = 1 + (alt ? 2 : 0) + (ctrl ? 4 : 0);

	if (key in SINGLES)
		return (alt ? '\x1b' : '') + SINGLES[key];
	if (key in TILDES)
		return '\x1b[' + TILDES[key] + (modifiers > 1 ? ';' + modifiers : '') + '~';
	if (modifiers > 1)
		return '\x1b[1;' + modifiers + FINALS[key];
	return (application ? '\x1bO' : '\x1b[') + FINALS[key];
}

// A character that was typed with Ctrl or Alt; longer texts and those that have no such form are left as they are.
export function encodeText(text, ctrl, alt) {
	const code = text.toUpperCase().charCodeAt(0);
	let out = text;

	if (text.length !== 1)
		return text;
	if (ctrl && code >= 0x40 && code < 0x60)
		out = String.fromCharCode(code & 0x1f);
	else if (ctrl && (text === ' ' || text === '?'))
		out = text === ' ' ? '\0' : '\x7f';
	return (alt ? '\x1b' : '') + out;
}

function release() {
	for (const name of Object.keys(held)) {
		if (held[name])
			held[name].setAttribute('aria-pressed', 'false');
		held[name] = null;
	}
}

function toggle(button) {
	const name = button.dataset.hold;

	held[name] = held[name] ? null : button;
	button.setAttribute('aria-pressed', String(held[name] !== null));
}

// What is typed by other means, with what is held down.
export function keysModify(text) {
	const out = held.ctrl || held.alt ? encodeText(text, held.ctrl, held.alt) : text;

	release();
	return out;
}

// `press(text)` types for the user.
export function keysFollow(terminal, page, press) {
	// The focus stays in the terminal, and with it the touch keyboard.
	page.keys.addEventListener('pointerdown', (event) => event.preventDefault());
	page.keys.addEventListener('mousedown', (event) => event.preventDefault());
	page.keys.addEventListener('click', ({ target }) => {
		const { key, text, hold } = target.dataset;

		if (hold)
			toggle(target);
		else if (text)
			press(keysModify(text));
		else if (key) {
			press(encodeKey(key, held.ctrl, held.alt, terminal.modes.applicationCursorKeysMode));
			release();
		}
	});
}
