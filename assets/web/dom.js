// Small things that several parts of the page need.

/** The viewer of a tab (`seg`, `syn`), once it is there. */
export const viewerOf = (tab) => window.workbench?.viewers?.[`${tab}-viewer`];

/** The viewer of the Segment tab, once it is there. */
export const segmentViewer = () => viewerOf('seg');

/** An address of this server, right behind a proxy or tunnel too. */
export const address = (path) => new URL(path, document.baseURI).href;

/** A number as the page writes it: thousands apart by a thin space, a true minus sign. */
export const figure = (value, decimals = 0) =>
  Number(value).toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
    .replaceAll(',', '\u202f').replace('-', '\u2212');

/** Call back when an element matching `selector` is there, now or later. */
export function whenThere(selector, found) {
  const present = document.querySelector(selector);
  if (present) {
    found(present);
    return;
  }
  const watcher = new MutationObserver(() => {
    const element = document.querySelector(selector);
    if (!element) return;
    watcher.disconnect();
    found(element);
  });
  watcher.observe(document.body, { childList: true, subtree: true });
}

/** Go to a tab of the page by its name. */
export function goToTab(name) {
  [...document.querySelectorAll('#wb-tabs [role=tab]')].find((each) => each.textContent.trim() === name)?.click();
}
