// The actions of the reviewer: decide on an item, a range or the rest of a page, and undo.

import { announce, describe } from "./grid.js";
import {
  busy, drawState, endOfRange, index, move, notice, page, reveal, select, selectedItems, turn, view,
} from "./view_state.js";
import {
  decisionOf, isRefused, markRefused, outbox, progress, receiveDecision, receiveProgress, setDecision,
} from "./store.js";

const steps = []; // for undo, latest last: {items: [{item, before}], job, round}
const FIELDS = ["verdict", "emotion", "reason"];

/** Decide on items as one step; `decisionFor(item)` returns the decision. */
function decideOn(items, decisionFor) {
  const changed = items.filter((item) => {
    const [before, decision] = [decisionOf(item), decisionFor(item)];
    return !before || FIELDS.some((name) => before[name] !== decision[name]) || isRefused(item);
  });
  if (!changed.length) return;
  const bodies = changed.map((item) => ({ item_id: item.item_id, kind: item.kind, ...decisionFor(item) }));
  const ids = changed.map((item) => item.item_id);
  const single = bodies.length === 1;
  const job = {
    url: single ? "/api/decisions" : "/api/decisions/batch",
    items: ids,
    body: () => (single ? bodies[0] : { decisions: bodies }),
    done: (answer) => {
      job.decisions = answer.decision_ids ?? [answer.decision_id];
      receiveProgress(answer);
    },
    refused: (error) => {
      job.lost = true;
      markRefused(ids, error.message);
      announce(`Not saved: ${error.message}`);
    },
  };
  steps.push({ items: changed.map((item) => ({ item, before: decisionOf(item) })), job, round: view.round });
  for (const item of changed) setDecision(item, decisionFor(item));
  outbox.add(job);
}

/** Decide on the selected items, and go to the next one. */
function decide(decisionFor) {
  const items = selectedItems();
  if (!items.length || busy) return;
  const last = endOfRange();
  decideOn(items, decisionFor);
  const [, text] = describe(items[0], decisionFor(items[0]));
  const message = items.length > 1 ? `${items.length} items: ${text}.` : `${text}.`;
  if (last !== index || items.length > 1) select(last);
  announce(message);
  if (!move(1)) announce(`${message} End of the list, ${progress.left} left in all${progress.left ? ": press n" : ""}.`);
}

const rejected = (reason) => ({ verdict: "reject", emotion: null, reason });
const labelled = (emotion) => ({ verdict: "accept", emotion, reason: null });

export const label = (emotion) => decide(() => labelled(emotion));
export const reject = (reason) => decide(() => rejected(reason));
export const skip = () => decide(() => ({ verdict: "skip", emotion: null, reason: null }));

export function accept() {
  const items = selectedItems();
  if (!items.length) return;
  const open = items.find((item) => !item.emotion);
  if (!open) return decide((item) => labelled(item.emotion));
  notice(`${whyOpen(open)}: press 1–7 to label`);
}

function whyOpen(item) {
  if (item.votes.length) return "No answer leads";
  return item.found_under.length ? `Found under ${item.found_under.join(" and ")}` : "You review blind";
}

const undecided = () => page.items.filter((item) => !decisionOf(item));

/** Accept all undecided items of this page that have a proposed label. */
export function acceptRest() {
  decideRest(undecided().filter((item) => item.emotion), (item) => labelled(item.emotion), "accepted");
}

/** Reject all undecided items of this page. */
export function rejectRest(reason) {
  decideRest(undecided(), () => rejected(reason), "rejected");
}

function decideRest(items, decisionFor, done) {
  if (busy) return;
  decideOn(items, decisionFor);
  drawState();
  const message = `${items.length} ${done}.`;
  const open = undecided();
  if (open.length) {
    select(page.items.indexOf(open[0]));
    notice(`${message} ${open.length} left on this page: ${whyOpen(open[0])}`);
  } else if (view.page < page.pages) {
    announce(message);
    turn(1, "first");
  } else notice(`${message} This was the last page${progress.left ? ": press n" : ""}.`);
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
  for (const { item, before } of items) setDecision(item, before);
  const ids = items.map(({ item }) => item.item_id);
  outbox.add({
    url: "/api/undo",
    items: ids,
    // Refused decisions need no undo; the others are named by id, so that a retry undoes nothing else.
    body: () => (job.lost ? null : { round: step.round, decision_ids: job.decisions }),
    done: receiveProgress,
    refused: (error) => markRefused(ids, error.message),
  });
  const { item } = items[0];
  reveal(item.item_id, item.listed_under);
  announce(items.length > 1 ? `Undone: ${items.length} items` : "Undone");
}

/** Undo a decision made before this page was opened; only the server knows it. */
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
      receiveDecision(answer.item_id, answer.my);
      receiveProgress(answer);
      announce("Undone");
      reveal(answer.item_id, null);
    },
    refused: (error) => notice(error.message),
  });
}
