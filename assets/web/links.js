// The address bar follows the case and the view, so that a link leads back to it.
import { address, segmentViewer, viewerOf } from './dom.js';

let waiting = 0;
let shown = false;

export function startLinks() {
  for (const name of ['viewer:slice', 'viewer:window', 'viewer:state']) document.addEventListener(name, remember);
  document.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-copy-link]');
    if (button) {
      await navigator.clipboard?.writeText(location.href).catch(() => {});
      button.textContent = 'Link copied';
      setTimeout(() => { button.textContent = 'Copy link to this view'; }, 2000);
    }
    const picture = event.target.closest('a[data-file="view.png"]');
    if (picture) picture.href = pictureAddress(picture);
  }, true);
}

function remember() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const viewer = segmentViewer();
    const state = viewer?.state?.();
    if (!state || !(state.case || shown)) return; // a link is not forgotten before it was followed
    shown = true;
    const url = new URL(location.href);
    for (const name of ['case', 'plane', 'slice', 'window', 'demo']) url.searchParams.delete(name);
    if (state.case) {
      url.searchParams.set('case', state.case);
      url.searchParams.set('plane', state.plane);
      url.searchParams.set('slice', state.slice);
      url.searchParams.set('window', state.window.name ?? `${state.window.center},${state.window.width}`);
    }
    history.replaceState(null, '', url);
  }, 250);
}

function pictureAddress(link) {
  const tab = link.closest('[id$="-downloads"]').id.split('-')[0];
  const state = viewerOf(tab)?.state?.();
  const url = new URL(address(`cases/${link.closest('[data-case]').dataset.case}/view.png`));
  if (!state) return url.href;
  const shown = [...document.querySelectorAll(`#${tab}-organs tbody tr`)]
    .filter((row) => row.querySelector('input').checked).map((row) => row.dataset.label);
  url.searchParams.set('plane', state.plane);
  url.searchParams.set('slice', state.slice);
  url.searchParams.set('center', state.window.center);
  url.searchParams.set('width', state.window.width);
  url.searchParams.set('opacity', state.opacity ?? 0.4);
  url.searchParams.set('outline', String(state.style === 'outline'));
  url.searchParams.set('safe', String(Boolean(state.safe)));
  if (shown.length) url.searchParams.set('labels', shown.join(','));
  return url.href;
}
