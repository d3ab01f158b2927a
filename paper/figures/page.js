// What every page of the site does once it is read: numbers open their traces, and whatever scrolls can be reached by keyboard.
import {install as installTraces} from "./provenance.js";

/** Wide tables, equations and pictures scroll inside themselves on narrow screens; those that do become focusable. */
export function makeScrollable(root) {
  for (const node of root.querySelectorAll("main table, main math[display=block], main figure:not(.ojs-cell figure), main figure p")) {
    if (node.scrollWidth > node.clientWidth) node.tabIndex = 0;
    else node.removeAttribute("tabindex");
  }
}

const MANY = 8; // numbers of a table that one may want to pass by

/** A link before each table with many numbers, each of which is a stop of the keyboard, to what follows it. It shows when it is reached. */
export function skipNumbers(root) {
  [...root.querySelectorAll("main table")].forEach((table, i) => {
    const {length} = table.querySelectorAll(".num[data-key]");
    if (length <= MANY) return;
    const end = Object.assign(document.createElement("span"), {id: `after-numbers-${i + 1}`, tabIndex: -1});
    const skip = Object.assign(document.createElement("a"), {className: "kdgat-skip", href: `#${end.id}`, textContent: `Skip ${length} numbers`});
    table.before(skip);
    table.after(end);
  });
}

/** The pages before and after this one, in the order of the navigation bar, at the end of the text. */
export function joinPages(root, here = location) {
  const path = (address) => address.pathname.replace(/\/$/, "/index.html");
  const links = [...root.querySelectorAll("header nav a[href$='.html'], header nav a[href$='/']")].filter((link) => !link.matches(".brand, .navbar-brand"));
  const pages = links.filter((link, i) => links.findIndex((other) => path(other) === path(link)) === i);
  const at = pages.findIndex((link) => path(link) === path(here));
  const main = root.querySelector("main");
  if (at < 0 || !main) return;
  const to = (link, rel, arrow) => {
    if (!link) return document.createElement("span");
    const text = link.textContent.trim();
    return Object.assign(document.createElement("a"), {href: link.href, rel, textContent: rel === "prev" ? `${arrow} ${text}` : `${text} ${arrow}`});
  };
  const nav = Object.assign(document.createElement("nav"), {className: "kdgat-joined"});
  nav.setAttribute("aria-label", "Pages before and after");
  nav.append(to(pages[at - 1], "prev", "←"), to(pages[at + 1], "next", "→"));
  main.append(nav);
}

/** What is chosen in the controls of `root`, in words: what a printed page says in their place. */
export function chosen(root) {
  const choices = [...root.querySelectorAll("form")].map((form) => {
    const name = form.querySelector("label, .kdgat-label")?.textContent.trim();
    const select = form.querySelector("select");
    const boxes = [...form.querySelectorAll("[type=checkbox]")];
    const numbers = [...form.querySelectorAll("[type=number]")].map((input) => input.value);
    const checked = boxes.filter((box) => box.checked);
    const value = select ? select.selectedOptions[0]?.textContent : boxes.length ? (checked.length === boxes.length ? "all" : checked.map((box) => box.parentElement.textContent.trim()).join(", ") || "none") : numbers.join(" to ");
    return name && value && `${name}: ${value}`;
  });
  return choices.filter(Boolean).join("; ");
}

/** Puts what is chosen before the controls, for paper alone. */
function tellChoices(root) {
  for (const controls of root.querySelectorAll(".controls")) {
    const before = controls.previousElementSibling?.matches(".kdgat-print") ? controls.previousElementSibling : Object.assign(document.createElement("p"), {className: "kdgat-print"});
    before.textContent = chosen(controls);
    controls.before(before);
  }
}

/** `url`: the folder of the release's traces. */
export function install(root, url) {
  installTraces(root, url);
  joinPages(root);
  skipNumbers(root);
  makeScrollable(root);
  addEventListener("beforeprint", () => tellChoices(root));
  addEventListener("resize", () => makeScrollable(root));
}
