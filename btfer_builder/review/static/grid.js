// Draws what is shown: the contact sheet, the selected item and the progress. Decides nothing.

const byId = (id) => document.getElementById(id);
const words = (name) => name.replaceAll("_", " ");

export function pictureUrl(item, thumb) {
  return `/api/picture/${item.kind}/${item.item_id}${thumb ? "?thumb=1" : ""}`;
}

/** What a reviewer says of an item, as a mark and in words, so that colour is never needed. */
export function spoken(item, word) {
  if (!word && item.votes.length) return ["≠", `${counts(item).map(([, n]) => n).join(":")} ${item.emotion ?? ""}`.trim()];
  if (!word && !item.found_under.length) return ["", "?"]; // blind
  if (!word) return item.emotion === null ? ["?", "conflict"] : ["", `${item.emotion}?`];
  const proposed = item.found_under.length > 0 || item.votes.length > 0;
  if (word.verdict === "accept") return [proposed && word.emotion !== item.emotion ? "→" : "✓", word.emotion ?? "no label"];
  if (word.verdict === "reject") return ["✕", words(word.reason)];
  return ["–", "skipped"];
}

/** The votes on an item, most first: [["happy", 2], ["sad", 1]]. */
function counts(item) {
  const votes = new Map();
  for (const { answer } of item.votes) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  return [...votes].sort((one, other) => other[1] - one[1]);
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text; // never as HTML: it may come from anywhere
  return made;
}

/** Fill the grid with one option an item. */
export function drawGrid(items, describe) {
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
    drawOption(option, item, describe(item), index, items.length);
    return option;
  }));
}

/** Bring one option up to date; `state` is {word, unsaved}. */
export function drawOption(option, item, { word, unsaved }, index, count) {
  const state = JSON.stringify([word, unsaved]);
  if (option.dataset.state === state) return; // most are as they were: only what changed is drawn
  option.dataset.state = state;
  const [mark, text] = spoken(item, word);
  option.dataset.verdict = word ? word.verdict : "none";
  option.classList.toggle("conflict", item.emotion === null && item.found_under.length > 1 && !word);
  option.classList.toggle(
    "relabelled", word?.verdict === "accept" && item.found_under.length > 0 && word.emotion !== item.emotion,
  );
  option.classList.toggle("unsaved", Boolean(unsaved));
  const badge = option.querySelector(".badge");
  badge.replaceChildren(element("b", "", unsaved ? "!" : mark), unsaved ? "not saved" : text);
  badge.title = unsaved || text;
  const said = word ? `you said: ${{ accept: "", reject: "rejected, ", skip: "" }[word.verdict]}${text}` : "not decided";
  option.setAttribute(
    "aria-label", `${index + 1} of ${count}. ${about(item)}${unsaved ? "Not saved: " : ""}${said}.`,
  );
}

function about(item) {
  if (!item.found_under.length) return ""; // blind
  const found = item.emotion === null ? `found under ${item.found_under.join(" and ")}` : `proposed ${item.emotion}`;
  return `Searched for: ${item.query}. ${item.votes.length ? `Votes: ${counts(item).map(([answer, n]) => `${n} ${answer}`).join(", ")}` : found}. `;
}

/** Show which options are selected, and bring the current one into view. */
export function drawSelection(index, [first, last]) {
  const grid = byId("grid");
  for (const option of grid.querySelectorAll('[aria-selected="true"]')) option.setAttribute("aria-selected", "false");
  grid.querySelector(".current")?.classList.remove("current");
  const option = grid.children[index];
  if (!option) return grid.removeAttribute("aria-activedescendant");
  for (let place = first; place <= last; place++) grid.children[place]?.setAttribute("aria-selected", "true");
  option.classList.add("current");
  grid.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Show the selected item at the side, and large; `count` items are selected in all. */
export function drawPanel(item, state, count = 1) {
  byId("panel").hidden = !item;
  if (!item) return;
  const single = byId("main").dataset.view === "single";
  drawPicture(byId(single ? "large" : "preview"), byId(single ? "large-blank" : "blank"), item);
  const [mark, text] = spoken(item, state.word);
  const verdict = byId("verdict");
  verdict.dataset.verdict = state.unsaved ? "unsaved" : state.word?.verdict ?? "none";
  const said = { accept: "You said", reject: "You rejected:", skip: "You" }[state.word?.verdict];
  verdict.textContent = state.word ? `${mark} ${said} ${text}` : "Not decided yet";
  if (state.unsaved) verdict.textContent += ` — not saved: ${state.unsaved}`;
  if (count > 1) verdict.textContent = `${count} selected: the next key decides on all of them`;
  byId("license").textContent = item.license;
  fill("votes", item.votes.map(({ reviewer, answer, reason }) => `${reviewer}: ${words(reason ?? answer)}`).join(" · "));
  fill("signs", signs(item));
  if (item.found_under.length) drawProposed(item);
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", String(state.word?.emotion === button.dataset.label));
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

const asked = new Set();

/** Have pictures here before they are shown. */
export function fetchPictures(urls) {
  for (const url of urls) {
    if (!asked.has(url)) new Image().src = url;
    asked.add(url);
  }
}

function drawPicture(image, blank, item) {
  const url = pictureUrl(item, false);
  if (image.dataset.url === url) return;
  image.dataset.url = url;
  blank.hidden = true;
  image.hidden = false;
  // The thumbnail is there already: never the last item's picture beside this item's words.
  image.src = pictureUrl(item, true);
  const large = new Image();
  large.addEventListener("load", () => {
    if (image.dataset.url === url) image.src = url;
  });
  large.src = url;
  image.alt = `Selected ${item.kind}${item.query ? `, searched for: ${item.query}` : ""}`;
}

/** What makes an item suspicious, in words. */
function signs(item) {
  const told = [];
  if (item.confidence !== null) told.push(`detector ${item.confidence.toFixed(2)}`);
  if (item.upscale !== null) {
    const [how, times] = item.upscale > 1 ? ["enlarged", item.upscale] : ["reduced", 1 / item.upscale];
    told.push(times < 1.05 ? "as large as in the photo" : `${how} ${times.toFixed(1)}×`);
  }
  if (item.sharpness !== null) told.push(`sharpness ${Math.round(item.sharpness)}`);
  if (item.duplicates) told.push(`${item.duplicates} near duplicate${item.duplicates > 1 ? "s" : ""}`);
  if (item.model) told.push(`model says ${item.model.says} ${item.model.sure.toFixed(2)}`);
  return told.join(" · ");
}

function fill(name, text) {
  byId(name).textContent = text;
  for (const part of document.querySelectorAll(`dt.${name}, dd.${name}`)) part.hidden = !text;
}

/** Show how much is done, in all and for every emotion, and which emotion is listed. */
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
    + (progress.rate ? ` · ${Math.round(progress.rate)} a minute` : "");
}

/** Show what is not saved yet. */
export function drawSaved(waiting, refused, error) {
  const saved = byId("saved");
  const lost = refused + (error ? waiting : 0);
  saved.textContent = lost ? `${lost} not saved` : waiting ? "Saving…" : "All saved";
  saved.dataset.state = lost ? "bad" : waiting ? "busy" : "good";
  const trouble = byId("trouble");
  trouble.hidden = !error;
  trouble.textContent = error ? `Not saved: ${error}. Trying again; keep this page open.` : "";
}

export function announce(text) {
  byId("announce").textContent = text;
}
