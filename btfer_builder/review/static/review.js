// Handles keys, clicks and the address.

import { accept, acceptRest, label, reject, rejectRest, skip, undo } from "./actions.js";
import { without } from "./active.js";
import { closeMenu, isOpen, menuClick, menuKey, openMenu } from "./menus.js";
import {
  busy, clearRange, extend, index, move, nextUndecided, page, select, setLayout, show, turn, view,
} from "./view_state.js";
import { isUnsaved } from "./store.js";
import { onSwipe } from "./swipe.js";

const grid = document.getElementById("grid");
const single = document.getElementById("single");
const labels = [...document.querySelectorAll(".labels [data-label]")].map((button) => button.dataset.label);
const blind = "blind" in document.body.dataset;

const actions = {
  accept,
  undo,
  skip,
  reject: () => page.items[index] && openMenu("reasons", (button) => reject(button.dataset.value)),
  rejectRest: () => page.items[index] && openMenu("reasons", (button) => rejectRest(button.dataset.value)),
  filter: () => openMenu("shows", filter),
  sort: () => blind || openMenu("sorts", (button) => show({ sort: button.dataset.value, page: 1 }, "first")),
  help: () => openMenu("help", () => {}),
  single: () => setLayout("single"),
  compare: () => setLayout("compare"),
  previous: () => turn(-1, "first"),
  next: () => turn(1, "first"),
  undecided: nextUndecided,
};

const keys = {
  Enter: actions.accept,
  " ": actions.accept,
  x: actions.reject,
  s: actions.skip,
  u: actions.undo,
  n: actions.undecided,
  f: actions.filter,
  o: actions.sort,
  v: actions.single,
  d: actions.compare,
  "?": actions.help,
  Escape: clearRange,
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  ArrowDown: () => moveRow(1),
  ArrowUp: () => moveRow(-1),
  PageDown: actions.next,
  PageUp: actions.previous,
  Home: () => select(0),
  End: () => select(page.items.length - 1),
};

const shiftKeys = {
  a: acceptRest,
  x: actions.rejectRest,
  ArrowRight: () => extend(1),
  ArrowLeft: () => extend(-1),
  ArrowDown: () => extend(columns()),
  ArrowUp: () => extend(-columns()),
  Home: () => extend(-index),
  End: () => extend(page.items.length),
};

function columns() {
  return view.view === "sheet" ? getComputedStyle(grid).gridTemplateColumns.split(" ").length : 1;
}

/** Move a row down or up: from the last row to the next page, in a short row to its last item. */
function moveRow(by) {
  const perRow = columns();
  const lastRow = Math.floor((page.items.length - 1) / perRow);
  const row = Math.floor(index / perRow) + by;
  if (row >= 0 && row <= lastRow) select(Math.min(index + by * perRow, page.items.length - 1));
  else turn(by, by > 0 ? "first" : "last");
}

/** Show a new list, from its first undecided item. */
function filter(button) {
  const { value, emotion } = button.dataset;
  const changes = value === undefined ? { emotion } : { show: value };
  show({ ...changes, at: "next" }, "undecided");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (isOpen()) return menuKey(event, digit(event) >= 0 ? String(digit(event)) : key);
  const focused = document.activeElement;
  // A focused button or link handles its own keys.
  if ((key === "Enter" || key === " ") && focused.closest("button, a")) return;
  const emotion = labels[digit(event) - 1];
  const action = emotion ? () => label(emotion) : actionOf(event, key);
  if (!action) return;
  event.preventDefault();
  const moves = key.startsWith("Arrow");
  if (busy || (event.repeat && !moves)) return; // a key that is held down decides once
  action();
});

function actionOf(event, key) {
  // "?" needs shift on most keyboards; letters and arrows have another action with shift.
  const table = event.shiftKey && key !== "?" ? shiftKeys : keys;
  return Object.hasOwn(table, key) ? table[key] : null;
}

/** The digit of a key; also without shift on keyboards that type digits with it (French). */
function digit(event) {
  if (/^[0-9]$/.test(event.key)) return Number(event.key);
  const code = event.shiftKey ? null : /^Digit([0-9])$/.exec(event.code);
  return code ? Number(code[1]) : NaN;
}

// --- Mouse and address ----------------------------------------------------------------------------------

// A click does not move the focus out of the grid.
document.addEventListener("mousedown", (event) => {
  if (event.target.closest("button, a, .preview, #single")) event.preventDefault();
});

grid.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) select(Number(option.dataset.index), { extend: event.shiftKey });
});

grid.addEventListener("dblclick", (event) => {
  if (event.target.closest("[role=option]") && view.view !== "single") setLayout("single");
});
for (const picture of [document.querySelector(".preview"), single]) {
  picture.addEventListener("click", () => page.items[index] && setLayout("single"));
}

onSwipe(grid, (target) => (view.view === "sheet" ? target.closest("[role=option]") : null), {
  right: (option) => decideOn(option, accept),
  left: (option) => decideOn(option, actions.reject),
});
onSwipe(single, (target) => target.closest("#large"), { right: accept, left: actions.reject });

function decideOn(option, action) {
  if (busy) return;
  select(Number(option.dataset.index));
  action();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("#filter a, .rounds a");
  if (link) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser opens a new tab
    event.preventDefault();
    const { round, emotion } = link.dataset;
    show(round ? { round, emotion: "", show: "all", at: "next" } : { emotion, at: "next" }, "undecided");
  } else {
    const button = event.target.closest("button");
    if (!button) return isOpen() && !event.target.closest(".menu") && closeMenu();
    if (menuClick(button)) return;
    const { without: limit } = button.dataset;
    if (limit) show({ ...without(limit), at: "next" }, "undecided");
    else if (button.dataset.label) label(button.dataset.label);
    else actions[button.dataset.act]?.();
  }
  grid.focus();
});

for (const [id, blank] of [["preview", "blank"], ["large", "large-blank"]]) {
  const image = document.getElementById(id);
  image.addEventListener("error", () => {
    image.hidden = true;
    document.getElementById(blank).hidden = false;
  });
}

window.addEventListener("beforeunload", (event) => {
  if (isUnsaved()) event.preventDefault();
});

window.addEventListener("popstate", () => open(false));

/** Show the view of the address; without a page number, the page with the first undecided item. */
async function open(push) {
  const parameters = new URLSearchParams(location.search);
  const valueOf = (name, byDefault) => parameters.get(name) || byDefault;
  const changes = {
    round: valueOf("round", "faces"),
    emotion: valueOf("emotion", ""),
    show: valueOf("show", "all"),
    sort: valueOf("sort", "found"),
    view: valueOf("view", "sheet"),
  };
  const last = sessionStorage.getItem("selected");
  if (!parameters.get("page")) return show({ ...changes, at: "next" }, "undecided", { push });
  await show({ ...changes, page: Number(parameters.get("page")) }, "undecided", { push, keep: true });
  const found = page.items.findIndex((item) => item.item_id === last);
  if (found >= 0) select(found);
}

grid.focus();
open(false);
