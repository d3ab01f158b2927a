// What every page of the site does once it is read: numbers open their traces, and whatever scrolls can be reached by keyboard.
import {install as installTraces} from "./provenance.js";

/** Wide tables and equations scroll inside themselves on narrow screens; those that do become focusable. */
export function makeScrollable(root) {
  for (const node of root.querySelectorAll("main table, main math[display=block]")) {
    if (node.scrollWidth > node.clientWidth) node.tabIndex = 0;
    else node.removeAttribute("tabindex");
  }
}

/** `url`: the folder of the release's traces. */
export function install(root, url) {
  installTraces(root, url);
  makeScrollable(root);
  addEventListener("resize", () => makeScrollable(root));
}
