// Draws what is shown: the contact sheet, the selected item and the progress. Decides nothing.

const byId = (id) => document.getElementById(id);
const words = (name) => name.replaceAll("_", " ");

export function pictureUrl(item, thumb) {
  return `/api/picture/${item.kind}/${item.item_id}${thumb ? "?thumb=1" : ""}`;
}

/** What a reviewer says of an item, as a mark and in words, so that colour is never needed. */
export function spoken(item, word) {
  if (!word) return item.emotion === null ? ["?", "conflict"] : ["", `${item.emotion}?`];
  if (word.verdict === "accept") return [word.emotion === item.emotion ? "✓" : "→", word.emotion ?? "no label"];
  if (word.verdict === "reject") return ["✕", words(word.reason)];
  return ["–", "skipped"];
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
  const [mark, text] = spoken(item, word);
  option.dataset.verdict = word ? word.verdict : "none";
  option.classList.toggle("conflict", item.emotion === null && !word);
  option.classList.toggle("relabelled", word?.verdict === "accept" && word.emotion !== item.emotion);
  option.classList.toggle("unsaved", Boolean(unsaved));
  const badge = option.querySelector(".badge");
  badge.replaceChildren(element("b", "", unsaved ? "!" : mark), unsaved ? "not saved" : text);
  badge.title = unsaved || text;
  const said = word ? `you said: ${{ accept: "", reject: "rejected, ", skip: "" }[word.verdict]}${text}` : "not decided";
  const found = item.emotion === null ? `found under ${item.found_under.join(" and ")}` : `proposed ${item.emotion}`;
  option.setAttribute(
    "aria-label",
    `${index + 1} of ${count}. Searched for: ${item.query}. ${found}. ${unsaved ? "Not saved: " : ""}${said}.`,
  );
}

/** Show which option is selected, and bring it into view. */
export function drawSelection(index) {
  const grid = byId("grid");
  grid.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
  const option = grid.children[index];
  if (!option) return grid.removeAttribute("aria-activedescendant");
  option.setAttribute("aria-selected", "true");
  grid.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

/** Show the selected item at the side. */
export function drawPanel(item, state) {
  byId("panel").hidden = !item;
  if (!item) return;
  const preview = byId("preview");
  const url = pictureUrl(item, false);
  if (preview.dataset.url !== url) {
    preview.dataset.url = url;
    byId("blank").hidden = true;
    preview.hidden = false;
    // The thumbnail is there already: never the last item's picture beside this item's words.
    preview.src = pictureUrl(item, true);
    const large = new Image();
    large.addEventListener("load", () => {
      if (preview.dataset.url === url) preview.src = url;
    });
    large.src = url;
  }
  preview.alt = `Selected ${item.kind}, searched for: ${item.query}`;
  const [mark, text] = spoken(item, state.word);
  const verdict = byId("verdict");
  verdict.dataset.verdict = state.unsaved ? "unsaved" : state.word?.verdict ?? "none";
  const said = { accept: "You said", reject: "You rejected:", skip: "You" }[state.word?.verdict];
  verdict.textContent = state.word ? `${mark} ${said} ${text}` : "Not decided yet";
  if (state.unsaved) verdict.textContent += ` — not saved: ${state.unsaved}`;
  byId("query").textContent = item.query;
  byId("proposed-name").textContent = item.found_under.length > 1 ? "conflict" : "proposed";
  byId("proposed").textContent = item.found_under.length > 1
    ? `found under ${item.found_under.length === 2 ? "two" : "several"} emotions: ${item.found_under.join(", ")}`
    : item.emotion;
  byId("proposed").classList.toggle("conflict", item.found_under.length > 1);
  const sure = item.confidence === null ? "" : ` · detector ${item.confidence.toFixed(2)}`;
  byId("license").textContent = item.license + sure;
  byId("accept").textContent = item.emotion ? `accept ${item.emotion}` : "accept";
  document.querySelector('[data-act="accept"]').setAttribute("aria-disabled", String(!item.emotion));
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", String(state.word?.emotion === button.dataset.label));
    button.classList.toggle("found", item.found_under.includes(button.dataset.label));
  }
}

/** Show how much is done, in all and for every emotion, and which emotion is listed. */
export function drawProgress(progress, view) {
  for (const link of document.querySelectorAll("#filter a")) {
    const count = link.dataset.emotion ? progress.per_emotion[link.dataset.emotion] : progress;
    link.querySelector(".count").textContent = `${count.decided}/${count.items}`;
    const bar = link.querySelector("progress");
    bar.max = count.items || 1;
    bar.value = count.decided;
    link.title = `${link.dataset.emotion || "all"}: ${count.decided} done, ${count.left} left`;
    link.classList.toggle("complete", count.items > 0 && count.left === 0);
    link.setAttribute("href", `?${new URLSearchParams({ round: view.round, ...(link.dataset.emotion && { emotion: link.dataset.emotion }) })}`);
    link.toggleAttribute("aria-current", link.dataset.emotion === view.emotion);
    if (link.dataset.emotion === view.emotion) link.setAttribute("aria-current", "true");
  }
  for (const link of document.querySelectorAll(".rounds a")) {
    link.toggleAttribute("aria-current", false);
    if (link.dataset.round === view.round) link.setAttribute("aria-current", "page");
  }
  byId("done").textContent = `${progress.decided} done`;
  byId("left").textContent = ` · ${progress.left} left` + (progress.skipped ? ` · ${progress.skipped} skipped` : "");
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
