// One small box that shows what stands behind a number or a reference: by pointing, by keyboard focus, by a tap; Escape hides it.
import {element} from "./figure.js";

const DELAY = 120; // ms that a pointer rests before the box opens, and that it stays open on the way into the box

/** What is shown, for which element; the box is made with the first preview of a page. */
let box = null;
let shown = null;
let timer = 0;

function hide() {
  clearTimeout(timer);
  shown?.removeAttribute("aria-describedby");
  shown = null;
  if (box) box.hidden = true;
}

async function show(target, content) {
  clearTimeout(timer);
  if (shown === target) return;
  hide();
  shown = target;
  const node = await content(target);
  if (shown !== target || !node) return;
  box.replaceChildren(node);
  box.hidden = false;
  target.setAttribute("aria-describedby", box.id);
  const place = target.getBoundingClientRect();
  const below = place.bottom + 6 + box.offsetHeight < innerHeight;
  box.style.top = `${below ? place.bottom + 6 : Math.max(8, place.top - 6 - box.offsetHeight)}px`;
  box.style.left = `${Math.max(8, Math.min(place.left, innerWidth - box.offsetWidth - 8))}px`;
}

const later = (act) => {
  clearTimeout(timer);
  timer = setTimeout(act, DELAY);
};

/**
 * Previews every element of `root` that matches `selector`, also those that come later. `content(target)` gives the node to show, or
 * null for none; it may take its time. Where there is nothing to hover with, the first tap shows and the second one acts.
 */
export function install(root, selector, content) {
  if (!box) {
    box = element("div", {id: "kdgat-preview", role: "tooltip", hidden: ""});
    document.body.append(box);
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => later(hide));
    addEventListener("keydown", (event) => event.key === "Escape" && hide());
    addEventListener("scroll", hide, {passive: true});
    addEventListener("click", (event) => shown && !shown.contains(event.target) && hide());
  }
  const of = (event) => event.target.closest?.(selector);
  root.addEventListener("pointerover", (event) => {
    const target = event.pointerType !== "touch" && of(event);
    if (target) later(() => show(target, content));
  });
  root.addEventListener("pointerout", (event) => of(event) && event.pointerType !== "touch" && later(hide));
  root.addEventListener("focusin", (event) => of(event)?.matches(":focus-visible") && show(of(event), content));
  root.addEventListener("focusout", (event) => of(event) && hide());
  root.addEventListener("click", (event) => {
    const target = of(event);
    if (!target) return;
    if (event.pointerType !== "touch" || shown === target) return hide();
    event.preventDefault();
    event.stopImmediatePropagation();
    show(target, content);
  }, {capture: true});
}
