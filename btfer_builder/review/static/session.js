// One reviewer's session: what is shown, what was said of it, and what undo takes back. Every effect shows at
// once; the outbox tells the server after.

import { ask, Outbox } from "./outbox.js";
import {
  announce, drawGrid, drawOption, drawPanel, drawProgress, drawSaved, drawSelection, pictureUrl, spoken,
} from "./sheet.js";

const byId = (id) => document.getElementById(id);
const grid = byId("grid");

export let view = { round: "faces", emotion: "", page: 1 }; // what the address says
export let sheet = { items: [], total: 0, pages: 1 }; // what is shown
export let index = 0; // the selected item
export let busy = false; // a page is on its way: no key may decide on an item that is not seen yet
let progress = null;
const said = new Map(); // item id -> this reviewer's word as of now; stands above what pages say
const refused = new Map(); // item id -> why the server would not take the word
const steps = []; // what undo takes back, latest last: {item, before, job, round}
const outbox = new Outbox(drawState);

// --- What is so -----------------------------------------------------------------------------------------

const wordOf = (item) => (said.has(item.item_id) ? said.get(item.item_id) : item.my);

function unsaved(item) {
  if (refused.has(item.item_id)) return refused.get(item.item_id);
  const waits = outbox.error && outbox.jobs.some((job) => job.item?.item_id === item.item_id);
  return waits ? outbox.error : null;
}

const stateOf = (item) => ({ word: wordOf(item), unsaved: unsaved(item) });

function drawState() {
  sheet.items.forEach((item, place) => {
    const option = grid.children[place];
    if (option) drawOption(option, item, stateOf(item), place, sheet.items.length);
  });
  const item = sheet.items[index];
  drawPanel(item, item && stateOf(item));
  drawSaved(outbox.jobs.length, refused.size, outbox.error);
  if (progress) drawProgress(progress, view);
}

/** Count a word that changed before the server does. */
function count(item, before, after) {
  if (!progress) return;
  for (const counts of [progress, progress.per_emotion[item.listed_under]]) {
    counts.decided += Boolean(after) - Boolean(before);
    counts.skipped += (after?.verdict === "skip") - (before?.verdict === "skip");
    counts.left = counts.items - counts.decided;
  }
}

function heard(answer) {
  // While more is on its way, what we count ourselves is newer.
  if (outbox.jobs.length === 0) progress = answer.progress;
}

// --- Pages ----------------------------------------------------------------------------------------------

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
const seen = new Map(); // pages asked for ahead: address -> promise

function fetchPage(where) {
  const url = `/api/items?${query({ ...where, per_page: document.body.dataset.perPage })}`;
  if (!seen.has(url)) seen.set(url, ask(url));
  return seen.get(url);
}

/** Ask for the next page and its pictures before they are needed. */
async function fetchAhead() {
  if (view.page >= sheet.pages) return;
  try {
    const next = await fetchPage({ ...view, page: view.page + 1 });
    for (const item of next.items) new Image().src = pictureUrl(item, true);
  } catch {
    seen.clear(); // it is asked for again when it is needed
  }
}

/**
 * Show a page. `where` is {round, emotion, page} or has `at` (an item id or "next") instead of a page; `pick`
 * says which item is selected: "first", "last", "undecided" or an id.
 */
export async function show(where, pick, { push = true } = {}) {
  if (busy) return;
  busy = true;
  grid.setAttribute("aria-busy", "true");
  try {
    const [page, counts] = await Promise.all([
      fetchPage(where), progress?.round === where.round ? progress : ask(`/api/progress?${query({ round: where.round })}`),
    ]);
    seen.clear();
    sheet = page;
    progress = counts;
    view = { round: page.round, emotion: page.emotion ?? "", page: page.page };
    const address = `?${query(view)}`;
    if (push && address !== location.search) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    drawSheet();
    select(picked(pick));
    drawState();
    fetchAhead();
  } catch (error) {
    if (!("status" in error)) throw error;
    seen.clear();
    byId("trouble").hidden = false;
    byId("trouble").textContent = `This page could not be read: ${error.message}. Reload to try again.`;
  } finally {
    busy = false;
    grid.removeAttribute("aria-busy");
  }
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
  grid.hidden = sheet.items.length === 0;
  const nothing = byId("nothing");
  nothing.hidden = !grid.hidden;
  const before = view.round === "faces" ? "btfer crop" : "btfer dedupe";
  nothing.textContent = view.emotion
    ? `No ${view.round} were found under ${view.emotion}. Press f, then 0, for all emotions.`
    : `No ${view.round} to review yet. Run ${before} first, then reload this page.`;
  byId("pager").textContent = `Page ${view.page} of ${sheet.pages}`;
  document.querySelector('[data-act="previous"]').disabled = view.page <= 1;
  document.querySelector('[data-act="next"]').disabled = view.page >= sheet.pages;
  document.title = `${view.round} ${view.emotion} ${view.page}/${sheet.pages} · Review`;
}

export function select(place) {
  index = place;
  const item = sheet.items[index];
  drawSelection(index);
  drawPanel(item, item && stateOf(item));
  if (item) sessionStorage.setItem("selected", item.item_id); // a reload comes back to it
  for (const next of sheet.items.slice(index + 1, index + 4)) new Image().src = pictureUrl(next, false);
}

export function move(by) {
  const place = index + by;
  if (place >= 0 && place < sheet.items.length) select(place);
  else if (by > 0 && view.page < sheet.pages) turn(1, "first");
  else if (by < 0 && view.page > 1) turn(-1, "last");
  else return false;
  return true;
}

export function turn(by, pick) {
  const page = view.page + by;
  if (page >= 1 && page <= sheet.pages) show({ ...view, page }, pick);
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
  return show({ round: view.round, emotion: view.emotion, at: "next" }, "undecided");
}

// --- Decisions ------------------------------------------------------------------------------------------

export function decide(word) {
  const item = sheet.items[index];
  if (!item || busy) return;
  const before = wordOf(item);
  const same = before && ["verdict", "emotion", "reason"].every((name) => before[name] === word[name]);
  if (!same || refused.has(item.item_id)) {
    const job = {
      url: "/api/decisions",
      item,
      body: () => ({ item_id: item.item_id, kind: item.kind, ...word }),
      done: (answer) => {
        job.decision = answer.decision_id;
        heard(answer);
      },
      refused: (error) => {
        job.lost = true;
        refused.set(item.item_id, error.message);
        announce(`Not saved: ${error.message}`);
      },
    };
    refused.delete(item.item_id);
    said.set(item.item_id, word);
    count(item, before, word);
    steps.push({ item, before, job, round: view.round });
    outbox.add(job);
  }
  const [, text] = spoken(item, word);
  announce(`${text}.`);
  if (!move(1)) announce(`${text}. End of the list, ${progress.left} left in all${progress.left ? ": press n" : ""}.`);
}

export const label = (emotion) => decide({ verdict: "accept", emotion, reason: null });
export const reject = (reason) => decide({ verdict: "reject", emotion: null, reason });

export function accept() {
  const item = sheet.items[index];
  if (!item) return;
  if (item.emotion) label(item.emotion);
  else notice(`Found under ${item.found_under.join(" and ")}: press 1–7 to say which`);
}

/** Say something that asks for another key, to eyes and ears. */
function notice(text) {
  announce(text);
  byId("verdict").textContent = text;
  byId("verdict").dataset.verdict = "notice";
}

export function undo() {
  if (busy) return;
  const step = steps.findLast((each) => each.round === view.round);
  if (step) undoStep(step);
  else undoEarlier();
}

function undoStep(step) {
  steps.splice(steps.lastIndexOf(step), 1);
  const { item, before, job } = step;
  count(item, wordOf(item), before);
  said.set(item.item_id, before);
  refused.delete(item.item_id);
  outbox.add({
    url: "/api/undo",
    item,
    // A decision that the server refused needs no undoing; one it took is named, so that a second try of
    // the same undo takes nothing else back.
    body: () => (job.lost ? null : { round: step.round, decision_id: job.decision }),
    done: heard,
    refused: (error) => refused.set(item.item_id, error.message),
  });
  announce("Undone");
  reveal(item);
}

/** Undo what was decided before this page was opened: only the server knows it. */
async function undoEarlier() {
  const round = view.round;
  if (outbox.jobs.length || !progress?.latest) {
    notice(outbox.jobs.length ? "Still saving: press u again" : "Nothing to undo");
    return;
  }
  const { decision_id } = progress.latest;
  outbox.add({
    url: "/api/undo",
    body: () => ({ round, decision_id }),
    done: (answer) => {
      said.set(answer.item_id, answer.my);
      heard(answer);
      announce("Undone");
      reveal({ item_id: answer.item_id });
    },
    refused: (error) => notice(error.message),
  });
}

/** Select an item, wherever it is. */
function reveal(item) {
  const place = sheet.items.findIndex((each) => each.item_id === item.item_id);
  if (place >= 0) {
    select(place);
    drawState();
    return;
  }
  const emotion = view.emotion === item.listed_under ? view.emotion : "";
  show({ round: view.round, emotion, at: item.item_id }, item.item_id);
}

/** Whether leaving now would lose something. */
export const isUnsaved = () => outbox.jobs.length > 0 || refused.size > 0;
