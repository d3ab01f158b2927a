// What Quarto shows when one points at a reference: the entry of a citation, the float or equation of a cross-reference.
const TARGETS = /^#(ref|fig|tbl|eq)-/;

/** Gives every such link of `root` a preview, by mouse and by keyboard. */
export function install(root) {
  const box = document.createElement("div");
  box.id = "kdgat-preview";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);
  const hide = () => {
    box.hidden = true;
  };
  const show = (link) => {
    const copy = document.getElementById(decodeURIComponent(link.hash.slice(1)))?.cloneNode(true);
    if (!copy) return;
    for (const node of [copy, ...copy.querySelectorAll("[id]")]) node.removeAttribute("id");
    for (const node of copy.querySelectorAll("a, [tabindex]")) node.tabIndex = -1;
    box.replaceChildren(copy);
    box.hidden = false;
    const place = link.getBoundingClientRect();
    const below = place.bottom + 6 + box.offsetHeight < innerHeight;
    box.style.top = `${below ? place.bottom + 6 : Math.max(8, place.top - 6 - box.offsetHeight)}px`;
    box.style.left = `${Math.max(8, Math.min(place.left, innerWidth - box.offsetWidth - 8))}px`;
  };
  for (const link of root.querySelectorAll('a[href^="#"]')) {
    if (!TARGETS.test(link.hash)) continue;
    link.addEventListener("mouseenter", () => show(link));
    link.addEventListener("focus", () => show(link));
    link.addEventListener("mouseleave", hide);
    link.addEventListener("blur", hide);
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
  addEventListener("scroll", hide, {passive: true});
}
