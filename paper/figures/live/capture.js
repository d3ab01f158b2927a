// A capture of the reader's own, read in the page: candump's log, and the CSV of HCRL and of can-train-and-test. Nothing is sent anywhere.

export const MOST = 200_000; // frames that are read of a file

const KNOWN = "candump's “(time) interface ID#data”, HCRL's “time,ID,DLC,bytes,flag”, or “timestamp,arbitration_id,data_field,attack”";
const HEADER = "timestamp,arbitration_id,data_field,attack";
const CANDUMP = /^\((\d+(?:\.\d*)?)\)\s+(\S+)\s+([0-9a-f]{1,8})#(?:R\d?|((?:[0-9a-f]{2}){0,8}))(?:\s|$)/i;
const LABELLED = /^(\d+(?:\.\d*)?),([0-9a-f]{1,8}),((?:[0-9a-f]{2}){0,8}),([01])$/i;
const HCRL = /^(?:timestamp:\s*)?(\d+(?:\.\d*)?)[\s,]+(?:id:\s*)?([0-9a-f]{1,8})[\s,]+(?:000\s+)?(?:dlc:\s*)?([0-8])((?:[\s,]+[0-9a-f]{2}){0,8})(?:[\s,]+([RT]))?$/i;

const hexBytes = (text) => Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (byte) => parseInt(byte, 16));

/** A frame with its payload filled up to eight bytes. */
function frame(t, id, bytes, label) {
  const payload = new Uint8Array(8);
  payload.set(bytes);
  return {t: Number(t), id: parseInt(id, 16), dlc: bytes.length, payload, label};
}

/** Line → frame, of each format; undefined for a line that is not of it. `label` is undefined where the format has none. */
const FORMATS = {
  candump: (line) => {
    const [, t, bus, id, data] = CANDUMP.exec(line) ?? [];
    return t && {...frame(t, id, hexBytes(data ?? ""), undefined), bus};
  },
  labelled: (line) => {
    const [, t, id, data, attack] = LABELLED.exec(line) ?? [];
    return t && frame(t, id, hexBytes(data), Number(attack));
  },
  hcrl: (line) => {
    const [, t, id, dlc, data, flag] = HCRL.exec(line) ?? [];
    const bytes = hexBytes(data ?? "");
    return t && bytes.length >= dlc ? frame(t, id, bytes.slice(0, dlc), flag && Number(flag.toUpperCase() === "T")) : undefined;
  }
};

/** Lines of a file, one after the other. */
async function* linesOf(file) {
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const {done, value = ""} = await reader.read();
      const lines = (rest + value).split(/\r?\n/);
      rest = done ? "" : lines.pop();
      yield* lines;
      if (done) return;
      if (rest.length > 1000) yield rest; // no text has such lines: it is refused by whoever reads it
    }
  } finally {
    reader.cancel();
  }
}

/**
 * Reads the first `most` frames of a file: `{frames, whole, labelled}`, times counted from the first frame. Throws one sentence with file, line and
 * reason where it cannot.
 */
export async function readCapture(file, most = MOST) {
  const frames = [];
  let number = 0;
  let format = null;
  const refuse = (why) => {
    throw new Error(`${file.name} cannot be read: ${why}.`);
  };
  for await (const raw of linesOf(file)) {
    number += 1;
    const line = raw.trim();
    if (!line || (number === 1 && line.toLowerCase().replaceAll(" ", "") === HEADER)) continue;
    if (frames.length === most) return {frames, whole: false, labelled: frames[0].label !== undefined};
    format ??= Object.values(FORMATS).find((one) => one(line)) ?? refuse(`line ${number} is none of ${KNOWN}`);
    const next = format(line) ?? refuse(`line ${number} is not as the lines before it: “${line.slice(0, 60)}”`);
    const [first = next] = frames;
    if (next.bus !== first.bus) refuse(`line ${number} is of ${next.bus}, the lines before it of ${first.bus}: one bus, one file`);
    if ((next.label === undefined) !== (first.label === undefined)) refuse(`line ${number} ${next.label === undefined ? "lacks the flag that the lines before it have" : "has a flag that the lines before it lack"}`);
    frames.push(next);
  }
  if (!frames.length) refuse("it holds no frame");
  return {frames, whole: true, labelled: frames[0].label !== undefined};
}

/** A recording as a bus that drives once: what `Monitor` watches. `frames`: from `readCapture`. */
export class Recording {
  constructor({frames, labelled}) {
    Object.assign(this, {labelled, next: 0, now: 0});
    const [{t: begin}] = frames;
    this.frames = frames.map((one) => ({...one, t: one.t - begin, label: one.label ?? 0}));
  }

  /** Frames up to time `end` (s), in the order of the file. */
  advance(end) {
    const from = this.next;
    while (this.next < this.frames.length && this.frames[this.next].t < end) this.next += 1;
    this.now = end;
    return this.frames.slice(from, this.next);
  }

  get ended() {
    return this.next === this.frames.length;
  }

  /** What a window with so many injected frames is called. */
  traffic(injected) {
    return this.labelled ? (injected ? "attacked" : "benign") : "not labelled";
  }
}
