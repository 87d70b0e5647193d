// Draws the page: the grid, the selected item and the progress. Has no state of the review.

const byId = (id) => document.getElementById(id);
const spaced = (name) => name.replaceAll("_", " ");

export function pictureUrl(item, thumb) {
  return `/api/picture/${item.kind}/${item.item_id}${thumb ? "?thumb=1" : ""}`;
}

/** The state of an item as [mark, text], so that no information is in the colour alone. */
export function describe(item, decision) {
  if (!decision && item.votes.length) return ["≠", counts(item).map(([answer, n]) => `${answer}${n > 1 ? ` ×${n}` : ""}`).join(" / ")];
  if (!decision && !item.found_under.length) return ["", "?"]; // blind
  if (!decision) return item.emotion === null ? ["?", "conflict"] : ["", `${item.emotion}?`];
  const proposed = item.found_under.length > 0 || item.votes.length > 0;
  if (decision.verdict === "accept") {
    return [proposed && decision.emotion !== item.emotion ? "→" : "✓", decision.emotion ?? "no label"];
  }
  if (decision.verdict === "reject") return ["✕", spaced(decision.reason)];
  return ["–", "skipped"];
}

/** The vote counts of an item, the largest first: [["happy", 2], ["sad", 1]]. */
function counts(item) {
  const votes = new Map();
  for (const { answer } of item.votes) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  return [...votes].sort((first, second) => second[1] - first[1]);
}

/** Make an element; its text is never parsed as HTML, since it may come from anywhere. */
export function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Fill the grid with an option for each item. */
export function drawGrid(items, stateOf) {
  byId("grid").replaceChildren(...items.map((item, index) => {
    const option = element("li");
    option.id = `item-${index}`;
    option.dataset.index = index;
    option.setAttribute("role", "option");
    const picture = element("span", "picture");
    const image = element("img");
    image.alt = "";
    image.decoding = "async";
    image.addEventListener("error", () => picture.replaceChildren(element("span", "lost", "no picture")));
    image.src = pictureUrl(item, true);
    picture.append(image);
    option.append(picture, element("span", "badge"));
    drawOption(option, item, stateOf(item), index, items.length);
    return option;
  }));
}

/** Share of padding from which a crop has a sign. */
const PADDED = 0.05;

/** Update one option. */
export function drawOption(option, item, { decision, unsaved }, index, count) {
  const state = JSON.stringify([decision, unsaved]);
  if (option.dataset.state === state) return; // most options have not changed
  option.dataset.state = state;
  const [mark, text] = describe(item, decision);
  option.dataset.verdict = decision ? decision.verdict : "none";
  option.classList.toggle("conflict", item.emotion === null && item.found_under.length > 1 && !decision);
  option.classList.toggle(
    "relabelled",
    decision?.verdict === "accept" && item.found_under.length > 0 && decision.emotion !== item.emotion,
  );
  option.classList.toggle("unsaved", Boolean(unsaved));
  option.classList.toggle("padded", item.padding > PADDED);
  const badge = option.querySelector(".badge");
  badge.replaceChildren(element("b", "", unsaved ? "!" : mark), unsaved ? "not saved" : text);
  badge.title = unsaved || text;
  const verdict = { accept: "labelled as ", reject: "rejected: ", skip: "" }[decision?.verdict];
  const status = decision ? `${verdict}${text}` : "undecided";
  option.setAttribute(
    "aria-label", `${index + 1} of ${count}. ${aboutSearch(item)}${unsaved ? "Not saved: " : ""}${status}.`,
  );
}

function aboutSearch(item) {
  if (!item.found_under.length) return ""; // blind
  const found = item.emotion === null ? `found under ${item.found_under.join(" and ")}` : `proposed ${item.emotion}`;
  return `Searched for: ${item.query}. ${item.votes.length ? `Votes: ${counts(item).map(([answer, n]) => `${n} ${answer}`).join(", ")}` : found}. `;
}

/** Mark the selected options, and scroll to the current one. */
export function drawSelection(index, [first, last]) {
  const grid = byId("grid");
  for (const option of grid.querySelectorAll('[aria-selected="true"]')) option.setAttribute("aria-selected", "false");
  grid.querySelector(".current")?.classList.remove("current");
  const option = grid.children[index];
  if (!option) return grid.removeAttribute("aria-activedescendant");
  for (let each = first; each <= last; each++) grid.children[each]?.setAttribute("aria-selected", "true");
  option.classList.add("current");
  grid.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Show the selected item in the panel and, in the single view, large; `count` items are selected. */
export function drawPanel(item, state, count = 1) {
  byId("panel").hidden = !item;
  if (!item) return;
  const single = byId("main").dataset.view === "single";
  drawPicture(byId(single ? "large" : "preview"), byId(single ? "large-blank" : "blank"), item);
  const { decision, unsaved } = state;
  const [mark, text] = describe(item, decision);
  const verdict = byId("verdict");
  verdict.dataset.verdict = unsaved ? "unsaved" : decision?.verdict ?? "none";
  const verb = { accept: "Labelled as ", reject: "Rejected: ", skip: "" }[decision?.verdict];
  verdict.textContent = decision ? `${mark} ${verb}${text}` : "Undecided";
  if (unsaved) verdict.textContent += ` — not saved: ${unsaved}`;
  if (count > 1) verdict.textContent = `${count} selected: the next key decides on all of them`;
  const restricted = item.restrictions.length ? ` · other rights: ${item.restrictions.join(", ")}` : "";
  byId("license").textContent = item.license + restricted;
  fill("votes", item.votes.map(({ reviewer, answer, reason }) => `${reviewer}: ${spaced(reason ?? answer)}`).join(" · "));
  fill("signals", signals(item));
  if (item.found_under.length) drawProposed(item);
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", String(decision?.emotion === button.dataset.label));
    button.classList.toggle("found", item.found_under.includes(button.dataset.label));
  }
}

function drawProposed(item) {
  const several = item.found_under.length > 1;
  byId("query").textContent = item.query;
  byId("proposed-name").textContent = several ? "conflict" : "proposed";
  byId("proposed").textContent = several
    ? `found under ${item.found_under.length === 2 ? "two" : "several"} emotions: ${item.found_under.join(", ")}`
    : item.found_under[0];
  byId("proposed").classList.toggle("conflict", several);
  byId("accept").textContent = item.emotion ? `accept ${item.emotion}` : "accept";
  document.querySelector('[data-act="accept"]').setAttribute("aria-disabled", String(!item.emotion));
}

const requested = new Set();

/** Load pictures before they are shown. */
export function fetchPictures(urls) {
  for (const url of urls) {
    if (!requested.has(url)) new Image().src = url;
    requested.add(url);
  }
}

function drawPicture(image, blank, item) {
  const url = pictureUrl(item, false);
  if (image.dataset.url === url) return;
  image.dataset.url = url;
  blank.hidden = true;
  image.hidden = false;
  // Show the cached thumbnail until the picture is loaded, never the previous item's picture.
  image.src = pictureUrl(item, true);
  const large = new Image();
  large.addEventListener("load", () => {
    if (image.dataset.url === url) image.src = url;
  });
  large.src = url;
  image.alt = `Selected ${item.kind}${item.query ? `, searched for: ${item.query}` : ""}`;
}

/** The signals of an item as text. */
function signals(item) {
  const parts = [];
  if (item.confidence !== null) parts.push(`detector ${item.confidence.toFixed(2)}`);
  if (item.upscale !== null) {
    const [verb, factor] = item.upscale > 1 ? ["enlarged", item.upscale] : ["reduced", 1 / item.upscale];
    parts.push(factor < 1.05 ? "size as in the photo" : `${verb} ${factor.toFixed(1)}×`);
  }
  if (item.padding > 0.005) parts.push(`▦ ${Math.round(100 * item.padding)} % padding`);
  if (item.found_by === "bordered") parts.push("found with a border");
  if (item.sharpness !== null) parts.push(`sharpness ${Math.round(item.sharpness)}`);
  if (item.duplicates) parts.push(`${item.duplicates} near duplicate${item.duplicates > 1 ? "s" : ""}`);
  if (item.disagreement) parts.push(`${Math.round(100 * item.disagreement)} % of answers differ`);
  if (item.model) parts.push(`model: ${item.model.says} ${item.model.sure.toFixed(2)}`);
  return parts.join(" · ");
}

function fill(name, text) {
  byId(name).textContent = text;
  for (const part of document.querySelectorAll(`dt.${name}, dd.${name}`)) part.hidden = !text;
}

/** Show the progress, overall and by emotion, and which emotion is listed. */
export function drawProgress(progress, view) {
  const state = JSON.stringify([progress, view]);
  if (byId("filter").dataset.state === state) return;
  byId("filter").dataset.state = state;
  for (const link of document.querySelectorAll("#filter a")) {
    const count = link.dataset.emotion ? progress.per_emotion[link.dataset.emotion] : progress;
    const bar = link.querySelector("progress");
    const blind = "blind" in document.body.dataset && link.dataset.emotion;
    link.querySelector(".count").textContent = blind ? count.decided : `${count.decided}/${count.items}`;
    bar.hidden = Boolean(blind);
    bar.max = count.items || 1;
    bar.value = count.decided;
    link.title = `${link.dataset.emotion || "all"}: ${count.decided} done, ${count.left} left`;
    link.classList.toggle("complete", !blind && count.items > 0 && count.left === 0);
    link.setAttribute("href", `?${new URLSearchParams({ round: view.round, ...(link.dataset.emotion && { emotion: link.dataset.emotion }) })}`);
    link.toggleAttribute("aria-current", link.dataset.emotion === view.emotion);
    if (link.dataset.emotion === view.emotion) link.setAttribute("aria-current", "true");
  }
  for (const link of document.querySelectorAll(".rounds a")) {
    link.toggleAttribute("aria-current", false);
    if (link.dataset.round === view.round) link.setAttribute("aria-current", "page");
  }
  byId("done").textContent = `${progress.decided} done`;
  byId("left").textContent = ` · ${progress.left} left`
    + (progress.skipped ? ` · ${progress.skipped} skipped` : "")
    + (progress.rate ? ` · ${Math.round(progress.rate)} per minute` : "");
}

/** Show how much is not saved yet. */
export function drawSaved(waiting, refused, error) {
  const saved = byId("saved");
  const lost = refused + (error ? waiting : 0);
  saved.textContent = lost ? `${lost} not saved` : waiting ? "Saving…" : "All saved";
  saved.dataset.state = lost ? "bad" : waiting ? "busy" : "good";
  const trouble = byId("trouble");
  trouble.hidden = !error;
  trouble.textContent = error ? `Not saved: ${error}. Retrying; keep this page open.` : "";
}

export function announce(text) {
  byId("announce").textContent = text;
}
