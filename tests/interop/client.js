/* What the programs of node have in common: their arguments, how they report, how they fail. */
import { Exchange } from './exchange.js';

/** The arguments: URL N SEED no|yes|narrow (what is offered, OFFERS) records|stream (what comes back). */
const [url, n, seed, offer, framing] = process.argv.slice(2);
export const options = { url, n: Number(n), seed: Number(seed), offer, stream: framing === 'stream' };

/** Prints what came of it, as JSON in one line, and ends the process. */
export async function report(result) {
	try {
		console.log(JSON.stringify(await result));
		process.exit(0);
	} catch (error) {
		console.error(`seed ${options.seed}: ${error.stack}`);
		process.exit(1);
	}
}

export function exchange(library) {
	return new Exchange(options, library);
}
