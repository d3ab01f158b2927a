// One visual language: the palette of the whole project, and what all plots share.
import * as Plot from "@observablehq/plot";
import {format, lab} from "d3";
import palette from "../../../analysis/reference/palette.json";
import {colorOf, roleOf} from "./registry.js";

/** A colour of the project's palette, as dark or light as it has to be for 3:1 on a white page and on a dark one (`lab`: CIELAB). */
export function legible(color) {
  const {l, a, b} = lab(color);
  return lab(Math.min(LIGHTNESS.max, Math.max(LIGHTNESS.min, l)), a, b).formatHex();
}
const LIGHTNESS = {min: 45, max: 60};

/** The colour of a model, the same in every figure. */
export const modelColor = (model) => legible(colorOf(model) ?? palette.other);

const SYMBOLS = {teacher: "square", student: "circle", baseline: "triangle"};

/** The mark of a model in plots: teachers and students are told apart without their colours. */
export const modelSymbol = (model) => SYMBOLS[roleOf(model)] ?? "circle";

/** The dash of a model's line, likewise. */
export const modelDash = (model) => ({teacher: "5 3", baseline: "2 3"})[roleOf(model)] ?? "none";

/** The colour of an attacked or a benign window. */
export const labelColor = (attacked) => palette.labels[attacked ? "attack" : "benign"];

/** The i-th colour for names that have none of their own (attacks, vehicles, stages). */
export const categoryColor = (i) => legible(palette.categories[i % palette.categories.length]);

/**
 * Names of the panels of a plot as a mark: in one line, which ends at the right, where they stand one below the other (`panel` "fy"), else broken at a comma, since
 * they are narrow. The id of each shows under the pointer.
 */
export const panelTitles = (names, label, panel) =>
  Plot.text(names, {
    [panel]: (name) => name, text: (name) => (panel === "fy" ? label(name) : label(name).replace(", ", ",\n")), title: (name) => name,
    fontWeight: 600, frameAnchor: panel === "fy" ? "top-right" : "top-left", lineAnchor: "bottom", dy: -6
  });

/** Pixels that labels of `names` need left of a chart, at most 0.55 of its width; `size`: of their letters. */
export const labelRoom = (names, width, size = 12) => Math.min(0.55 * width, TICK + LETTER * size * Math.max(...names.map((name) => String(name).length)));
const [TICK, LETTER] = [14, 0.56]; // pixels, and a letter's width by its size

/** `name` cut where `room` pixels left of a chart end. */
export const fitted = (name, room, size = 12) => {
  const letters = Math.floor((room - TICK) / (LETTER * size));
  return name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
};

/** Ticks of a logarithmic axis that bear a number: others would touch. */
export const sparse = (count) => (/^[125]/.test(count) ? format("~s")(count) : "");

/** Options every Plot starts from. Ink is `currentColor`, so that light and dark pages both read. */
export const base = ({width = 640} = {}) => ({
  width,
  marginTop: 30, // a label above the axis stays clear of its highest tick
  className: "kdgat-plot",
  style: {background: "none", color: "currentColor", fontSize: "12px", fontFamily: "inherit", overflow: "visible"}
});
