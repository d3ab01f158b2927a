// A capture of the reader's own: what is read, and the one line that says why a file is not.
import {describe, expect, test} from "vitest";
import {readCapture, Recording} from "../live/capture.js";

const read = (text, most) => readCapture(new File([text], "own.log"), most);
const told = ({frames}) => frames.map(({t, id, dlc, payload, label}) => [t, id, dlc, [...payload.slice(0, dlc)], label]);

describe("a capture", () => {
  test.each([
    ["candump", "(1.5) can0 12A#00FF\n(1.6) can0 1F334455#R\n", [[1.5, 0x12a, 2, [0, 255], undefined], [1.6, 0x1f334455, 0, [], undefined]]],
    ["candump with what some add", "(1.5)  vcan0  12A#00FF R\r\n", [[1.5, 0x12a, 2, [0, 255], undefined]]],
    ["HCRL", "1.5,012a,2,00,ff,R\n1.6,012a,2,00,fe,T\n", [[1.5, 0x12a, 2, [0, 255], 0], [1.6, 0x12a, 2, [0, 254], 1]]],
    ["HCRL without flags", "1.5,012a,2,00 ff\n", [[1.5, 0x12a, 2, [0, 255], undefined]]],
    ["HCRL filled to eight bytes", "1.5,012a,1,07,00,00,00,00,00,00,00,T\n", [[1.5, 0x12a, 1, [7], 1]]],
    ["keyed HCRL", "Timestamp: 1.5        ID: 012a    000    DLC: 2    00 ff\n", [[1.5, 0x12a, 2, [0, 255], undefined]]],
    ["can-train-and-test", "timestamp,arbitration_id,data_field,attack\n1.5,12A,00FF,0\n1.6,12A,,1", [[1.5, 0x12a, 2, [0, 255], 0], [1.6, 0x12a, 0, [], 1]]]
  ])("of %s is read", async (_, text, frames) => {
    expect(told(await read(text))).toEqual(frames);
  });

  test("is read to the most that is asked for", async () => {
    const text = Array.from({length: 5}, (_, i) => `(${i}.0) can0 1#00\n`).join("");
    expect((await read(text, 3)).frames.length).toBe(3);
    expect((await read(text, 3)).whole).toBe(false);
    expect((await read(text, 5)).whole).toBe(true);
  });

  test.each([
    ["", /holds no frame/],
    ["%PDF-1.7\n", /line 1 is none of candump/],
    ["(1.0) can0 1#00\n(1.1) can0 1##000\n", /line 2 is not as the lines before it: “\(1\.1\) can0 1##000”/],
    ["(1.0) can0 1#00\n(1.1) can1 1#00\n", /line 2 is of can1/],
    ["1.0,1,1,00,R\n1.1,1,1,00\n", /line 2 lacks the flag/],
    ["1.0,1,8,00,R\n", /line 1 is none of/],
    ["\0".repeat(5000), /line 1 is none of/]
  ])("that cannot be read is refused in one line: %#", async (text, why) => {
    await expect(read(text)).rejects.toThrow(why);
    await expect(read(text)).rejects.toThrow(/^own\.log cannot be read: [^\n]*\.$/);
  });

  test("is driven once, by its own clock", async () => {
    const recording = new Recording(await read("(100.0) can0 1#00\n(100.4) can0 1#00\n(100.3) can0 2#00\n(101.0) can0 1#00\n"));
    expect(recording.advance(0.35).map(({id}) => id)).toEqual([1]);
    expect(recording.advance(0.5).map(({id}) => id)).toEqual([1, 2]);
    expect(recording.ended).toBe(false);
    recording.advance(2);
    expect([recording.ended, recording.traffic(3)]).toEqual([true, "not labelled"]);
  });
});
