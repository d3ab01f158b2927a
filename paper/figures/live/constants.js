// What the feature sets share.
export const FLOOR = 1e-6; // s, under any gap two frames can have on a bus
export const LIMIT = 10; // logarithms (base 2) are clipped to ±LIMIT

/** Number of set bits of a byte. */
export const BITS = Uint8Array.from({length: 256}, (_, byte) => byte.toString(2).replaceAll("0", "").length);
