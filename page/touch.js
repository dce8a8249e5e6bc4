/*
 * Fingers, which xterm.js does not know: one that moves scrolls, one that rests selects a word, and then as much as it
 * is drawn over.
 */
const REST_MS = 500; // a finger that stays this long means what is under it
const REST_PX = 8;   // and may tremble as much

// The column, and the row of the buffer, that a point is in.
function cellAt(terminal, screen, { clientX, clientY }) {
	const box = screen.querySelector('.xterm-screen').getBoundingClientRect();
	const column = Math.floor((clientX - box.left) / box.width * terminal.cols);
	const row = Math.floor((clientY - box.top) / box.height * terminal.rows);

	return {
		column: Math.min(terminal.cols - 1, Math.max(0, column)),
		row: Math.min(terminal.rows - 1, Math.max(0, row)) + terminal.buffer.active.viewportY,
	};
}

// The first and the last column of the word that a cell is in.
function wordAt(terminal, { column, row }) {
	const line = terminal.buffer.active.getLine(row);
	const isBlank = (at) => (line.getCell(at)?.getChars() || ' ').trim() === '' && line.getCell(at)?.getWidth() !== 0;
	let [first, last] = [column, column];

	while (first > 0 && !isBlank(first - 1))
		first--;
	while (last < terminal.cols - 1 && !isBlank(last + 1))
		last++;
	return isBlank(column) ? { first: column, last: column } : { first, last };
}

export function touchFollow(terminal, screen) {
	let last = null;     // where the finger was; null: there is none, or several
	let anchor = null;   // what it selected first, as offsets of cells in the buffer
	let timer = 0;

	function select({ column, row }) {
		const at = row * terminal.cols + column;
		const [from, to] = [Math.min(anchor.from, at), Math.max(anchor.to, at)];

		terminal.select(from % terminal.cols, Math.floor(from / terminal.cols), to - from + 1);
	}

	function rest() {
		const cell = cellAt(terminal, screen, last);
		const word = wordAt(terminal, cell);

		anchor = { from: cell.row * terminal.cols + word.first, to: cell.row * terminal.cols + word.last };
		select(cell);
	}

	// Scrolls back, line by line. Where there is nothing to scroll back to, or the program wants a mouse, it turns the
	// wheel, which xterm.js makes into what the program gets.
	function drag(target, { clientX, clientY }) {
		const height = screen.clientHeight / terminal.rows;
		const lines = Math.trunc((last.clientY - clientY) / height);
		const wheel = { deltaY: lines, deltaMode: WheelEvent.DOM_DELTA_LINE, clientX, clientY, bubbles: true, cancelable: true };

		if (terminal.buffer.active.type === 'normal' && terminal.modes.mouseTrackingMode === 'none')
			terminal.scrollLines(lines);
		else if (lines !== 0)
			target.dispatchEvent(new WheelEvent('wheel', wheel));
		last.clientY -= lines * height;
	}

	function onStart({ touches }) {
		clearTimeout(timer);
		anchor = null;
		last = touches.length === 1 ? { clientX: touches[0].clientX, clientY: touches[0].clientY } : null;
		if (last)
			timer = setTimeout(rest, REST_MS);
	}

	function onMove(event) {
		const [touch] = event.touches;

		if (!last || event.touches.length !== 1)
			return;
		event.preventDefault();
		if (anchor)
			select(cellAt(terminal, screen, touch));
		else if (Math.hypot(touch.clientX - last.clientX, touch.clientY - last.clientY) >= REST_PX) {
			clearTimeout(timer);
			drag(event.target, touch);
		}
	}

	// What was selected stays so: no click shall follow, which would undo it.
	function onEnd(event) {
		clearTimeout(timer);
		if (anchor)
			event.preventDefault();
		last = anchor = null;
	}

	screen.addEventListener('touchstart', onStart, { passive: true });
	screen.addEventListener('touchmove', onMove, { passive: false });
	screen.addEventListener('touchend', onEnd, { passive: false });
	screen.addEventListener('touchcancel', onEnd, { passive: false });
	screen.addEventListener('contextmenu', (event) => {
		if (anchor)
			event.preventDefault();
	}, { capture: true });
}
