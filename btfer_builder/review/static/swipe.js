// Touch: a swipe over a picture to the right or left. Up and down stays with the browser, which scrolls.

const FAR = 56; // pixels from which a movement is a swipe

/** Call `right` or `left` with the picture that was swiped; `find` returns the picture of an element, or null. */
export function onSwipe(container, find, { right, left }) {
  let start = null; // {picture, x, y, id}

  container.addEventListener("pointerdown", (event) => {
    const picture = event.pointerType === "touch" && event.isPrimary ? find(event.target) : null;
    start = picture && { picture, x: event.clientX, y: event.clientY };
  });
  container.addEventListener("pointermove", (event) => {
    if (start) start.picture.style.transform = `translateX(${across(event)}px)`;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    container.addEventListener(name, (event) => {
      if (!start) return;
      const { picture } = start;
      const by = name === "pointerup" ? across(event) : 0;
      start = null;
      picture.style.transform = "";
      if (Math.abs(by) >= FAR) (by > 0 ? right : left)(picture);
    });
  }

  function across(event) {
    const [x, y] = [event.clientX - start.x, event.clientY - start.y];
    return Math.abs(x) > 2 * Math.abs(y) ? x : 0;
  }
}
