// The line at the foot: where the viewer is, what is under the pointer, the grid, the memory of the case.
import { figure } from './dom.js';

export function startStatusLine() {
  document.addEventListener('viewer:slice', (event) => say('wb-at', at(event.detail)));
  document.addEventListener('viewer:pointer', (event) => say('wb-under', under(event.detail)));
  document.addEventListener('viewer:state', (event) => {
    const { state, manifest } = event.detail;
    if (state === 'empty') for (const id of ['wb-at', 'wb-under', 'wb-grid', 'wb-memory']) say(id, '');
    if (manifest) {
      const { axial, coronal } = manifest.planes;
      const spacing = [axial.pixel_mm[0], axial.pixel_mm[1], coronal.pixel_mm[1]].map((mm) => figure(mm, 2)).join(' × ');
      say('wb-grid', `${spacing} mm`);
      const megabytes = (manifest.raw_bytes * (manifest.segmentation ? 1.5 : 1)) / 1e6;
      say('wb-memory', `${figure(megabytes, megabytes < 10 ? 1 : 0)} MB`);
    }
  });
}

function say(id, text) {
  const place = document.getElementById(id);
  if (place && place.textContent !== text) place.textContent = text;
}

function at({ plane, slice, slices, position }) {
  if (!slices) return '';
  return [`${plane} ${slice} / ${slices}`, position].filter(Boolean).join(' · ');
}

function under(detail) {
  if (!detail || detail.hu === undefined || detail.hu === null) return '';
  return [`HU ${figure(detail.hu)}`, detail.name].filter(Boolean).join(' · ');
}
