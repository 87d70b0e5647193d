// What each key and click does, and what the address says.

import { accept, acceptRest, label, reject, rejectRest, skip, undo } from "./actions.js";
import { closeMenu, isOpen, menuClick, menuKey, openMenu } from "./menus.js";
import {
  busy, extend, index, letGo, move, nextUndecided, select, shape, sheet, show, turn, view,
} from "./view_state.js";
import { isUnsaved } from "./store.js";

const grid = document.getElementById("grid");
const labels = [...document.querySelectorAll(".labels [data-label]")].map((button) => button.dataset.label);
const blind = "blind" in document.body.dataset;

const acts = {
  accept,
  undo,
  skip,
  reject: () => sheet.items[index] && openMenu("reasons", (button) => reject(button.dataset.value)),
  rejectRest: () => sheet.items[index] && openMenu("reasons", (button) => rejectRest(button.dataset.value)),
  filter: () => openMenu("shows", filter),
  sort: () => blind || openMenu("sorts", (button) => show({ sort: button.dataset.value, page: 1 }, "first")),
  help: () => openMenu("help", () => {}),
  single: () => shape("single"),
  compare: () => shape("compare"),
  previous: () => turn(-1, "first"),
  next: () => turn(1, "first"),
  undecided: nextUndecided,
};

const keys = {
  Enter: acts.accept,
  " ": acts.accept,
  x: acts.reject,
  s: acts.skip,
  u: acts.undo,
  n: acts.undecided,
  f: acts.filter,
  o: acts.sort,
  v: acts.single,
  d: acts.compare,
  "?": acts.help,
  Escape: letGo,
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  ArrowDown: () => moveRow(1),
  ArrowUp: () => moveRow(-1),
  PageDown: acts.next,
  PageUp: acts.previous,
  Home: () => select(0),
  End: () => select(sheet.items.length - 1),
};

const shiftKeys = {
  a: acceptRest,
  x: acts.rejectRest,
  ArrowRight: () => extend(1),
  ArrowLeft: () => extend(-1),
  ArrowDown: () => extend(columns()),
  ArrowUp: () => extend(-columns()),
  Home: () => extend(-index),
  End: () => extend(sheet.items.length),
};

function columns() {
  return view.view === "sheet" ? getComputedStyle(grid).gridTemplateColumns.split(" ").length : 1;
}

/** Move a row down or up; from the last row to the next page, but not past the last item of a short row. */
function moveRow(by) {
  const across = columns();
  const lastRow = Math.floor((sheet.items.length - 1) / across);
  const row = Math.floor(index / across) + by;
  if (row >= 0 && row <= lastRow) select(Math.min(index + by * across, sheet.items.length - 1));
  else turn(by, by > 0 ? "first" : "last");
}

/** A filter begins a new list, at its first item that still needs a decision. */
function filter(button) {
  const { value, emotion } = button.dataset;
  const where = value === undefined ? { emotion } : { show: value };
  show({ ...where, at: "next" }, "undecided");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (isOpen()) return menuKey(event, digit(event) >= 0 ? String(digit(event)) : key);
  const focused = document.activeElement;
  // A button or link in focus keeps its own keys.
  if ((key === "Enter" || key === " ") && focused.closest("button, a")) return;
  const emotion = labels[digit(event) - 1];
  const act = emotion ? () => label(emotion) : actOf(event, key);
  if (!act) return;
  event.preventDefault();
  const moves = key.startsWith("Arrow");
  if (busy || (event.repeat && !moves)) return; // a key held down decides once
  act();
});

function actOf(event, key) {
  // "?" needs shift on most keyboards; letters and arrows with shift mean something else.
  const table = event.shiftKey && key !== "?" ? shiftKeys : keys;
  return Object.hasOwn(table, key) ? table[key] : null;
}

/** The digit of a key; on keyboards that type digits with shift (French), of the key without it. */
function digit(event) {
  if (/^[0-9]$/.test(event.key)) return Number(event.key);
  const code = event.shiftKey ? null : /^Digit([0-9])$/.exec(event.code);
  return code ? Number(code[1]) : NaN;
}

// --- Mouse and address ----------------------------------------------------------------------------------

// A click never takes the focus out of the grid.
document.addEventListener("mousedown", (event) => {
  if (event.target.closest("button, a")) event.preventDefault();
});

grid.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) select(Number(option.dataset.index), { extend: event.shiftKey });
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#filter a, .rounds a");
  if (link) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab is the browser's
    event.preventDefault();
    const { round, emotion } = link.dataset;
    show(round ? { round, emotion: "", show: "all", at: "next" } : { emotion, at: "next" }, "undecided");
  } else {
    const button = event.target.closest("button");
    if (!button) return isOpen() && !event.target.closest(".menu") && closeMenu();
    if (menuClick(button)) return;
    if (button.dataset.label) label(button.dataset.label);
    else acts[button.dataset.act]?.();
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

/** Show what the address says; without a page, the one with the first item still to be decided. */
async function open(push) {
  const asked = new URLSearchParams(location.search);
  const named = (name, plain) => asked.get(name) || plain;
  const where = {
    round: named("round", "faces"),
    emotion: named("emotion", ""),
    show: named("show", "all"),
    sort: named("sort", "found"),
    view: named("view", "sheet"),
  };
  const last = sessionStorage.getItem("selected");
  if (!asked.get("page")) return show({ ...where, at: "next" }, "undecided", { push });
  await show({ ...where, page: Number(asked.get("page")) }, "undecided", { push, keep: true });
  const place = sheet.items.findIndex((item) => item.item_id === last);
  if (place >= 0) select(place);
}

grid.focus();
open(false);
