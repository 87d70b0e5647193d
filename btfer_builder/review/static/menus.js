// Menus that take one key and go away. The focus stays in the grid: they listen, and say aloud what they offer.

import { announce } from "./grid.js";

const grid = document.getElementById("grid");
let open = null; // {element, choose}

export const isOpen = () => open !== null;

/** Open a menu; `choose` gets the button whose key is pressed or that is clicked. */
export function openMenu(name, choose) {
  closeMenu();
  const element = document.getElementById(name);
  element.hidden = false;
  open = { element, choose };
  const title = element.querySelector("h2").textContent;
  const offers = [...element.querySelectorAll("[data-key]")].map(
    (button) => `${button.dataset.key} ${button.querySelector("strong").textContent}`,
  );
  announce(`${title} ${offers.join(", ") || element.querySelector("dl").textContent} Escape goes back.`);
}

export function closeMenu() {
  if (!open) return;
  open.element.hidden = true;
  open = null;
  grid.focus();
}

/** Take a key while a menu is open: nothing else gets it. */
export function menuKey(event, key) {
  const button = open.element.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (button) {
    event.preventDefault();
    chooseButton(button);
  } else if (key === "Escape" || (key === "?" && open.element.id === "help")) {
    event.preventDefault();
    closeMenu();
  } else if (!open.element.contains(document.activeElement) && !["Tab", "F5"].includes(key)) {
    event.preventDefault(); // a key that means something to the page below must not mean it now
  }
}

/** Take a click on a button; returns whether it was a menu's. */
export function menuClick(button) {
  if (!open?.element.contains(button)) return false;
  if ("close" in button.dataset) closeMenu();
  else chooseButton(button);
  return true;
}

function chooseButton(button) {
  const { choose } = open;
  closeMenu();
  choose(button);
}
