// The live page's own code: features as the Python engine makes them, and the traffic of its bus.
import {describe, expect, test} from "vitest";
import {ATTACKS, Bus, columns} from "../live/bus.js";
import {fitProfile, standardise, windowGraph} from "../live/features.js";
import {Memory} from "../live/memory.js";
import {TimingRule, scoreOf} from "../live/rule.js";
import vectors from "./live-vectors.json";

const framesOf = ({t, id, dlc, payload, label}) => ({
  t: Float64Array.from(t),
  id: Uint32Array.from(id),
  dlc: Uint8Array.from(dlc),
  payload: Uint8Array.from(payload.match(/../g), (hex) => parseInt(hex, 16)),
  label: Uint8Array.from(label)
});
/** What is remembered at each frame. */
const rememberedAt = ({t, id, dlc, payload}, profile) => {
  const memory = new Memory(profile);
  return Array.from(t, (time, f) => memory.frame({t: time, id: id[f], dlc: dlc[f], payload: payload.subarray(8 * f, 8 * f + 8)}));
};
const furthest = (a, b) => Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));

describe.each(vectors.captures)("features of $name", (capture) => {
  const frames = framesOf(capture);
  const profile = fitProfile(frames, capture.profile_seconds, capture);
  const withMemory = {...frames, memory: rememberedAt(frames, profile)};

  test("the profile ends at the same frame", () => {
    expect(profile.frames).toBe(capture.profile_frames);
  });
  test.each(capture.windows)("agree with Python to 1e-5 in the window from frame $start", (want) => {
    const graph = windowGraph(frames, want.start, vectors.size, "profile", profile);
    expect(graph.ids).toEqual(want.ids);
    expect([graph.source, graph.target]).toEqual([want.source, want.target]);
    expect(graph.x.length).toBe(want.x.length);
    expect(furthest(graph.x, want.x)).toBeLessThan(1e-5);
    expect(furthest(graph.edges, want.edges)).toBeLessThan(1e-5);
    expect(graph.injected.reduce((a, b) => a + b)).toBe(want.injected);
  });
  test.each(capture.windows)("remember what Python does, to 1e-5, in the window from frame $start", (want) => {
    const graph = windowGraph(withMemory, want.start, vectors.size, "memory", profile);
    expect(graph.x.length).toBe(want.memory.length);
    expect(furthest(graph.x, want.memory)).toBeLessThan(1e-5);
  });
  test("the timing rule scores its windows as Python does", () => {
    const rule = new TimingRule();
    const early = Array.from(frames.t, (t, f) => rule.frame({t, id: frames.id[f]}));
    for (const {start, rule: want} of capture.windows) expect(scoreOf(early.slice(start, start + vectors.size))).toBeCloseTo(want, 5);
  });
  test("without a profile its columns are zero, and without the set they are absent", () => {
    const [{start, ids}] = capture.windows;
    const unknown = windowGraph(frames, start, vectors.size, "profile");
    const relative = windowGraph(frames, start, vectors.size, "relative");
    ids.forEach((_, u) => {
      expect(unknown.x.slice(33 * u, 33 * u + 23)).toEqual(relative.x.slice(23 * u, 23 * u + 23));
      expect(unknown.x.slice(33 * u + 23, 33 * u + 33).every((value) => value === 0)).toBe(true);
    });
  });
});

test("features are standardised column by column and clipped", () => {
  const rows = Float32Array.of(1, 10, 3, -1000);
  expect(Array.from(standardise(rows, {mean: [1, 0], scale: [2, 5]}))).toEqual([0, 2, 1, -10]);
});

describe("the synthetic bus", () => {
  const bits = (frame) => (47 + 8 * frame.dlc) * 2e-6;

  test("sends every ID at its own pace, one frame after the other", () => {
    const bus = new Bus(1);
    const frames = bus.advance(4);
    frames.slice(1).forEach((frame, i) => expect(frame.t).toBeGreaterThanOrEqual(frames[i].t + bits(frames[i]) - 1e-12));
    for (const {id, period, event} of bus.vehicle.ids.filter((sender) => !sender.event && sender.period <= 0.1)) {
      expect(event).toBe(false);
      const sent = frames.filter((frame) => frame.id === id).length;
      expect(Math.abs(sent - 4 / period)).toBeLessThanOrEqual(1 + 0.05 * (4 / period));
    }
    expect(frames.every((frame) => frame.label === 0)).toBe(true);
  });
  test("drives the same way with the same seed, and another way with another", () => {
    const drive = (seed) => columns(new Bus(seed).advance(0.5));
    expect(drive(5)).toEqual(drive(5));
    expect(drive(5).id).not.toEqual(drive(6).id);
  });
  test("does not depend on how often it is looked at", () => {
    const [whole, parts] = [new Bus(2), new Bus(2)];
    const pieces = [0.1, 0.25, 0.26, 0.7, 1].flatMap((end) => parts.advance(end));
    expect(columns(pieces)).toEqual(columns(whole.advance(1)));
  });
  test.each(Object.keys(ATTACKS))("under %s labels what it forged and nothing else", (kind) => {
    const bus = new Bus(3);
    bus.advance(1);
    const {id} = bus.vehicle.ids.toSorted((a, b) => a.period - b.period)[0];
    bus.attack = {kind, rate: 500, id};
    const frames = bus.advance(3);
    const injected = frames.filter((frame) => frame.label);
    const own = !ATTACKS[kind].rate;
    if (kind === "suppress") expect(frames.some((frame) => frame.id === id)).toBe(false);
    else if (own) {
      expect(injected.length).toBeGreaterThan(20);
      expect(injected.every((frame) => frame.id === id)).toBe(true);
    } else expect(Math.abs(injected.length - 1000)).toBeLessThan(10);
    if (kind === "dos") expect(injected.every((frame) => frame.id === 0)).toBe(true);
    if (["spoofing", "malfunction"].includes(kind)) expect(injected.every((frame) => frame.id === id)).toBe(true);
    bus.attack = null;
    expect(bus.advance(4).some((frame) => frame.label)).toBe(false);
  });
});
