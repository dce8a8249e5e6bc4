/*
 * Lets xterm.js work beneath a content security policy without 'unsafe-inline' for styles.
 *
 * It writes its rules into style elements, and colours into style attributes; a policy forbids both, as it can't tell
 * who wrote them. What a script does to style sheets and to the style property it allows: so a style element is another
 * one here, whose text becomes a constructed style sheet, and the attribute is set by way of the property. To be
 * imported before anything makes elements.
 */
const createElement = document.createElement;
const setAttribute = Element.prototype.setAttribute;

// Stands for a style element: `textContent` is its rules, `remove` takes them out of force.
function makeStyle() {
	const element = createElement.call(document, 'template'); // shows nothing
	const sheet = new CSSStyleSheet();

	document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
	Object.defineProperty(element, 'textContent', { set: (rules) => sheet.replaceSync(rules) });
	element.remove = () => {
		document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
		Element.prototype.remove.call(element);
	};
	return element;
}

document.createElement = function (name, options) {
	return name === 'style' ? makeStyle() : createElement.call(document, name, options);
};

Element.prototype.setAttribute = function (name, value) {
	if (name === 'style')
		this.style.cssText = value;
	else
		setAttribute.call(this, name, value);
};
