// What this reviewer said, what of it is saved, and how much is done. Everything shows at once; the outbox tells the
// server after.

import { Outbox } from "./outbox.js";

const said = new Map(); // item id -> this reviewer's word as of now; stands above what pages say
const refused = new Map(); // item id -> why the server would not take the word
const listeners = [];

export const outbox = new Outbox(() => listeners.forEach((changed) => changed()));
export let progress = null;

/** Be told whenever something is saved, refused or cannot be sent. */
export const onChange = (changed) => listeners.push(changed);

export const wordOf = (item) => (said.has(item.item_id) ? said.get(item.item_id) : item.my);

/** What is so of an item: {word, unsaved}; `unsaved` says why, or is null. */
export function stateOf(item) {
  return { word: wordOf(item), unsaved: refused.get(item.item_id) ?? waiting(item) };
}

function waiting(item) {
  if (!outbox.error) return null;
  return outbox.jobs.some((job) => job.items?.includes(item.item_id)) ? outbox.error : null;
}

export const refusals = () => refused.size;
export const isRefused = (item) => refused.has(item.item_id);

/** Whether leaving now would lose something. */
export const isUnsaved = () => outbox.jobs.length > 0 || refused.size > 0;

/** Take down that the server would not take what was said of these items. */
export function refuse(ids, why) {
  for (const id of ids) refused.set(id, why);
}

/** Change what is said of an item, and count it before the server does. */
export function say(item, word) {
  const before = wordOf(item);
  said.set(item.item_id, word);
  refused.delete(item.item_id);
  if (!progress) return;
  const blind = "blind" in document.body.dataset;
  for (const [each, by] of [[before, -1], [word, 1]]) {
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

/** Take over what the server says of an item that may not be on this page. */
export const hearWord = (id, word) => said.set(id, word);

/** Take over the server's counts; while more is on its way, what we count ourselves is newer. */
export function heard(answer) {
  if (outbox.jobs.length === 0) progress = answer.progress;
}

export function setProgress(counts) {
  progress = counts;
}
