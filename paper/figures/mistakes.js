import {dataTable, element, message} from "./lib/figure.js";
import {follow} from "./lib/inputs.js";
import {confusionAt} from "./lib/scores.js";

/**
 * The windows that the input `threshold` misjudges: missed ones, the least suspicious first, then false alarms, the most suspicious first. A window
 * among the `examples` (rows of `graphs`) leads to its graph. `rows`: those of `predictions` that `prepared` (from `scores`) was made of.
 */
export function mistakes(rows, prepared, {threshold, examples = []} = {}) {
  if (!prepared.windows) return message("This model has no scores for the selection.");
  const {model} = prepared;
  const graphs = new Map(examples.map((row) => [`${row.capture} ${row.window}`, row.graph]));
  const summary = element("summary");
  const place = element("div");
  const node = element("details", {class: "kdgat-data kdgat-mistakes"}, summary, place);
  const list = () => {
    const wrong = rows.filter((row) => row[model] != null && row[model] >= threshold.value !== row.injected > 0);
    const listed = wrong.map((row) => ({
      window: row.window, what: row.injected > 0 ? "missed" : "false alarm", capture: row.capture, attack: row.attack, "injected frames": row.injected, score: row[model],
      graph: graphs.get(`${row.capture} ${row.window}`)
    }));
    listed.sort((a, b) => (b.what === "missed") - (a.what === "missed") || (a.what === "missed" ? a.score - b.score : b.score - a.score));
    const link = ({graph}) => (graph === undefined ? null : `graph.html?graph=${graph}`);
    return dataTable(listed, ["window", "what", "capture", "attack", "injected frames", "score"], `Windows that ${model} misjudges`, {link});
  };
  const fill = () => node.open && place.replaceChildren(list());
  node.addEventListener("toggle", fill);
  follow(threshold, node, (value) => {
    const {fn, fp} = confusionAt(prepared, value);
    summary.textContent = `Misjudged windows: ${fn} missed, ${fp} false alarms`;
    fill();
  });
  return node;
}
