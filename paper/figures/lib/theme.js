// One visual language: the palette of the whole project, and what all plots share.
import palette from "../../../analysis/reference/palette.json";
import {colorOf} from "./registry.js";

/** The colour of a model, the same in every figure, table and PDF. */
export const modelColor = (model) => colorOf(model) ?? palette.other;

/** The colour of an attacked or a benign window. */
export const labelColor = (attacked) => palette.labels[attacked ? "attack" : "benign"];

/** The i-th colour for names that have none of their own (attacks, vehicles, stages). */
export const categoryColor = (i) => palette.categories[i % palette.categories.length];

/** Pixels that labels of `names` need left of a chart, at most half of its width. */
export const labelRoom = (names, width) => Math.min(width / 2, 14 + 6.7 * Math.max(...names.map((name) => String(name).length)));

/** Options every Plot starts from. Ink is `currentColor`, so that light and dark pages both read. */
export const base = ({width = 640} = {}) => ({
  width,
  className: "kdgat-plot",
  style: {background: "none", color: "currentColor", fontSize: "12px", fontFamily: "inherit", overflow: "visible"}
});
