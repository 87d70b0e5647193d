// Fetches pages of items, prefetches their neighbours and caches the latest ones.

import { request } from "./outbox.js";
import { fetchPictures, pictureUrl } from "./grid.js";

export const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));

/** The query string of a view, without default values. */
export function addressOf(view) {
  const { round, emotion, show, sort, view: layout, page } = view;
  const defaults = { emotion: "", show: "all", sort: "found", view: "sheet" };
  const values = Object.entries({ emotion, show, sort, view: layout });
  const changed = values.filter(([name, value]) => value !== defaults[name]);
  return `?${query({ round, ...Object.fromEntries(changed), page })}`;
}

const MAX_CACHED = 5; // pages: this one, its neighbours, and the one before
const pages = new Map(); // address -> promise

/**
 * Return a page of {round, emotion, show, sort} by `page` or `at`. With `keep` it is a page of the list as first shown,
 * and may be cached; without, the server makes a new list.
 */
export function fetchPage({ round, emotion, show, sort, page, at, keep }) {
  const parameters = { round, emotion, show, sort, page: page ?? "", at: at ?? "", keep: keep ? 1 : "" };
  const url = `/api/items?${query({ ...parameters, per_page: document.body.dataset.perPage })}`;
  if (!keep) {
    pages.clear();
    return request(url);
  }
  const answer = pages.get(url) ?? request(url);
  pages.delete(url);
  pages.set(url, answer); // the latest last
  answer.catch(() => pages.delete(url)); // a failed request is repeated when the page is needed
  if (pages.size > MAX_CACHED) pages.delete(pages.keys().next().value);
  return answer;
}

/** Prefetch the neighbouring pages, and the pictures of the next one. */
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
