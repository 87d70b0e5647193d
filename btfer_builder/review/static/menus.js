// Menus that close after one key. The focus stays in the grid; the menus listen for keys and announce their entries.

import { announce } from "./grid.js";

const grid = document.getElementById("grid");
let open = null; // {element, choose}

export const isOpen = () => open !== null;

/** Open a menu; `choose` is called with the button that is clicked or whose key is pressed. */
export function openMenu(name, choose) {
  closeMenu();
  const element = document.getElementById(name);
  element.hidden = false;
  open = { element, choose };
  const title = element.querySelector("h2").textContent;
  const entries = [...element.querySelectorAll("[data-key]")].map(
    (button) => `${button.dataset.key} ${button.querySelector("strong").textContent}`,
  );
  announce(`${title} ${entries.join(", ") || element.querySelector(".keys").textContent} Escape closes the menu.`);
}

export function closeMenu() {
  if (!open) return;
  open.element.hidden = true;
  open = null;
  grid.focus();
}

/** Handle a key while a menu is open; nothing else receives it. */
export function menuKey(event, key) {
  const button = open.element.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (button) {
    event.preventDefault();
    chooseButton(button);
  } else if (key === "Escape" || (key === "?" && open.element.id === "help")) {
    event.preventDefault();
    closeMenu();
  } else if (!open.element.contains(document.activeElement) && !["Tab", "F5"].includes(key)) {
    event.preventDefault(); // keys of the page must have no effect now
  }
}

/** Handle a click on a button; return whether the button belongs to the menu. */
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
