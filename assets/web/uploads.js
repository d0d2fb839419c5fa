// Files over the limit are refused before they travel.
import { figure } from './dom.js';

export function guardUploads(maxBytes) {
  const check = (event, files) => {
    const area = event.target.closest?.('#seg-upload, #seg-folder');
    if (!area || !files?.length) return;
    const total = [...files].reduce((sum, file) => sum + file.size, 0);
    if (total <= maxBytes) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.target.value) event.target.value = '';
    tell(total, maxBytes);
  };
  document.addEventListener('change', (event) => check(event, event.target.files), true);
  document.addEventListener('drop', (event) => check(event, event.dataTransfer?.files), true);
}

function tell(total, maxBytes) {
  const report = document.querySelector('#seg-report .wb-html, #seg-report .prose, #seg-report');
  const box = document.createElement('div');
  box.className = 'wb-trouble';
  box.setAttribute('role', 'alert');
  box.innerHTML = '<strong>Too large to upload</strong><p></p><p class="wb-hint"></p>';
  box.children[1].textContent =
    `These files have ${figure(total / 1e6)} MB; at most ${figure(maxBytes / 1e6)} MB are taken. Nothing was sent.`;
  box.children[2].textContent = 'Crop or zip the series, or raise IMAGING_MAX_UPLOAD_MB.';
  for (const old of document.querySelectorAll('#seg-report > .wb-trouble')) old.remove();
  (report.closest('#seg-report') ?? report).prepend(box);
  setTimeout(() => box.remove(), 60000);
}
