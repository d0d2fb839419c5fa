// Files may be dropped anywhere on the Segment tab; those over the limit are refused before they travel.
import { figure } from './dom.js';

export function guardUploads(maxBytes) {
  const check = (event, files) => {
    const taken = event.target.matches?.('input[type=file]') || event.target.closest?.('#seg-upload');
    if (!taken || !files?.length || event.target.closest?.('.chat-room')) return;
    forget();
    const total = [...files].reduce((sum, file) => sum + file.size, 0);
    if (total <= maxBytes) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.target.value) event.target.value = '';
    tell(total, maxBytes);
  };
  document.addEventListener('change', (event) => check(event, event.target.files), true);
  document.addEventListener('click', (event) => { if (event.target.closest('#seg-demo')) forget(); });
  document.addEventListener('drop', (event) => check(event, event.dataTransfer?.files), true);
  document.addEventListener('dragover', (event) => event.preventDefault()); // else the browser leaves the page for the file
  document.addEventListener('drop', pass);
}

/** A drop beside the panel is one on it. */
function pass(event) {
  if (event.target.closest?.('#seg-upload')) return;
  event.preventDefault();
  const panel = document.querySelector('#seg-upload button');
  if (!panel || document.body.dataset.tab !== 'segment' || !event.dataTransfer?.files.length) return;
  panel.dispatchEvent(new DragEvent('drop', { dataTransfer: event.dataTransfer, bubbles: true, cancelable: true }));
}

function forget() {
  for (const old of document.querySelectorAll('#seg-report > .wb-trouble')) old.remove();
}

function tell(total, maxBytes) {
  const box = document.createElement('div');
  box.className = 'wb-trouble';
  box.setAttribute('role', 'alert');
  box.innerHTML = '<strong>Too large to upload</strong><p></p><p class="wb-hint"></p>';
  box.children[1].textContent =
    `These files have ${figure(total / 1e6)} MB; at most ${figure(maxBytes / 1e6)} MB are taken. Nothing was sent.`;
  box.children[2].textContent = 'Crop or zip the series, or raise IMAGING_MAX_UPLOAD_MB.';
  document.getElementById('seg-report').prepend(box);
}
