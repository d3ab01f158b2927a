import {ATTACKS, Bus} from "./live/bus.js";
import {lanes, ring, strip} from "./live/drawing.js";
import {Monitor} from "./live/monitor.js";
import {dataTable, element, failure, message} from "./lib/figure.js";
import {range, select} from "./lib/inputs.js";
import {number} from "./lib/rows.js";
import {hex} from "./lib/window.js";

const FEATURES = ["relative", "profile", "memory"]; // what live/features.js computes
const REWRITE = 250; // ms between updates of what is text

/** The students of a release that a browser can run: `{dataset, seed}`. */
export const students = (manifest) =>
  Object.keys(manifest.weights)
    .map((path) => path.match(/^weights\/([^/]+)\/gat-student-s(\d+)\.onnx$/))
    .filter(Boolean)
    .map(([, dataset, seed]) => ({dataset, seed: Number(seed)}));

/** A student ready to score windows; see live/detector.js, which brings the runtime. */
export async function openDetector(release, student) {
  const module = await import("./live/detector.js").catch(() => {
    throw new Error("The runtime cannot be loaded: the site lacks a part of its folder assets/. Load the page again to try once more.");
  });
  return module.openDetector(release, student);
}

/** A drop-down of `students`. */
export const selectStudent = (name, list) =>
  select(name, list, {label: "student", key: ({dataset, seed}) => `${dataset}.${seed}`, format: ({dataset, seed}) => `trained on ${dataset}, seed ${seed}`});

/** What a student was trained on, `{features, windows}` of its run in `runs`, or `{none}`: a sentence that says why it cannot run here. */
export function settings(runs, student) {
  if (!student) return {none: message("This release holds no student that a browser can run.")};
  const run = runs.find((row) => row.model === "gat-student" && row.dataset === student.dataset && row.seed === student.seed);
  if (!run) return {none: message("This release holds no run of this student: its windows are unknown.")};
  const {features, windows} = JSON.parse(run.config);
  return FEATURES.includes(features) ? {features, windows} : {none: message(`The student uses the features “${features}”, which this page does not compute.`)};
}

/** Operating points of a student and of the rule beside it: `{student, rule}`. `detector`: from `openDetector`; `points`: rows of `operating_points`. */
export const thresholdsOf = (detector, points, {dataset, seed}, protocol) => ({
  student: detector.points[protocol][0],
  rule: points.find((row) => row.model === "rule-online-baseline" && row.dataset === dataset && row.seed === seed && row.protocol === protocol)?.threshold
});

/**
 * The student, and the timing rule beside it, on the traffic of a synthetic bus that the reader attacks. `runs`: rows of `runs`; `points`: of
 * `operating_points`; `student`: one of `students`; `protocol`: "zero-shot" or "calibrated". The runtime is loaded when it is started, not before.
 */
export function liveDetector(release, runs, {student, protocol = "calibrated", points = [], width = 640} = {}) {
  const {features, windows, none} = settings(runs, student);
  if (none) return none;

  const vehicle = range("vehicle", [1, 99], {label: "vehicle", step: 1, value: 7});
  const kind = select("attack", Object.keys(ATTACKS), {label: "attack", format: (name) => `${name.replace("_", " ")}: ${ATTACKS[name].about}`});
  const rate = range("rate", [20, 2000], {label: "attack frames a second", step: 10, value: 500});
  const target = element("div");
  const start = element("button", {type: "button", class: "kdgat-primary"}, "Start");
  const inject = element("button", {type: "button", "aria-pressed": "false", disabled: ""}, "Attack");
  const status = element("p", {class: "kdgat-alarm", role: "status"}, "Start loads the runtime: 14 MB of WebAssembly, from this site.");
  const graph = canvasOf();
  const scores = canvasOf();
  const facts = element("dl", {class: "kdgat-facts"});
  const called = element("div");
  const data = element("details", {class: "kdgat-data"}, element("summary", {}, "Data table"));
  const buttons = element("div", {class: "kdgat-buttons"}, start, inject);
  const node = element("div", {class: "kdgat-figure kdgat-live"}, element("div", {class: "controls"}, vehicle, kind, rate, target, buttons), status, element("div", {class: "kdgat-side"}, graph, facts), scores, called, data);

  let monitor, id, detector;
  let thresholds = {};
  let running = false;
  const attacking = () => inject.getAttribute("aria-pressed") === "true";
  const setAttack = () => {
    monitor.attack(attacking() ? {kind: kind.value, rate: rate.value, id: id.value} : null);
    rate.hidden = !ATTACKS[kind.value].rate;
    target.hidden = !ATTACKS[kind.value].id;
    inject.textContent = attacking() ? "Stop the attack" : "Attack";
  };
  const draw = () => {
    ring(graph.firstChild, monitor.graph, Math.min(width, 420));
    const {ids, source} = monitor.graph;
    graph.setAttribute("aria-label", `The last window of ${windows.size} frames: ${ids.length} IDs, ${source.length} distinct transitions`);
    strip(scores.firstChild, monitor.history, {lanes: lanes(thresholds), width});
    scores.setAttribute("aria-label", described(monitor.history));
  };
  const write = () => {
    const {rate: frames, ...times} = monitor.measured;
    const later = monitor.counts.size ? "n/a" : "after Start";
    const ms = ({p50, p99}) => (p50 === undefined ? later : `${p50.toFixed(2)} / ${p99.toFixed(2)}`);
    const value = (x) => (x ? number(x) : later);
    const shown = {score: value(monitor.score), threshold: value(thresholds.student), "frames a second": value(frames && Math.round(frames))};
    for (const [name, spread] of Object.entries(times)) shown[`${name}, ms (p50 / p99)`] = ms(spread);
    facts.replaceChildren(...Object.entries(shown).map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text))));
    if (!monitor.counts.size) return;
    called.replaceChildren(dataTable([...monitor.counts.values()], ["traffic", "windows", "called attack", "called attack by the rule"], "What the student and the rule called the windows", {sorts: false}));
    const text = monitor.alarm ? "▲ Alarm" : attacking() ? "○ Attack running, not detected" : "● Quiet";
    if (status.textContent !== text) status.textContent = text; // read out only when it changes
    status.dataset.alarm = monitor.alarm;
  };
  const reset = () => {
    monitor = new Monitor(new Bus(vehicle.value), {windows, features, protocol});
    monitor.fill();
    const busiest = monitor.bus.vehicle.ids.toSorted((a, b) => a.period - b.period || a.id - b.id).map((sender) => sender.id);
    id = select("id", busiest, {label: "ID", format: hex});
    id.addEventListener("input", setAttack);
    target.replaceChildren(id);
    setAttack();
    draw();
    write();
  };
  const loop = async () => {
    let last = performance.now();
    let written = -Infinity;
    while (running && node.isConnected) {
      const now = await new Promise(requestAnimationFrame);
      monitor.advance(Math.min(100, Math.max(0, now - last)) / 1000); // a page in the background does not catch up
      last = now;
      let fresh = false;
      while (await monitor.step(detector.score, thresholds)) fresh = true;
      if (fresh) draw();
      if (now - written > REWRITE) write((written = now));
    }
  };

  start.addEventListener("click", async () => {
    running = !running;
    start.textContent = running ? "Pause" : "Go on";
    inject.disabled = !running;
    if (!running) return;
    try {
      if (!detector) {
        status.textContent = "Loading the runtime…";
        detector = await openDetector(release, student);
        thresholds = thresholdsOf(detector, points, student, protocol);
      }
      await loop();
    } catch (error) {
      running = false;
      start.textContent = "Start";
      status.replaceChildren(failure(error.message));
    }
  });
  inject.addEventListener("click", () => {
    inject.setAttribute("aria-pressed", String(!attacking()));
    setAttack();
  });
  kind.addEventListener("input", setAttack);
  rate.addEventListener("input", setAttack);
  vehicle.addEventListener("input", reset);
  data.addEventListener("toggle", () => {
    const [summary] = data.children;
    const rows = data.open ? monitor.history : [];
    data.replaceChildren(summary, ...(rows.length ? [dataTable(rows, Object.keys(rows[0]), "The last windows")] : []));
  });
  reset();
  return node;
}

/** Windows of a monitor in words. */
export function described(history) {
  const alarms = (name) => history.filter((window) => window[name] === "attack").length;
  return `Scores of ${history.length} windows: ${alarms("called")} called an attack by the student, ${alarms("called by the rule")} by the timing rule`;
}

/** A canvas that a screen reader hears of as one image. */
export const canvasOf = () => element("div", {class: "kdgat-chart", role: "img"}, element("canvas"));
