// Asks for pages before they are needed and keeps them while they may be needed again.

import { ask } from "./outbox.js";
import { fetchPictures, pictureUrl } from "./grid.js";

export const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));

/** What stands in the address: all of the view but what goes without saying. */
export function addressOf(view) {
  const { round, emotion, show, sort, view: shape, page } = view;
  const plain = { emotion: "", show: "all", sort: "found", view: "sheet" };
  const said = Object.entries({ emotion, show, sort, view: shape }).filter(([name, value]) => value !== plain[name]);
  return `?${query({ round, ...Object.fromEntries(said), page })}`;
}

const KEPT = 5; // pages: this one, those around it, and where we came from
const pages = new Map(); // address -> promise

/**
 * Return a page; `where` is {round, emotion, show, sort} with `page` or `at`. With `keep` it is one of the list as
 * it was when it was first shown, and may be here already; without, the list is made anew.
 */
export function fetchPage({ round, emotion, show, sort, page, at, keep }) {
  const asked = { round, emotion, show, sort, page: page ?? "", at: at ?? "", keep: keep ? 1 : "" };
  const url = `/api/items?${query({ ...asked, per_page: document.body.dataset.perPage })}`;
  if (!keep) {
    pages.clear();
    return ask(url);
  }
  const held = pages.get(url) ?? ask(url);
  pages.delete(url);
  pages.set(url, held); // the latest last
  held.catch(() => pages.delete(url)); // it is asked for again when it is needed
  if (pages.size > KEPT) pages.delete(pages.keys().next().value);
  return held;
}

/** Ask for the pages around this one, and the next one's pictures. */
export async function fetchAround(view, count) {
  try {
    if (view.page < count) {
      const next = await fetchPage({ ...view, page: view.page + 1, keep: true });
      fetchPictures(next.items.map((item) => pictureUrl(item, true)));
    }
    if (view.page > 1) await fetchPage({ ...view, page: view.page - 1, keep: true });
  } catch (error) {
    if (!("status" in error)) throw error;
  }
}
