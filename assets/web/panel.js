// Who answers: the chips on every tab, asked for every few seconds. Whoever else shows it listens to `nim:status`.
import { address } from './dom.js';

const EVERY_MS = 5000;
const WHILE_CHECKING_MS = 700;
export const SHAPES = {
  available: '<circle cx="6" cy="6" r="5" fill="currentColor"/>',
  cloud: '<path d="M3.2 9.5a2.2 2.2 0 0 1 .2-4.4 3 3 0 0 1 5.7.6 2 2 0 0 1-.3 3.8z" fill="none" stroke="currentColor" stroke-width="1.4"/>',
  mock: '<path d="M6 .8 11.2 6 6 11.2.8 6z" fill="currentColor"/>',
  unavailable: '<path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" stroke-width="2.2" fill="none"/>',
  starting: '<circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="1.4"/><path d="M6 6V1.4A4.6 4.6 0 0 1 10.6 6z" fill="currentColor"/>',
  degraded: '<path d="M6 1l5.4 10H.6z" fill="currentColor"/>',
};

let every = EVERY_MS;
let next = 0;
let asking = false;
let again = false;

export function startPanel(facts) {
  if (facts.still) every = EVERY_MS / 5;
  askNow();
  document.addEventListener('visibilitychange', () => { if (!document.hidden) askNow(); });
}

/** Ask at once; an answer under way is waited for and then asked again, for it may be of before. */
export async function askNow() {
  if (asking) {
    again = true;
    return;
  }
  clearTimeout(next);
  asking = true;
  const answer = await ask();
  asking = false;
  if (again) {
    again = false;
    askNow();
    return;
  }
  next = setTimeout(() => { if (!document.hidden) askNow(); }, answer?.check?.running ? WHILE_CHECKING_MS : every);
}

async function ask() {
  try {
    const reply = await fetch(address('nim/status'), { headers: { Accept: 'application/json' } });
    if (!reply.ok) throw new Error(String(reply.status));
    const answer = await reply.json();
    for (const service of answer.services) show(service);
    showMode(answer);
    document.dispatchEvent(new CustomEvent('nim:status', { detail: answer }));
    return answer;
  } catch {
    for (const chip of document.querySelectorAll('#nim-panel .wb-chip')) {
      show({ name: chip.dataset.service, finer_state: 'unavailable', status: 'unavailable',
        detail: 'The workbench itself does not answer. Is it still running?' });
    }
    document.dispatchEvent(new CustomEvent('nim:status', { detail: null }));
    return null;
  }
}

function show(service) {
  const state = service.finer_state ?? service.status;
  const chip = document.getElementById(`nim-${service.name}`);
  if (!chip) return;
  const seconds = service.starting_s === null || service.starting_s === undefined ? '' : `${service.starting_s} s`;
  put(chip.querySelector('.wb-seconds'), seconds);
  if (chip.title !== service.detail) chip.title = service.detail;
  // Told once for each start: a screen reader must not be interrupted by every second that passes.
  if (state !== 'starting' || chip.dataset.state !== state) put(chip.querySelector('.wb-why'), `. ${service.detail}`);
  if (chip.dataset.state === state) return;
  chip.dataset.state = state;
  chip.querySelector('.wb-shape').innerHTML = SHAPES[state] ?? SHAPES.unavailable;
  put(chip.querySelector('.wb-state'), state);
}

function showMode(answer) {
  const mark = document.getElementById('wb-mode-switched');
  if (!mark) return;
  const switched = answer.mode !== answer.process_mode;
  mark.hidden = !switched;
  put(mark, switched ? `This visit: ${answer.mode} mode` : '');
}

function put(place, text) {
  if (place && place.textContent !== text) place.textContent = text;
}
