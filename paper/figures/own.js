import {readCapture, Recording, MOST} from "./live/capture.js";
import {lanes, strip} from "./live/drawing.js";
import {Monitor} from "./live/monitor.js";
import {dataTable, element, failure} from "./lib/figure.js";
import {canvasOf, described, openDetector, settings, thresholdsOf} from "./live.js";

const YIELD = 200; // ms of work between two looks at the page

/**
 * The student, and the timing rule beside it, on a capture that the reader drops here or chooses: read, scored and shown in the page, sent nowhere.
 * Arguments as of `liveDetector`.
 */
export function ownCapture(release, runs, {student, protocol = "calibrated", points = [], width = 640} = {}) {
  const {features, windows, none} = settings(runs, student);
  if (none) return none;
  const input = element("input", {type: "file", accept: ".log,.csv,.txt,text/plain,text/csv"});
  const drop = element("label", {class: "kdgat-drop"}, "Drop a capture here, or choose one: ", input);
  const status = element("p", {class: "kdgat-readout", role: "status"}, "candump's log, or CSV of HCRL or can-train-and-test. Nothing leaves this browser.");
  const place = element("div");
  const node = element("div", {class: "kdgat-figure kdgat-own"}, drop, status, place);
  let asked = 0; // a later file stops the one before it

  const judge = async (file, current) => {
    status.textContent = `${file.name} is read…`;
    const read = await readCapture(file);
    const recording = new Recording(read);
    const monitor = new Monitor(recording, {windows, features, protocol, kept: Infinity});
    if (recording.frames.length - recording.next < windows.size)
      throw new Error(`${file.name} is too short: ${windows.profile_seconds} s give the profile and are not scored, and a window of ${windows.size} frames has to follow; it holds ${read.frames.length} frames in ${recording.frames.at(-1).t.toFixed(1)} s.`);
    const detector = await openDetector(release, student);
    const thresholds = thresholdsOf(detector, points, student, protocol);
    let seen = performance.now();
    while (!recording.ended || monitor.buffer.length >= windows.size) {
      monitor.advance(0.2);
      while (await monitor.step(detector.score, thresholds)) {
        if (performance.now() - seen < YIELD) continue;
        status.textContent = `${file.name}: ${Math.round((100 * recording.next) / recording.frames.length)} % of ${recording.frames.length.toLocaleString("en")} frames…`;
        await new Promise((go) => setTimeout(go));
        if (current !== asked || !node.isConnected) return;
        seen = performance.now();
      }
    }
    show(file, read, monitor, thresholds);
  };

  const show = (file, {frames, whole, labelled}, {history, counts}, thresholds) => {
    const alarms = history.filter((window) => window.called === "attack").length;
    const length = whole ? "" : ` The first ${MOST.toLocaleString("en")} frames of it were read.`;
    status.textContent = `${file.name}: ${frames.length.toLocaleString("en")} frames, ${history.length.toLocaleString("en")} windows, ${alarms.toLocaleString("en")} called an attack by the student.${labelled ? "" : " It has no labels."}${length}`;
    const scores = canvasOf();
    strip(scores.firstChild, history, {lanes: lanes(thresholds), width});
    scores.setAttribute("aria-label", described(history));
    const called = dataTable([...counts.values()], ["traffic", "windows", "called attack", "called attack by the rule"], "What the student and the rule called the windows", {sorts: false});
    const data = element("details", {class: "kdgat-data"}, element("summary", {}, "Data table"));
    data.addEventListener("toggle", () => data.append(dataTable(history, Object.keys(history[0]), `Windows of ${file.name}`)), {once: true});
    place.replaceChildren(scores, called, data);
  };

  const take = (file) => {
    if (!file) return;
    const current = (asked += 1);
    place.replaceChildren();
    judge(file, current).catch((error) => current === asked && status.replaceChildren(failure(error.message)));
  };
  input.addEventListener("click", () => (input.value = "")); // the same file may be chosen again
  input.addEventListener("change", () => take(input.files[0]));
  for (const kind of ["dragover", "dragleave", "drop"])
    node.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.toggleAttribute("data-over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0]);
    });
  return node;
}
