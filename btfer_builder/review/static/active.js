// What limits the list of items, with a button to remove each: the filter, the emotion and the order.

import { element } from "./grid.js";

const DEFAULTS = { show: "all", emotion: "", sort: "found" };
const NAMES = { show: "show", emotion: "emotion", sort: "order" };
const active = document.getElementById("active");

/** The changes of the view that remove a limit. */
export const without = (name) => ({ [name]: DEFAULTS[name] });

/** Show what limits the list. */
export function drawActive(view) {
  const limits = Object.keys(DEFAULTS).filter((name) => view[name] !== DEFAULTS[name]);
  active.hidden = limits.length === 0;
  active.replaceChildren(...limits.map((name) => {
    const button = removeButton(name, `${NAMES[name]}: ${view[name]} ×`);
    button.setAttribute("aria-label", `Remove ${NAMES[name]}: ${view[name]}`);
    return button;
  }));
}

/** A button that removes a limit. */
export function removeButton(name, text) {
  const button = element("button", "chip", text);
  button.type = "button";
  button.dataset.without = name;
  return button;
}

/** Say why the list is empty, with buttons that show more. */
export function drawEmpty(nothing, view, meaning) {
  const under = view.emotion ? ` under ${view.emotion}` : "";
  if (view.show !== "all") {
    nothing.replaceChildren(element("span", "", `No ${view.round}${under} match the filter: ${meaning}.`));
    nothing.append(removeButton("show", `Show all ${view.round}${under}`));
  } else {
    nothing.replaceChildren(element("span", "", `No ${view.round}${under}.`));
  }
  if (view.emotion) nothing.append(removeButton("emotion", "Show all emotions"));
}
