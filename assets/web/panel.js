// Who answers: the chips on every tab and the table of the Status tab, asked for every few seconds.
import { address, whenThere } from './dom.js';

const EVERY_MS = 5000;
const SHAPES = {
  available: '<circle cx="6" cy="6" r="5" fill="currentColor"/>',
  cloud: '<path d="M3.2 9.5a2.2 2.2 0 0 1 .2-4.4 3 3 0 0 1 5.7.6 2 2 0 0 1-.3 3.8z" fill="none" stroke="currentColor" stroke-width="1.4"/>',
  mock: '<path d="M6 .8 11.2 6 6 11.2.8 6z" fill="currentColor"/>',
  unavailable: '<path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" stroke-width="2.2" fill="none"/>',
  starting: '<circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="1.4"/><path d="M6 6V1.4A4.6 4.6 0 0 1 10.6 6z" fill="currentColor"/>',
  degraded: '<path d="M6 1l5.4 10H.6z" fill="currentColor"/>',
};

let latest = [];

export function startPanel(facts) {
  ask();
  whenThere('#status-table tr[data-service]', () => latest.forEach(show)); // the tab is built when first opened
  setInterval(() => { if (!document.hidden) ask(); }, facts.still ? EVERY_MS / 5 : EVERY_MS);
}

async function ask() {
  try {
    const answer = await fetch(address('nim/status'), { headers: { Accept: 'application/json' } });
    if (!answer.ok) throw new Error(String(answer.status));
    latest = (await answer.json()).services;
    latest.forEach(show);
  } catch {
    for (const chip of document.querySelectorAll('.wb-chip')) {
      show({ name: chip.dataset.service, finer_state: 'unavailable', status: 'unavailable', url: null,
        detail: 'The workbench itself does not answer. Is it still running?' });
    }
  }
}

function show(service) {
  const state = service.finer_state ?? service.status;
  const chip = document.getElementById(`nim-${service.name}`);
  if (chip && (chip.dataset.state !== state || chip.title !== service.detail)) {
    chip.dataset.state = state;
    chip.title = service.detail;
    chip.querySelector('.wb-shape').innerHTML = SHAPES[state] ?? SHAPES.unavailable;
    chip.querySelector('.wb-state').textContent = state;
    chip.querySelector('.wb-why').textContent = `. ${service.detail}`;
  }
  const row = document.querySelector(`#status-table tr[data-service="${service.name}"]`);
  if (!row) return;
  row.dataset.state = state;
  const cells = { url: service.url || '\u2013', detail: service.detail,
    model: [service.model, service.version].filter(Boolean).join(' ') || '\u2013' };
  for (const [name, text] of Object.entries(cells)) row.querySelector(`[data-cell=${name}]`).textContent = text;
  row.querySelector('[data-cell=state]').innerHTML =
    `<span class="wb-chip" data-state="${state}"><svg class="wb-shape" viewBox="0 0 12 12" aria-hidden="true">${SHAPES[state] ?? ''}</svg><span class="wb-state">${state}</span></span>`;
}
