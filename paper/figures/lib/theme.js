// One visual language: the palette of the whole project, and what all plots share.
import * as Plot from "@observablehq/plot";
import palette from "../../../analysis/reference/palette.json";
import {colorOf, roleOf} from "./registry.js";

/** The colour of a model, the same in every figure, table and PDF. */
export const modelColor = (model) => colorOf(model) ?? palette.other;

const SYMBOLS = {teacher: "square", student: "circle", baseline: "triangle"};

/** The mark of a model in plots: teachers and students are told apart without their colours. */
export const modelSymbol = (model) => SYMBOLS[roleOf(model)] ?? "circle";

/** The dash of a model's line, likewise. */
export const modelDash = (model) => ({teacher: "5 3", baseline: "2 3"})[roleOf(model)] ?? "none";

/** The colour of an attacked or a benign window. */
export const labelColor = (attacked) => palette.labels[attacked ? "attack" : "benign"];

/** The i-th colour for names that have none of their own (attacks, vehicles, stages). */
export const categoryColor = (i) => palette.categories[i % palette.categories.length];

/**
 * Names of the panels of a plot as a mark: in one line where they stand one below the other (`panel` "fy"), else broken at a comma, since
 * they are narrow. The id of each shows under the pointer.
 */
export const panelTitles = (names, label, panel) =>
  Plot.text(names, {
    [panel]: (name) => name, text: (name) => (panel === "fy" ? label(name) : label(name).replace(", ", ",\n")), title: (name) => name,
    fontWeight: 600, frameAnchor: "top-left", lineAnchor: "bottom", dy: -6
  });

/** Pixels that labels of `names` need left of a chart, at most half of its width. */
export const labelRoom = (names, width) => Math.min(width / 2, 14 + 6.7 * Math.max(...names.map((name) => String(name).length)));

/** Options every Plot starts from. Ink is `currentColor`, so that light and dark pages both read. */
export const base = ({width = 640} = {}) => ({
  width,
  className: "kdgat-plot",
  style: {background: "none", color: "currentColor", fontSize: "12px", fontFamily: "inherit", overflow: "visible"}
});
