// Runs a page's OJS cells on the Observable runtime, in place, as Quarto does. Imports and CDN builtins are left out on purpose.
import {Interpreter} from "@alex.garcia/unofficial-observablehq-compiler";
import {Runtime} from "@observablehq/runtime";
import {install as installPreviews} from "./previews.js";

const cells = [...document.querySelectorAll(".ojs-cell")];

/** The width of the text, anew whenever it changes. */
async function* width() {
  const main = document.getElementById("content");
  let current = 0;
  for (;;) {
    const style = getComputedStyle(main);
    const next = Math.floor(main.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
    if (next !== current) yield (current = next);
    await new Promise((resolve) => {
      const observer = new ResizeObserver(() => {
        if (main.clientWidth !== current) { observer.disconnect(); setTimeout(resolve, 50); }
      });
      observer.observe(main);
    });
  }
}

/** The values of an input: what `viewof` means. */
async function* input(element) {
  const next = () => new Promise((resolve) => element.addEventListener("input", resolve, {once: true}));
  if (element.value !== undefined) yield element.value;
  for (;;) {
    await next();
    yield element.value;
  }
}

/** Shows a node as it is, an error in words, and nothing for the values that cells merely define. */
class Observer {
  constructor(place) {
    this.place = place;
  }
  pending() {}
  fulfilled(value) {
    this.place.replaceChildren(...(value instanceof Node ? [value] : []));
  }
  rejected(error) {
    const text = document.createElement("p");
    text.className = "kdgat-empty kdgat-error";
    text.setAttribute("role", "alert");
    text.textContent = error.message ?? String(error);
    this.place.replaceChildren(text);
    console.error(error);
  }
}

if (cells.length) {
  const module = new Runtime({width, Generators: () => ({input})}).module();
  const interpreter = new Interpreter({module, observeViewofValues: false});
  for (const cell of cells) {
    const observer = () => new Observer(cell.appendChild(document.createElement("div")));
    interpreter.module(cell.querySelector("script").textContent, module, observer).catch((error) => observer().rejected(error));
  }
}

installPreviews(document.body);
