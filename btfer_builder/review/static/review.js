// What each key and click does, and what the address says.

import {
  accept, busy, decide, index, isUnsaved, label, move, nextUndecided, reject, select, sheet, show, turn, undo, view,
} from "./session.js";

const grid = document.getElementById("grid");
const reasons = document.getElementById("reasons");
const help = document.getElementById("help");
const labels = [...document.querySelectorAll("[data-label]")].map((button) => button.dataset.label);

const acts = {
  accept,
  undo,
  reject: () => sheet.items[index] && reasons.showModal(),
  skip: () => decide({ verdict: "skip", emotion: null, reason: null }),
  help: () => help.showModal(),
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
  "?": acts.help,
  f: () => (document.querySelector("#filter [aria-current]") ?? document.querySelector("#filter a")).focus(),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  ArrowDown: () => moveRow(1),
  ArrowUp: () => moveRow(-1),
  PageDown: acts.next,
  PageUp: acts.previous,
  Home: () => select(0),
  End: () => select(sheet.items.length - 1),
};

function columns() {
  return getComputedStyle(grid).gridTemplateColumns.split(" ").length;
}

/** Move a row down or up; from the last row to the next page, but not past the last item of a short row. */
function moveRow(by) {
  const across = columns();
  const lastRow = Math.floor((sheet.items.length - 1) / across);
  const row = Math.floor(index / across) + by;
  if (row >= 0 && row <= lastRow) select(Math.min(index + by * across, sheet.items.length - 1));
  else turn(by, by > 0 ? "first" : "last");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (reasons.open) return chooseReason(event, key);
  if (help.open) {
    if (key === "?") {
      event.preventDefault();
      help.close();
    }
    return;
  }
  const focused = document.activeElement;
  if (focused.closest("#filter")) return walkFilter(event, key, focused);
  // A button or link in focus keeps its own keys.
  if ((key === "Enter" || key === " ") && focused.closest("button, a")) return;
  const emotion = labels[digit(event) - 1];
  const act = emotion ? () => label(emotion) : Object.hasOwn(keys, key) ? keys[key] : null;
  if (!act) return;
  event.preventDefault();
  const moves = key.startsWith("Arrow");
  if (busy || (event.repeat && !moves)) return; // a key held down decides once
  act();
});

/** The digit of a key; on keyboards that type digits with shift (French), of the key without it. */
function digit(event) {
  if (/^[0-9]$/.test(event.key)) return Number(event.key);
  const code = event.shiftKey ? null : /^Digit([0-9])$/.exec(event.code);
  return code ? Number(code[1]) : NaN;
}

function chooseReason(event, key) {
  const button = reasons.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!button) return;
  event.preventDefault();
  reasons.close();
  reject(button.dataset.reason);
}

function walkFilter(event, key, focused) {
  const links = [...document.querySelectorAll("#filter a")];
  const place = links.indexOf(focused);
  const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: links.length - 1 }[key];
  const named = links[digit(event)] ?? (key === " " ? focused : null);
  if (to !== undefined) links[(to + links.length) % links.length].focus();
  else if (named) named.click();
  else if (key === "Escape") grid.focus();
  else return;
  event.preventDefault();
}

// --- Mouse and address ----------------------------------------------------------------------------------

grid.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) select(Number(option.dataset.index));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#filter a, .rounds a");
  if (link) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab is the browser's
    event.preventDefault();
    const where = link.dataset.round
      ? { round: link.dataset.round, emotion: "" }
      : { round: view.round, emotion: link.dataset.emotion };
    grid.focus();
    show({ ...where, at: "next" }, "undecided");
    return;
  }
  const button = event.target.closest("button");
  if (!button || help.contains(button)) return;
  if (button.dataset.reason) {
    reasons.close();
    reject(button.dataset.reason);
  } else if (button.dataset.label) label(button.dataset.label);
  else acts[button.dataset.act]?.();
  if (!reasons.open && !help.open) grid.focus();
});

for (const dialog of [reasons, help]) dialog.addEventListener("close", () => grid.focus());

document.getElementById("preview").addEventListener("error", () => {
  document.getElementById("preview").hidden = true;
  document.getElementById("blank").hidden = false;
});

window.addEventListener("beforeunload", (event) => {
  if (isUnsaved()) event.preventDefault();
});

window.addEventListener("popstate", () => open(false));

/** Show what the address says; without a page, the one with the first item still to be decided. */
function open(push) {
  const asked = new URLSearchParams(location.search);
  const where = { round: asked.get("round") || "faces", emotion: asked.get("emotion") || "" };
  const last = sessionStorage.getItem("selected");
  if (!asked.get("page")) return show({ ...where, at: "next" }, "undecided", { push });
  return show({ ...where, page: asked.get("page") }, "undecided", { push }).then(() => {
    const place = sheet.items.findIndex((item) => item.item_id === last);
    if (place >= 0) select(place);
  });
}

grid.focus();
open(false);
