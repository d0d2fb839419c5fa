// What is on screen in the Segment tab, as a picture is ordered from it, and the way back to it.
import { address, goToTab, segmentViewer } from '../dom.js';
import { AXES, PLANES } from '../viewer/planes.js';

/** What the viewer shows now; null where no case is open. `slices` are those of all planes, `of` how many there are. */
export function onScreen() {
  const viewer = segmentViewer();
  const state = viewer?.state?.();
  if (!state?.case) return null;
  const slices = Object.fromEntries(PLANES.map((plane) => [plane, viewer.cursor[AXES[plane].slice] + 1]));
  const of = slicesOf(viewer);
  const shown = viewer.visible === null ? null : [...viewer.visible];
  return { case_id: state.case, plane: state.plane, slice: state.slice, slices, of, window: state.window, hasMask: state.hasMask, labels: shown, safe: state.safe };
}

const slicesOf = (viewer) => Object.fromEntries(PLANES.map((plane) => [plane, viewer.manifest.planes[plane].slices]));

/** How many slices each plane of a case has, where it is the one that is open. */
export function openSlices(caseId) {
  const viewer = segmentViewer();
  return viewer?.manifest && viewer.manifest.id === caseId ? slicesOf(viewer) : null;
}

/**
 * The body of `POST /pictures` for a view. `place` is what the viewer shows, or an earlier picture; `choices` are the
 * person's: `window` (`model` or `screen`), `overlay`, `mosaic`.
 */
export function orderOf(place, { window, overlay, mosaic }) {
  const { center, width } = place.window;
  return {
    case_id: place.case_id, plane: place.plane, overlay, mosaic,
    ...(mosaic ? { slices: place.slices } : { slice: place.slice }),
    ...(window === 'screen' ? { window: { center, width } } : {}),
    ...(overlay && place.labels ? { labels: place.labels } : {}),
    ...(overlay && place.safe ? { safe: true } : {}),
  };
}

/** Bring the view of a picture back: in the viewer where its case is open, else by its address. */
export function returnTo(picture) {
  const { case_id: caseId, kind, plane, slice, slices, window } = picture;
  const viewer = segmentViewer();
  if (viewer?.state?.().case !== caseId) {
    const url = new URL(address('./'));
    const place = { case: caseId, plane, slice, window: `${window.center},${window.width}` };
    for (const [name, value] of Object.entries(place)) url.searchParams.set(name, value);
    location.assign(url.href);
    return;
  }
  viewer.setLayout(kind === 'mosaic' ? 'mpr' : 'single');
  viewer.setPlane(plane);
  for (const [name, number] of Object.entries(slices ?? { [plane]: slice })) viewer.setSlice(number, name);
  viewer.setWindow({ center: window.center, width: window.width });
  goToTab('Segment');
  viewer.root.focus();
}

/** Open the demo case in the Segment tab; resolves once the viewer has it. */
export function openDemo() {
  return new Promise((opened) => {
    const there = (event) => {
      if (event.target.id !== 'seg-viewer' || !onScreen()) return;
      document.removeEventListener('viewer:slice', there);
      opened();
    };
    document.addEventListener('viewer:slice', there);
    document.getElementById('seg-demo').click();
  });
}
