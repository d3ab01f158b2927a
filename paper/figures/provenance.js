// Where a number comes from: pointing at one, tapping or tabbing to it says so in short, a click or Enter opens its whole trace. On every
// page of the site.
import {element} from "./lib/figure.js";
import {load} from "./lib/load.js";
import {install as installPreviews} from "./lib/preview.js";
import {number as written} from "./lib/rows.js";

const NUMBER = ".num[data-key]";

/** The trace of one number as a panel. `trace`: the release's trace file. */
export function panel(key, trace) {
  const number = trace.numbers[key];
  if (!number) return element("p", {}, trace.problem ?? `The release has no trace of ${key}.`);
  const facts = {
    key,
    value: number.text,
    "95 % interval": number.low == null ? null : `${written(number.low)} – ${written(number.high)}`,
    seeds: number.n_seeds,
    release: `${trace.release} (${trace.data_kind} data)`,
    manifest: trace.manifest_sha256,
    query: number.query,
    recompute: number.recompute,
    runs: number.runs.length ? number.runs.map((run) => describe(run, trace.runs)).join("\n") : null
  };
  const list = element("dl", {});
  for (const [name, value] of Object.entries(facts)) {
    if (value != null) list.append(element("dt", {}, name), element("dd", {}, String(value)));
  }
  const links = number.runs.flatMap((run) => Object.entries(trace.runs[run]?.links ?? {}));
  if (links.length) {
    const distinct = new Map(links.map(([service, address]) => [address, service]));
    const anchors = [...distinct].map(([address, service]) => element("a", {href: address, rel: "noreferrer"}, service));
    list.append(element("dt", {}, "look up"), element("dd", {}, ...anchors.flatMap((a, i) => (i ? [" · ", a] : [a]))));
  }
  return list;
}

/** The same in short. */
export function summary(key, trace) {
  const number = trace.numbers[key];
  if (!number) return null;
  const interval = number.low == null ? "" : `, 95 % interval ${written(number.low)} – ${written(number.high)}`;
  const commits = [...new Set(number.runs.map((run) => trace.runs[run]?.commit.slice(0, 10)).filter(Boolean))];
  const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const rests = [
    number.n_seeds && counted(number.n_seeds, "seed"),
    number.runs.length && counted(number.runs.length, "run"),
    commits.length && `commit ${commits.join(", ")}`,
    `release ${trace.release} (${trace.data_kind} data)`
  ].filter(Boolean);
  return element("div", {},
    element("p", {}, element("strong", {}, number.text), interval),
    element("p", {}, rests.join(" · ")),
    element("p", {}, element("code", {}, key)),
    element("p", {class: "kdgat-hint"}, matchMedia("(hover: none)").matches ? "Tap again for the whole trace." : "Click, or Enter: the whole trace."));
}

/** A run with what it ran on. */
function describe(run, runs) {
  const row = runs[run];
  if (!row) return run;
  return `${run}: commit ${row.commit.slice(0, 10)}, configuration ${row.config_hash.slice(0, 10)}, data ${row.data_hash.slice(0, 10)}`;
}

/** Makes every keyed number of `root`, also those that come later, tell its trace, which is fetched from `url` the first time. */
export function install(root, url) {
  let fetched = null;
  const traces = () => (fetched ??= load(url, (response) => response.json()).catch((error) => ({numbers: {}, problem: error.message})));
  installPreviews(root, NUMBER, async (span) => summary(span.dataset.key, await traces()));
  const popover = element("div", {id: "kdgat-trace", popover: "auto", role: "dialog", "aria-label": "Where this number comes from"});
  document.body.append(popover);
  const open = async (span) => {
    const close = element("button", {type: "button", popovertarget: "kdgat-trace", popovertargetaction: "hide", "aria-label": "Close"}, "×");
    popover.replaceChildren(close, panel(span.dataset.key, await traces()));
    popover.showPopover();
    const box = span.getBoundingClientRect();
    popover.style.top = `${Math.max(8, Math.min(box.bottom + 6, innerHeight - popover.offsetHeight - 8))}px`;
    popover.style.left = `${Math.max(8, Math.min(box.left, innerWidth - popover.offsetWidth - 8))}px`;
  };
  for (const span of root.querySelectorAll(NUMBER)) {
    span.tabIndex = 0;
    span.removeAttribute("title"); // what it says stands in the preview
    span.setAttribute("role", "button");
    span.setAttribute("aria-haspopup", "dialog");
  }
  root.addEventListener("click", (event) => {
    const span = event.target.closest?.(NUMBER);
    if (span) open(span);
  });
  root.addEventListener("keydown", (event) => {
    if ((event.key !== "Enter" && event.key !== " ") || !event.target.matches?.(NUMBER)) return;
    event.preventDefault();
    open(event.target);
  });
}
