// The view: the page of items, the selected item and range, and the address that describes them.

import { drawActive, drawEmpty } from "./active.js";
import { drawCompare } from "./compare.js";
import { drawFinished, nextStep, stepNodes } from "./finished.js";
import { request } from "./outbox.js";
import { addressOf, fetchAround, fetchPage, query } from "./pagination.js";
import {
  announce, drawGrid, drawOption, drawPanel, drawProgress, drawSaved, drawSelection, fetchPictures,
  pictureUrl,
} from "./grid.js";
import { decisionOf, isUnsaved, onChange, outbox, progress, refusedCount, setProgress, stateOf } from "./store.js";

const byId = (id) => document.getElementById(id);
const grid = byId("grid");
const labelsOf = (menu) => Object.fromEntries(
  [...document.querySelectorAll(`#${menu} [data-value]`)].map((button) => [button.dataset.value, button]),
);
const meanings = { show: labelsOf("shows"), sort: labelsOf("sorts") };

// The view in the address; `view.view` is the layout: sheet, single or compare.
export let view = { round: "faces", emotion: "", show: "all", sort: "found", view: "sheet", page: 1 };
export let page = { items: [], total: 0, pages: 1 };
export let index = 0; // the selected item
let noticed = null; // a notice, shown until an item is selected
let anchor = null; // the other end of the range, if there is one
export let busy = false; // a page is being loaded: keys must not decide on items that are not shown yet

onChange(drawState);

/** The selected items, in their order. */
export function selectedItems() {
  const [first, last] = range();
  return page.items.slice(first, last + 1);
}

const range = () => (anchor === null ? [index, index] : [Math.min(anchor, index), Math.max(anchor, index)]);
export const endOfRange = () => range()[1];

// --- Drawing --------------------------------------------------------------------------------------------

export function drawState() {
  page.items.forEach((item, each) => {
    const option = grid.children[each];
    if (option) drawOption(option, item, stateOf(item), each, page.items.length);
  });
  drawItem();
  drawSaved(outbox.jobs.length, refusedCount(), outbox.error);
  if (progress) drawProgress(progress, view);
  if (progress) drawFinished(progress, isUnsaved());
}

function drawItem() {
  const item = page.items[index];
  const [first, last] = range();
  drawPanel(item, item && stateOf(item), last - first + 1);
  if (noticed) drawNotice();
  drawCompare(view.view === "compare" ? item : null);
}

/** Show and announce a notice. */
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
 * Show a page. `changes` are the changes of the view, with `page` or `at` (an item id or "next"); `pick` is the item to
 * select: "first", "last", "undecided" or an id. `keep` stays in the list as first shown.
 */
export async function show(changes, pick, { push = true, keep = false } = {}) {
  if (busy) return;
  busy = true;
  grid.setAttribute("aria-busy", "true");
  try {
    const requested = { ...view, page: undefined, ...changes };
    const [answer, counts] = await Promise.all([
      fetchPage({ ...requested, keep }),
      progress?.round === requested.round ? null : request(`/api/progress?${query({ round: requested.round })}`),
    ]);
    page = answer;
    if (counts) setProgress(counts); // otherwise the counts received meanwhile are newer
    const { round, emotion, show: filter, sort } = page;
    view = { round, emotion: emotion ?? "", show: filter, sort, view: requested.view, page: page.page };
    writeAddress(push);
    drawPage();
    select(indexOf(pick));
    drawState();
    fetchAround(view, page.pages);
  } catch (error) {
    if (!("status" in error)) throw error;
    byId("trouble").hidden = false;
    byId("trouble").textContent = `The page could not be loaded: ${error.message}. Reload to try again.`;
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

function indexOf(pick) {
  const find = {
    first: () => 0,
    last: () => page.items.length - 1,
    undecided: () => page.items.findIndex((item) => !decisionOf(item)),
  }[pick];
  return Math.max(0, find ? find() : page.items.findIndex((item) => item.item_id === pick));
}

function drawPage() {
  drawGrid(page.items, stateOf);
  grid.scrollTop = 0;
  drawLayout();
  const nothing = byId("nothing");
  nothing.hidden = page.items.length > 0;
  grid.classList.toggle("empty", page.items.length === 0); // it keeps the focus and the keys
  drawActive(view);
  drawNothing(nothing);
  byId("pager").textContent = `Page ${view.page} of ${page.pages}`;
  for (const name of ["show", "sort"]) {
    if (byId(name)) byId(name).textContent = view[name];
  }
  document.querySelector('[data-act="previous"]').disabled = view.page <= 1;
  document.querySelector('[data-act="next"]').disabled = view.page >= page.pages;
  document.title = `${view.round} ${view.emotion} ${view.page}/${page.pages} · Review`;
}

/** Say why a list is empty and what to do. */
function drawNothing(nothing) {
  if (page.items.length) return nothing.replaceChildren();
  if (view.show !== "all" || (view.emotion && progress?.items)) {
    const meaning = meanings.show[view.show].querySelector("small").textContent;
    return drawEmpty(nothing, view, meaning);
  }
  const settled = "adjudicate" in document.body.dataset;
  nothing.textContent = settled ? `Reviewers do not disagree on any of the ${view.round}.` : `No ${view.round} to review yet.`;
  if (progress?.items === 0) drawNext(nothing, view.round);
}

/** Add the next step of the workspace to an empty list. */
async function drawNext(nothing, round) {
  const text = nothing.textContent;
  const answer = await nextStep(round).catch(() => null);
  const next = answer?.next;
  if (next && nothing.textContent === text) {
    const line = document.createElement("p");
    line.append(`${text} `, ...stepNodes(next), ", then reload this page.");
    nothing.replaceChildren(line);
  }
}

// --- Layouts: contact sheet, one large picture, side by side --------------------------------------------

/** Change the layout, or return from it to the contact sheet. */
export function setLayout(name) {
  view = { ...view, view: view.view === name ? "sheet" : name };
  writeAddress(true);
  drawLayout();
  select(index);
  announce(view.view === "sheet" ? "Contact sheet" : view.view === "single" ? "Single picture" : "Side by side");
}

function drawLayout() {
  byId("main").dataset.view = view.view;
}

// --- Selection ------------------------------------------------------------------------------------------

export function select(newIndex, { extend = false } = {}) {
  anchor = extend ? anchor ?? index : null;
  noticed = null;
  index = newIndex;
  const item = page.items[index];
  drawSelection(index, range());
  drawItem();
  if (anchor !== null) announce(`${selectedItems().length} selected`);
  if (item) sessionStorage.setItem("selected", item.item_id); // a reload selects it again
  fetchPictures(page.items.slice(index + 1, index + 4).map((next) => pictureUrl(next, false)));
}

export function move(by) {
  const target = index + by;
  if (target >= 0 && target < page.items.length) select(target);
  else if (by > 0 && view.page < page.pages) turn(1, "first");
  else if (by < 0 && view.page > 1) turn(-1, "last");
  else return false;
  return true;
}

/** Move the end of the range within the page. */
export function extend(by) {
  const target = Math.min(Math.max(index + by, 0), page.items.length - 1);
  if (page.items.length) select(target, { extend: true });
}

export function clearRange() {
  if (anchor !== null) select(index);
}

export function turn(by, pick) {
  const number = view.page + by;
  if (number >= 1 && number <= page.pages) show({ page: number }, pick, { keep: true });
}

/** Go to the next undecided item: on this page, or else the first one the server finds. */
export async function nextUndecided() {
  const next = page.items.findIndex((item, each) => each > index && !decisionOf(item));
  if (next >= 0) return select(next);
  const counts = view.emotion ? progress.per_emotion[view.emotion] : progress;
  if (counts.left === 0 && counts.skipped === 0) {
    const elsewhere = progress.left ? ` ${progress.left} left under other emotions: press f, then 0` : "";
    return notice(`Nothing left ${view.emotion ? `under ${view.emotion}` : "in this round"}.${elsewhere}`);
  }
  await outbox.idle(); // the server must know all decisions to find an undecided item
  return show({ at: "next" }, "undecided");
}

/** Select an item, on whichever page it is. */
export function reveal(id, listedUnder) {
  const found = page.items.findIndex((item) => item.item_id === id);
  if (found >= 0) {
    select(found);
    drawState();
    return;
  }
  const here = view.show === "all" && (view.emotion === "" || view.emotion === listedUnder);
  show({ at: id, ...(here ? {} : { emotion: "", show: "all" }) }, id, { keep: true });
}
