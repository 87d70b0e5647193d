// What is shown: the page, the selected item, the range around it, and the address that says all of it.

import { drawCompare } from "./compare.js";
import { ask } from "./outbox.js";
import { addressOf, fetchAround, fetchPage, query } from "./pagination.js";
import {
  announce, drawGrid, drawOption, drawPanel, drawProgress, drawSaved, drawSelection, fetchPictures,
  pictureUrl,
} from "./grid.js";
import { onChange, outbox, progress, refusals, setProgress, stateOf, wordOf } from "./store.js";

const byId = (id) => document.getElementById(id);
const grid = byId("grid");
const labelsOf = (menu) => Object.fromEntries(
  [...document.querySelectorAll(`#${menu} [data-value]`)].map((button) => [button.dataset.value, button]),
);
const meanings = { show: labelsOf("shows"), sort: labelsOf("sorts") };

// What the address says; `view` is the shape: sheet, single or compare.
export let view = { round: "faces", emotion: "", show: "all", sort: "found", view: "sheet", page: 1 };
export let sheet = { items: [], total: 0, pages: 1 }; // what is shown
export let index = 0; // the selected item
let noticed = null; // what asks for another key, until one is pressed that selects
let anchor = null; // the other end of the range, while there is one
export let busy = false; // a page is on its way: no key may decide on an item that is not seen yet

onChange(drawState);

/** The selected items, in their order. */
export function chosen() {
  const [first, last] = range();
  return sheet.items.slice(first, last + 1);
}

const range = () => (anchor === null ? [index, index] : [Math.min(anchor, index), Math.max(anchor, index)]);
export const endOfRange = () => range()[1];

// --- Drawing --------------------------------------------------------------------------------------------

export function drawState() {
  sheet.items.forEach((item, place) => {
    const option = grid.children[place];
    if (option) drawOption(option, item, stateOf(item), place, sheet.items.length);
  });
  drawItem();
  drawSaved(outbox.jobs.length, refusals(), outbox.error);
  if (progress) drawProgress(progress, view);
}

function drawItem() {
  const item = sheet.items[index];
  const [first, last] = range();
  drawPanel(item, item && stateOf(item), last - first + 1);
  if (noticed) drawNotice();
  drawCompare(view.view === "compare" ? item : null);
}

/** Say something that asks for another key, to eyes and ears. */
export function notice(text) {
  announce(text);
  noticed = text;
  drawNotice();
}

function drawNotice() {
  byId("verdict").textContent = noticed;
  byId("verdict").dataset.verdict = "notice";
}

// --- Pages ----------------------------------------------------------------------------------------------

/**
 * Show a page. `where` holds what changes of the view, with `page` or `at` (an item id or "next"); `pick` says which
 * item is selected: "first", "last", "undecided" or an id. `keep` goes on in the list as it is.
 */
export async function show(where, pick, { push = true, keep = false } = {}) {
  if (busy) return;
  busy = true;
  grid.setAttribute("aria-busy", "true");
  try {
    const asked = { ...view, page: undefined, ...where };
    const [page, counts] = await Promise.all([
      fetchPage({ ...asked, keep }),
      progress?.round === asked.round ? null : ask(`/api/progress?${query({ round: asked.round })}`),
    ]);
    sheet = page;
    if (counts) setProgress(counts); // else what was heard meanwhile is newer
    const { round, emotion, show: filter, sort } = page;
    view = { round, emotion: emotion ?? "", show: filter, sort, view: asked.view, page: page.page };
    writeAddress(push);
    drawSheet();
    select(picked(pick));
    drawState();
    fetchAround(view, sheet.pages);
  } catch (error) {
    if (!("status" in error)) throw error;
    byId("trouble").hidden = false;
    byId("trouble").textContent = `This page could not be read: ${error.message}. Reload to try again.`;
  } finally {
    busy = false;
    grid.removeAttribute("aria-busy");
  }
}

function writeAddress(push) {
  const address = addressOf(view);
  if (push && address !== location.search) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

function picked(pick) {
  const place = {
    first: () => 0,
    last: () => sheet.items.length - 1,
    undecided: () => sheet.items.findIndex((item) => !wordOf(item)),
  }[pick];
  return Math.max(0, place ? place() : sheet.items.findIndex((item) => item.item_id === pick));
}

function drawSheet() {
  drawGrid(sheet.items, stateOf);
  grid.scrollTop = 0;
  drawShape();
  const nothing = byId("nothing");
  nothing.hidden = sheet.items.length > 0;
  grid.classList.toggle("empty", sheet.items.length === 0); // it keeps the focus, and so the keys
  nothing.textContent = nothingText();
  byId("pager").textContent = `Page ${view.page} of ${sheet.pages}`;
  for (const name of ["show", "sort"]) {
    if (byId(name)) byId(name).textContent = view[name];
  }
  document.querySelector('[data-act="previous"]').disabled = view.page <= 1;
  document.querySelector('[data-act="next"]').disabled = view.page >= sheet.pages;
  document.title = `${view.round} ${view.emotion} ${view.page}/${sheet.pages} · Review`;
}

function nothingText() {
  if (view.show !== "all") return `No ${view.round} here: ${meanings.show[view.show].querySelector("small").textContent}. Press f, then a, for everything.`;
  if (view.emotion) return `No ${view.round} here under ${view.emotion}. Press f, then 0, for all emotions.`;
  if ("adjudicate" in document.body.dataset) return `Reviewers disagree on none of the ${view.round}.`;
  return `No ${view.round} to review yet. Run ${view.round === "faces" ? "btfer crop" : "btfer dedupe"} first, then reload this page.`;
}

// --- Shapes: the sheet, one large picture, side by side -------------------------------------------------

/** Take another shape, or go back to the sheet if it has that one. */
export function shape(name) {
  view = { ...view, view: view.view === name ? "sheet" : name };
  writeAddress(true);
  drawShape();
  select(index);
  announce(view.view === "sheet" ? "Contact sheet" : view.view === "single" ? "Single picture" : "Side by side");
}

function drawShape() {
  byId("main").dataset.view = view.view;
}

// --- Selection ------------------------------------------------------------------------------------------

export function select(place, { extend = false } = {}) {
  anchor = extend ? anchor ?? index : null;
  noticed = null;
  index = place;
  const item = sheet.items[index];
  drawSelection(index, range());
  drawItem();
  if (anchor !== null) announce(`${chosen().length} selected`);
  if (item) sessionStorage.setItem("selected", item.item_id); // a reload comes back to it
  fetchPictures(sheet.items.slice(index + 1, index + 4).map((next) => pictureUrl(next, false)));
}

export function move(by) {
  const place = index + by;
  if (place >= 0 && place < sheet.items.length) select(place);
  else if (by > 0 && view.page < sheet.pages) turn(1, "first");
  else if (by < 0 && view.page > 1) turn(-1, "last");
  else return false;
  return true;
}

/** Move the end of the range; it stays on its page. */
export function extend(by) {
  const place = Math.min(Math.max(index + by, 0), sheet.items.length - 1);
  if (sheet.items.length) select(place, { extend: true });
}

export function letGo() {
  if (anchor !== null) select(index);
}

export function turn(by, pick) {
  const page = view.page + by;
  if (page >= 1 && page <= sheet.pages) show({ page }, pick, { keep: true });
}

/** Go to the next item without a word: on this page, or else where the server finds the first one. */
export async function nextUndecided() {
  const ahead = sheet.items.findIndex((item, place) => place > index && !wordOf(item));
  if (ahead >= 0) return select(ahead);
  const counts = view.emotion ? progress.per_emotion[view.emotion] : progress;
  if (counts.left === 0 && counts.skipped === 0) {
    const elsewhere = progress.left ? ` ${progress.left} left under other emotions: press f, then 0` : "";
    return notice(`Nothing left ${view.emotion ? `under ${view.emotion}` : "in this round"}.${elsewhere}`);
  }
  await outbox.idle(); // the server must know what is decided to find what is not
  return show({ at: "next" }, "undecided");
}

/** Select an item, wherever it is. */
export function reveal(id, listedUnder) {
  const place = sheet.items.findIndex((each) => each.item_id === id);
  if (place >= 0) {
    select(place);
    drawState();
    return;
  }
  const here = view.show === "all" && (view.emotion === "" || view.emotion === listedUnder);
  show({ at: id, ...(here ? {} : { emotion: "", show: "all" }) }, id, { keep: true });
}
