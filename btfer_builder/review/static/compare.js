// Draws an item side by side with its near duplicates, and how they were matched.

import { element } from "./grid.js";
import { request } from "./outbox.js";

const byId = (id) => document.getElementById(id);
let drawn = null; // the item shown, so that a late answer does not replace a newer one

const MAX_SEARCHES = 2; // shown for each emotion
const KINDS = { pixels: "the same pixels", near: "near duplicate", mirrored: "mirrored near duplicate" };

/** Show an item's near duplicates and the searches that found each. */
export async function drawCompare(item) {
  const container = byId("compare");
  if (!item) {
    drawn = null;
    return container.replaceChildren();
  }
  if (drawn === item.item_id) return;
  drawn = item.item_id;
  container.replaceChildren(tile(item, item.kind === "face" ? "this face" : "this photo", conflict(item)));
  let answer;
  try {
    answer = await request(`/api/peers/${item.kind}/${item.item_id}`);
  } catch (error) {
    if (!("status" in error)) throw error;
    answer = { peers: [] };
  }
  if (drawn !== item.item_id) return;
  const [photo, ...copies] = answer.peers;
  if (item.kind === "face" && photo) container.append(photoTile(photo, "its photo", takenDown(photo)));
  else if (photo) container.querySelector("figcaption").append(...takenDown(photo), ...lines(photo));
  container.append(...copies.map((copy) => photoTile(copy, match(copy))));
  container.append(element("p", "compared", summary(item, copies.length)));
}

const match = (copy) => `dropped: ${KINDS[copy.kind] ?? copy.kind}${copy.kind === "pixels" ? "" : `, ${distance(copy)}`}`;

const distance = ({ distance: bits, fine_distance: fine }) =>
  `${bits} of 64 bits differ${fine === null ? "" : ` and ${fine} of 256`}`;

/** A note on a photo that resembles one that was taken down. */
function takenDown(photo) {
  if (photo.kind !== "taken_down") return [];
  return [element("b", "conflict", `similar to a picture that was taken down: ${distance(photo)}`)];
}

function summary(item, copies) {
  const dropped = copies ? `${copies} dropped ${copies === 1 ? "copy" : "copies"}` : "no dropped copies";
  return item.found_under.length > 1 ? `${dropped}; found under ${item.found_under.join(" and ")}` : dropped;
}

function conflict(item) {
  if (item.found_under.length < 2) return [];
  return [element("b", "conflict", `conflict: found under ${item.found_under.join(" and ")}`)];
}

function photoTile(peer, title, notes = []) {
  return tile({ kind: "image", item_id: peer.image_id }, title, [...notes, ...lines(peer)]);
}

/** The size, and the searches that found it by emotion. */
function lines({ width, height, found }) {
  const queries = new Map();
  for (const [emotion, query] of found) queries.set(emotion, [...queries.get(emotion) ?? [], query]);
  const searches = [...queries].map(([emotion, all]) => {
    const more = all.length > MAX_SEARCHES ? ` and ${all.length - MAX_SEARCHES} more` : "";
    const line = element("span", "", `: ${all.slice(0, MAX_SEARCHES).join(", ")}${more}`);
    line.prepend(element("b", "", emotion));
    return line;
  });
  return width ? [element("span", "muted", `${width}×${height}`), ...searches] : searches;
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
