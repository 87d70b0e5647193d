// Draws an item side by side with what resembles it, and says why the two were brought together.

import { ask } from "./outbox.js";

const byId = (id) => document.getElementById(id);
let drawn = null; // the item that is shown, so that a late answer does not draw over a newer one

const MOST = 2; // searches told of an emotion
const HOW = { pixels: "the same pixels", near: "near duplicate", mirrored: "mirrored near duplicate" };

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Show an item's near duplicates and where each was found. */
export async function drawCompare(item) {
  const place = byId("compare");
  if (!item) {
    drawn = null;
    return place.replaceChildren();
  }
  if (drawn === item.item_id) return;
  drawn = item.item_id;
  place.replaceChildren(tile(item, item.kind === "face" ? "this face" : "this photo", reasons(item)));
  let answer;
  try {
    answer = await ask(`/api/peers/${item.kind}/${item.item_id}`);
  } catch (error) {
    if (!("status" in error)) throw error;
    answer = { peers: [] };
  }
  if (drawn !== item.item_id) return;
  const [photo, ...copies] = answer.peers;
  if (item.kind === "face" && photo) place.append(photoTile(photo, "its photo", held(photo)));
  else if (photo) place.querySelector("figcaption").append(...held(photo), ...lines(photo));
  place.append(...copies.map((copy) => photoTile(copy, how(copy))));
  place.append(element("p", "compared", summary(item, copies.length)));
}

const how = (copy) => `dropped: ${HOW[copy.kind] ?? copy.kind}${copy.kind === "pixels" ? "" : `, ${differ(copy)}`}`;

const differ = ({ distance, fine_distance: fine }) =>
  `${distance} of 64 bits differ${fine === null ? "" : ` and ${fine} of 256`}`;

/** Why a photo that repeats nothing waits for a reviewer. */
function held(photo) {
  if (photo.kind !== "taken_down") return [];
  return [element("b", "conflict", `looks like a picture that was taken down: ${differ(photo)}`)];
}

function summary(item, copies) {
  const same = copies ? `${copies} dropped as ${copies === 1 ? "its copy" : "its copies"}` : "nothing was dropped as its copy";
  return item.found_under.length > 1 ? `${same}; found under ${item.found_under.join(" and ")}` : same;
}

function reasons(item) {
  if (item.found_under.length < 2) return [];
  return [element("b", "conflict", `conflict: found under ${item.found_under.join(" and ")}`)];
}

function photoTile(peer, title, why = []) {
  return tile({ kind: "image", item_id: peer.image_id }, title, [...why, ...lines(peer)]);
}

/** The size, and for every emotion the searches that found it. */
function lines({ width, height, found }) {
  const queries = new Map();
  for (const [emotion, query] of found) queries.set(emotion, [...queries.get(emotion) ?? [], query]);
  const said = [...queries].map(([emotion, all]) => {
    const more = all.length > MOST ? ` and ${all.length - MOST} more` : "";
    const line = element("span", "", `: ${all.slice(0, MOST).join(", ")}${more}`);
    line.prepend(element("b", "", emotion));
    return line;
  });
  return width ? [element("span", "muted", `${width}×${height}`), ...said] : said;
}

function tile({ kind, item_id: id }, title, about) {
  const figure = element("figure");
  const image = element("img");
  image.alt = title;
  image.addEventListener("error", () => image.replaceWith(element("span", "lost", "no picture")));
  image.src = `/api/picture/${kind}/${id}`;
  const caption = element("figcaption");
  caption.append(element("strong", "", title), ...about);
  figure.append(image, caption);
  return figure;
}
