/*
 * What the gateway may set of the terminal: a fixed list of harmless options. Another name, or a value that is not of
 * its kind, is passed over.
 */
import { FONT_MAX, FONT_MIN } from './looks.js';

const isBoolean = (value) => typeof value === 'boolean';
const isWithin = (min, max) => (value) => Number.isInteger(value) && value >= min && value <= max;
const isAmong = (...words) => (value) => words.includes(value);

const ALLOWED = {
	cursorBlink: isBoolean,
	cursorStyle: isAmong('block', 'underline', 'bar'),
	disableStdin: isBoolean,
	fontSize: isWithin(FONT_MIN, FONT_MAX),
	rightClickSelectsWord: isBoolean,
	scrollback: isWithin(0, 100000),
};

// A session that says nothing of it takes input, whatever the last one did.
export function preferencesReset(terminal) {
	terminal.options.disableStdin = false;
}

export function preferencesApply(terminal, preferences) {
	for (const [name, isGood] of Object.entries(ALLOWED))
		if (Object.hasOwn(preferences, name) && isGood(preferences[name]))
			terminal.options[name] = preferences[name];
}
