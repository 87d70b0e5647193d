// What the reviewer decides: of one item, of a range, of the rest of a page; and taking it back.

import { announce, spoken } from "./grid.js";
import {
  busy, chosen, drawState, endOfRange, index, move, notice, reveal, select, sheet, turn, view,
} from "./view_state.js";
import { heard, hearWord, isRefused, outbox, progress, refuse, say, wordOf } from "./store.js";

const steps = []; // what undo takes back, latest last: {items: [{item, before}], job, round}
const NAMES = ["verdict", "emotion", "reason"];

/** Say a word of each of some items, as one step. `wordFor(item)` is the word. */
function decideOn(items, wordFor) {
  const news = items.filter((item) => {
    const [before, word] = [wordOf(item), wordFor(item)];
    return !before || NAMES.some((name) => before[name] !== word[name]) || isRefused(item);
  });
  if (!news.length) return;
  const bodies = news.map((item) => ({ item_id: item.item_id, kind: item.kind, ...wordFor(item) }));
  const ids = news.map((item) => item.item_id);
  const alone = bodies.length === 1;
  const job = {
    url: alone ? "/api/decisions" : "/api/decisions/batch",
    items: ids,
    body: () => (alone ? bodies[0] : { decisions: bodies }),
    done: (answer) => {
      job.decisions = answer.decision_ids ?? [answer.decision_id];
      heard(answer);
    },
    refused: (error) => {
      job.lost = true;
      refuse(ids, error.message);
      announce(`Not saved: ${error.message}`);
    },
  };
  steps.push({ items: news.map((item) => ({ item, before: wordOf(item) })), job, round: view.round });
  for (const item of news) say(item, wordFor(item));
  outbox.add(job);
}

/** Decide on what is selected, and go on. */
function decide(wordFor) {
  const items = chosen();
  if (!items.length || busy) return;
  const last = endOfRange();
  decideOn(items, wordFor);
  const [, text] = spoken(items[0], wordFor(items[0]));
  const told = items.length > 1 ? `${items.length} items: ${text}.` : `${text}.`;
  if (last !== index || items.length > 1) select(last);
  announce(told);
  if (!move(1)) announce(`${told} End of the list, ${progress.left} left in all${progress.left ? ": press n" : ""}.`);
}

const rejected = (reason) => ({ verdict: "reject", emotion: null, reason });
const labelled = (emotion) => ({ verdict: "accept", emotion, reason: null });

export const label = (emotion) => decide(() => labelled(emotion));
export const reject = (reason) => decide(() => rejected(reason));
export const skip = () => decide(() => ({ verdict: "skip", emotion: null, reason: null }));

export function accept() {
  const items = chosen();
  if (!items.length) return;
  const open = items.find((item) => !item.emotion);
  if (!open) return decide((item) => labelled(item.emotion));
  notice(`${whyOpen(open)}: press 1–7 to say which`);
}

function whyOpen(item) {
  if (item.votes.length) return "No answer leads";
  return item.found_under.length ? `Found under ${item.found_under.join(" and ")}` : "You review blind";
}

const undecided = () => sheet.items.filter((item) => !wordOf(item));

/** Accept everything on this page that is not decided; what has no proposed label stays. */
export function acceptRest() {
  decideRest(undecided().filter((item) => item.emotion), (item) => labelled(item.emotion), "accepted");
}

/** Reject everything on this page that is not decided. */
export function rejectRest(reason) {
  decideRest(undecided(), () => rejected(reason), "rejected");
}

function decideRest(items, wordFor, done) {
  if (busy) return;
  decideOn(items, wordFor);
  drawState();
  const told = `${items.length} ${done}.`;
  const open = undecided();
  if (open.length) {
    select(sheet.items.indexOf(open[0]));
    notice(`${told} ${open.length} left on this page: ${whyOpen(open[0])}`);
  } else if (view.page < sheet.pages) {
    announce(told);
    turn(1, "first");
  } else notice(`${told} This was the last page${progress.left ? ": press n" : ""}.`);
}

// --- Undo -----------------------------------------------------------------------------------------------

export function undo() {
  if (busy) return;
  const step = steps.findLast((each) => each.round === view.round);
  if (step) undoStep(step);
  else undoEarlier();
}

function undoStep(step) {
  steps.splice(steps.lastIndexOf(step), 1);
  const { items, job } = step;
  for (const { item, before } of items) say(item, before);
  const ids = items.map(({ item }) => item.item_id);
  outbox.add({
    url: "/api/undo",
    items: ids,
    // Decisions that the server refused need no undoing; those it took are named, so that a second try of the
    // same undo takes nothing else back.
    body: () => (job.lost ? null : { round: step.round, decision_ids: job.decisions }),
    done: heard,
    refused: (error) => refuse(ids, error.message),
  });
  const { item } = items[0];
  reveal(item.item_id, item.listed_under);
  announce(items.length > 1 ? `Undone: ${items.length} items` : "Undone");
}

/** Undo what was decided before this page was opened: only the server knows it. */
function undoEarlier() {
  const { round } = view;
  if (outbox.jobs.length || !progress?.latest) {
    notice(outbox.jobs.length ? "Still saving: press u again" : "Nothing to undo");
    return;
  }
  const { decision_id: id } = progress.latest;
  outbox.add({
    url: "/api/undo",
    body: () => ({ round, decision_id: id }),
    done: (answer) => {
      hearWord(answer.item_id, answer.my);
      heard(answer);
      announce("Undone");
      reveal(answer.item_id, null);
    },
    refused: (error) => notice(error.message),
  });
}
