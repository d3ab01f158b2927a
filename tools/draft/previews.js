// What Quarto shows when one points at a reference: the entry of a citation, the float or equation of a cross-reference.
import {install as installPreviews} from "../../paper/figures/lib/preview.js";

/** Gives every such link of `root` a preview. */
export function install(root) {
  installPreviews(root, ["ref", "fig", "tbl", "eq"].map((kind) => `a[href^="#${kind}-"]`).join(), (link) => {
    const copy = document.getElementById(decodeURIComponent(link.hash.slice(1)))?.cloneNode(true);
    if (!copy) return null;
    for (const node of [copy, ...copy.querySelectorAll("[id]")]) node.removeAttribute("id");
    for (const node of copy.querySelectorAll("a, [tabindex]")) node.tabIndex = -1;
    return copy;
  });
}
