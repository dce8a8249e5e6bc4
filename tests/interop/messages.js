/*
 * Random messages, the same for the same seed: every kind of content and size, and how each is to be sent. As
 * messages.py has them, for the libraries of node and for pages.
 */
const SMALL = 125, MEDIUM = 4096, LARGE = 262144, HUGE = 1048576;
const EACH = 2500; // of so many messages one is huge
const BLOCK = 4096; // what is drawn at random; longer content repeats and mixes such blocks
const WORDS = 'the gateway takes a message and gives it back, größe température 温度 температура 🎈 {"id": 0}'.split(' ');
const CODE_POINTS = [ // by how many bytes UTF-8 makes of it, at least
	[[0x00, 0x7f]], [[0x80, 0x7ff]], [[0x800, 0xd7ff], [0xe000, 0xffff]], [[0x10000, 0x10ffff]],
];
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Numbers of a seed (mulberry32). */
class Random {
	constructor(seed) {
		this.state = seed | 0;
	}

	/** 32 bits. */
	next() {
		this.state = (this.state + 0x6d2b79f5) | 0;
		let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return (t ^ (t >>> 14)) >>> 0;
	}

	/** From 0 to less than 1. */
	fraction() {
		return this.next() / 2 ** 32;
	}

	/** From first to last. */
	between(first, last) {
		return first + Math.floor(this.fraction() * (last - first + 1));
	}

	choice(list) {
		return list[this.between(0, list.length - 1)];
	}
}

/** Makes content of a size, in bytes of UTF-8 where it is text. */
class Content {
	constructor(random) {
		this.random = random;
		this.texts = [this.words, this.objects, this.codePoints, this.words];
		this.makers = [...this.texts, this.noise, this.run, this.mixture];
	}

	/** Whole pieces while they fit, then ASCII; what is long repeats its first block. */
	fill(size, piece) {
		const bytes = new Uint8Array(size).fill(0x7e);
		let len = 0;
		while (len < Math.min(size, BLOCK)) {
			const one = encoder.encode(piece());
			if (len + one.length > size)
				return bytes;
			bytes.set(one, len);
			len += one.length;
		}
		for (let to = len; len > 0 && to + len <= size; to += len)
			bytes.copyWithin(to, 0, len);
		return bytes;
	}

	words(size) {
		return this.fill(size, () => this.random.choice(WORDS) + ' ');
	}

	/** As programs send them. */
	objects(size) {
		return this.fill(size, () =>
			JSON.stringify({ id: this.random.next(), temperature: this.random.fraction(), name: 'sensor' }));
	}

	/** Characters of every length, both ends of each range among them, surrogates left out. */
	codePoints(size) {
		return this.fill(size, () => {
			const [first, last] = this.random.choice(this.random.choice(CODE_POINTS));
			return String.fromCodePoint(this.random.choice([first, last, this.random.between(first, last)]));
		});
	}

	/** What no compression makes shorter. */
	noise(size) {
		const words = new Uint32Array(Math.ceil(size / 4));
		for (let i = 0; i < words.length; i++)
			words[i] = this.random.next();
		return new Uint8Array(words.buffer, 0, size);
	}

	/** What compression makes a few bytes of. */
	run(size) {
		return new Uint8Array(size).fill(this.random.between(0, 255));
	}

	mixture(size) {
		const bytes = this.run(size);
		bytes.set(this.noise(size >> 1));
		return bytes;
	}
}

/** How many bytes message i of n has. */
function sizeOf(i, n, random) {
	if (i % EACH === Math.min(n, EACH) >> 1)
		return HUGE + random.between(-1, 1);
	const kind = random.fraction();
	if (kind < 0.6)
		return random.between(0, SMALL);
	if (kind < 0.8)
		return random.between(0, MEDIUM);
	if (kind < 0.95)
		return Math.max(0, 2 ** random.between(0, 16) + random.between(-1, 1));
	if (kind < 0.99)
		return random.between(0, LARGE / 4);
	return random.choice([random.between(0, LARGE), LARGE / 2 + 1, LARGE - 1, LARGE]);
}

/**
 * The messages of a seed, each { data: string or Uint8Array, window, ping, cuts }: how many others may be under way
 * before it is sent, whether a ping goes after it, and where it is cut into fragments (fractions of its length).
 */
export function* messages(n, seed) {
	const random = new Random(seed);
	const content = new Content(random);

	for (let i = 0; i < n; i++) {
		// With the first one compression saves more than TLS adds, whatever the others are.
		const size = i === 0 ? LARGE : sizeOf(i, n, random);
		const maker = i === 0 ? content.run : random.choice(content.makers);
		const bytes = maker.call(content, size);
		const text = content.texts.includes(maker) && random.fraction() < 0.9;
		const fragmented = random.fraction() < 0.15;
		yield {
			data: text ? decoder.decode(bytes) : bytes,
			window: random.between(1, 48),
			ping: random.fraction() < 0.02,
			cuts: fragmented ? Array.from({ length: random.between(1, 5) }, () => random.fraction()).sort((one, other) => one - other) : [],
		};
	}
}

/** The bytes of what a message is or of what came. */
export function bytesOf(data) {
	return typeof data === 'string' ? encoder.encode(data) : data;
}
