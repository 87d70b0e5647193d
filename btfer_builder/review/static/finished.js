// Tells a reviewer who has decided everything how far the reviewers agree, and what comes next.

import { announce, element } from "./grid.js";
import { request } from "./outbox.js";

const finished = document.getElementById("finished");
let shown = ""; // the state that the text is about

/** Show the finished state of a round, or hide it; `unsaved` decisions are not known to the server yet. */
export async function drawFinished(progress, unsaved) {
  const done = progress.items > 0 && progress.left === 0;
  finished.hidden = !done;
  const state = JSON.stringify([progress.round, progress.decided, progress.skipped, progress.latest]);
  if (!done || unsaved) shown = "";
  if (!done || unsaved || shown === state) return;
  shown = state;
  const skipped = progress.skipped ? ` (${progress.skipped} skipped)` : "";
  const one = progress.items === 1;
  const what = `All done: ${progress.items} ${one ? progress.round.slice(0, -1) : progress.round}${skipped}.`;
  finished.replaceChildren(element("strong", "", what));
  const answer = await nextStep(progress.round).catch(() => null); // the line above stays without it
  if (!answer || shown !== state) return; // changed meanwhile
  const { agreement, next } = answer;
  finished.append(` ${agreement}. `, ...stepNodes(next));
  announce(finished.textContent);
}

/** Return what the server says about a round: {agreement, next: {sentence, command}}. */
export const nextStep = (round) => request(`/api/next?round=${round}`);

/** The next step as a sentence and a command. */
export const stepNodes = ({ sentence, command }) => [`Next: ${sentence}: `, element("code", "", command)];
