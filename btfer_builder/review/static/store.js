// This reviewer's decisions, which of them are saved, and the progress. Changes are shown at once; the outbox sends
// them to the server afterwards.

import { Outbox } from "./outbox.js";

const decisions = new Map(); // item id -> this reviewer's current decision; takes precedence over the pages
const refused = new Map(); // item id -> why the server refused the decision
const listeners = [];

export const outbox = new Outbox(() => listeners.forEach((changed) => changed()));
export let progress = null;

/** Call a function whenever something is saved, refused or cannot be sent. */
export const onChange = (changed) => listeners.push(changed);

export const decisionOf = (item) => (decisions.has(item.item_id) ? decisions.get(item.item_id) : item.my);

/** The state of an item: {decision, unsaved}; `unsaved` is the reason why it is not saved, or null. */
export function stateOf(item) {
  return { decision: decisionOf(item), unsaved: refused.get(item.item_id) ?? waiting(item) };
}

function waiting(item) {
  if (!outbox.error) return null;
  return outbox.jobs.some((job) => job.items?.includes(item.item_id)) ? outbox.error : null;
}

export const refusedCount = () => refused.size;
export const isRefused = (item) => refused.has(item.item_id);

/** Whether leaving the page now would lose a decision. */
export const isUnsaved = () => outbox.jobs.length > 0 || refused.size > 0;

/** Record that the server refused the decisions on these items. */
export function markRefused(ids, reason) {
  for (const id of ids) refused.set(id, reason);
}

/** Set the decision on an item (null: undecided), and update the counts before the server does. */
export function setDecision(item, decision) {
  const before = decisionOf(item);
  decisions.set(item.item_id, decision);
  refused.delete(item.item_id);
  if (!progress) return;
  const blind = "blind" in document.body.dataset;
  for (const [each, by] of [[before, -1], [decision, 1]]) {
    const group = blind ? each?.emotion : item.listed_under;
    for (const counts of [progress, progress.per_emotion[group]]) {
      if (!counts) continue;
      counts.decided += by * Boolean(each);
      counts.skipped += by * (each?.verdict === "skip");
      if (blind && counts !== progress) counts.items += by * Boolean(each);
      counts.left = counts.items - counts.decided;
    }
  }
}

/** Store the server's decision on an item that may not be on this page. */
export const receiveDecision = (id, decision) => decisions.set(id, decision);

/** Store the counts of an answer, unless the outbox still has jobs that are already counted here. */
export function receiveProgress(answer) {
  if (outbox.jobs.length === 0) progress = answer.progress;
}

export function setProgress(counts) {
  progress = counts;
}
