// Where a number comes from: pointing at one, tapping or tabbing to it says so in short, a click or Enter opens its whole trace, each line
// of which leads on. On every page of the site.
import {element} from "./lib/figure.js";
import {load} from "./lib/load.js";
import {install as installPreviews} from "./lib/preview.js";
import {number as written} from "./lib/rows.js";

const NUMBER = ".num[data-key]";

/** The part of the traces that holds a key's, as tools/assets.py writes it. */
export const partOf = (key) => key.split(".").slice(0, -1).slice(0, 3).join(".") || key;

/**
 * The trace of one number as a panel. `trace`: what all numbers share (`release`, `runs`, `state`, …) and `numbers`; `site`: address of the
 * site's root, where the links lead.
 */
export function panel(key, trace, site = new URL(".", location.href)) {
  const number = trace.numbers[key];
  if (!number) return element("p", {}, trace.problem ?? `The release has no trace of ${key}.`);
  const page = (path, query) => new URL(`paper/results/${path}.html${query ? `?${new URLSearchParams(query)}` : ""}`, site).href;
  const runs = number.runs.map((run) => ({run, ...trace.runs[run]}));
  const list = element("dl", {});
  const line = (name, ...content) => content.length && list.append(element("dt", {}, name), ...content.map((node) => element("dd", {}, node)));
  line("value", `${number.text}${number.low == null ? "" : `, 95 % interval ${written(number.low)} – ${written(number.high)}`}${number.n_seeds ? `, ${counted(number.n_seeds, "seed")}` : ""}`);
  line("key", command(`kdgat trace --release ${trace.release} ${key}`));
  const readable = number.query.startsWith("select");
  line("query", readable ? link(page("sql", {q: number.query, view: "table"}), number.query) : number.query);
  line("recompute", ...(readable ? [here(number, site)] : []), command(number.recompute));
  line("release", link(new URL("assets/release/manifest.json", site).href, `${trace.release} (${trace.data_kind} data), sha256 ${trace.manifest_sha256.slice(0, 10)}`),
    ...(trace.state ? [trace.state] : []), command(`kdgat verify ${trace.release}`));
  const several = (name) => [...new Map(runs.filter((row) => row[name]).map((row) => [row[name], row])).values()];
  line("commit", ...several("commit").map((row) => (row.links?.commit ? link(row.links.commit, row.commit) : command(`git show ${row.commit}`))));
  line("configuration", ...several("config_hash").map((row) => configuration(row, site)));
  line("captures", ...several("data_hash").map((row) => link(page("datasets", {dataset: row.dataset}), `${row.dataset}, ${row.data_hash.slice(0, 10)}`)));
  line(counted(runs.length, "run"), ...runs.map((row) => (row.dataset ? link(page("runs", {dataset: row.dataset, run: row.run}), row.run) : row.run)));
  const elsewhere = new Map(runs.flatMap((row) => Object.entries(row.links ?? {})).filter(([service]) => service !== "commit").map(([service, address]) => [address, service]));
  line("look up", ...[...elsewhere].map(([address, service]) => link(address, service)));
  return list;
}

const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const link = (href, text) => element("a", {href, rel: "noreferrer"}, text);

/** A command with a button that copies it. */
function command(text) {
  const button = element("button", {type: "button", class: "kdgat-copy", "aria-label": `Copy: ${text}`}, "copy");
  button.addEventListener("click", () =>
    navigator.clipboard.writeText(text).then(() => (button.textContent = "copied"), () => getSelection().selectAllChildren(button.previousSibling)));
  return element("span", {class: "kdgat-command"}, element("code", {}, text), button);
}

/** What of a run's configuration is not the preset's, and all of it when that is opened. */
function configuration({config_hash: hash, config_diff: changed, preset}, site) {
  const lines = Object.entries(changed ?? {}).map(([name, [before, after]]) => `${name}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`);
  const differs = changed ? (lines.length ? `differs from ${preset} in ${lines.length}` : `as ${preset}`) : "";
  const whole = element("pre", {}, "…");
  const node = element("details", {}, element("summary", {}, [hash.slice(0, 10), differs].filter(Boolean).join(", ")), element("pre", {}, lines.join("\n")), whole);
  node.addEventListener("toggle", async () => {
    const manifest = await load(new URL("assets/release/manifest.json", site), (response) => response.json()).catch((error) => ({problem: error.message}));
    whole.textContent = manifest.problem ?? JSON.stringify(manifest.configurations[hash], null, 1);
  }, {once: true});
  if (!lines.length) node.children[1].remove();
  return node;
}

/** A button that computes the number again in this browser, where window scores tell; else nothing. */
function here(number, site) {
  const place = element("span", {class: "kdgat-here"});
  const button = element("button", {type: "button", class: "kdgat-copy"}, "Recompute here");
  const offer = async () => {
    const [{asked, recompute, agrees}, {open}] = await Promise.all([import("./recompute.js"), import("./lib/release.js")]);
    const release = open(new URL("assets/release/", site));
    const recipe = asked(number.query, await release.manifest());
    if (!recipe) return place.remove();
    button.addEventListener("click", async () => {
      place.replaceChildren("Computing…");
      const {values, mean} = await recompute(recipe, release);
      if (mean === null) return place.replaceChildren("This release holds no window scores for it.");
      const all = values.length === number.n_seeds;
      const verdict = !all ? `scores of ${values.length} of ${number.n_seeds} seeds are in the release` : agrees(mean, number.value) ? "agrees with the release" : "differs from the release";
      place.replaceChildren(`${values.map(({seed, value}) => `seed ${seed}: ${written(value)}`).join(", ")}; mean ${written(mean)}, computed in this browser: ${verdict}`);
    }, {once: true});
    place.append(button);
  };
  offer().catch(() => place.remove());
  return place;
}

/** The same in short. */
export function summary(key, trace) {
  const number = trace.numbers[key];
  if (!number) return null;
  const interval = number.low == null ? "" : `, 95 % interval ${written(number.low)} – ${written(number.high)}`;
  const commits = [...new Set(number.runs.map((run) => trace.runs[run]?.commit.slice(0, 10)).filter(Boolean))];
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

/** Makes every keyed number of `root`, also those that come later, tell its trace; `base`: the folder of traces, fetched from when asked. */
export function install(root, base) {
  const folder = new URL(base, location.href);
  const fetched = new Map();
  const get = (file) => fetched.get(file) ?? fetched.set(file, load(new URL(file, folder), (response) => response.json())).get(file);
  const read = async (key) => {
    const shared = await get("shared-facts.json");
    const part = partOf(key);
    return {...shared, numbers: shared.parts.includes(part) ? await get(`${part}.json`) : {}};
  };
  const traces = (key) => read(key).catch((error) => ({numbers: {}, problem: error.message}));
  installPreviews(root, NUMBER, async (span) => summary(span.dataset.key, await traces(span.dataset.key)));
  const popover = element("div", {id: "kdgat-trace", popover: "auto", role: "dialog", "aria-label": "Where this number comes from"});
  document.body.append(popover);
  const put = (span, content) => {
    const close = element("button", {type: "button", class: "kdgat-close", popovertarget: "kdgat-trace", popovertargetaction: "hide", "aria-label": "Close"}, "×");
    popover.replaceChildren(close, content);
    const box = span.getBoundingClientRect();
    popover.style.top = `${Math.max(8, Math.min(box.bottom + 6, innerHeight - popover.offsetHeight - 8))}px`;
    popover.style.left = `${Math.max(8, Math.min(box.left, innerWidth - popover.offsetWidth - 8))}px`;
  };
  const open = async (span) => {
    popover.showPopover();
    put(span, element("p", {role: "status"}, "The trace is loading…"));
    put(span, panel(span.dataset.key, await traces(span.dataset.key), new URL("../../", folder)));
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
