// What came of it: sides of the panel, the gallery, the check and its two-colour picture.
import { viewerOf } from '../dom.js';
import { follow, stop } from './follow.js';
import { ask, make, trouble } from './rest.js';

const ROOM = '#syn-room';
const REDRAWN_MS = 3000;

/** Listen to the result's buttons. `again` and `vary` take the request of a generation. */
export function startResult({ look, again, vary }) {
  const room = document.querySelector(ROOM);
  show(room, 'structures');
  panel(room, 'request');
  room.addEventListener('click', (event) => {
    const hit = (selector) => event.target.closest(selector);
    const side = hit('[data-side]');
    if (side) show(room, side.dataset.side);
    const chosen = hit('[data-panel]');
    if (chosen) panel(room, chosen.dataset.panel);
    const opener = hit('[data-open]');
    if (opener) {
      look({ case: opener.dataset.open });
      if (room.dataset.side === 'check') show(room, 'structures');
    }
    const item = hit('[data-generation][data-request]');
    const request = item && JSON.parse(item.dataset.request);
    if (hit('[data-again]')) {
      panel(room, 'request');
      again(request);
    }
    if (hit('[data-vary]')) {
      panel(room, 'request');
      vary(request);
    }
    if (hit('[data-erase]')) erase(hit('[data-erase]'), item.dataset.generation, look);
    if (hit('[data-check]')) check(hit('[data-check]'), look);
    const row = hit('[data-overlay]');
    if (row) overlay(row);
  });
  document.addEventListener('synthesise:done', () => {
    show(room, 'structures');
    panel(room, 'result');
  });
}

/** Structures, check or gallery. The picture shows the comparison on the side of the check only. */
function show(room, side) {
  room.dataset.side = side;
  for (const button of room.querySelectorAll('[data-side][aria-pressed]')) {
    button.setAttribute('aria-pressed', String(button.dataset.side === side));
  }
  const viewer = viewerOf('syn');
  if (!viewer?.manifest) return;
  const all = room.querySelector('#syn-agreement [data-overlay="0"]');
  if (side === 'check' && all) overlay(all);
  else if (viewer.overlayPath) viewer.overlay('');
}

/** On a narrow page one panel stands beside the picture: the request or the result. */
function panel(room, name) {
  room.dataset.panel = name;
  for (const button of room.querySelectorAll('[data-panel][aria-pressed]')) {
    button.setAttribute('aria-pressed', String(button.dataset.panel === name));
  }
}

async function overlay(row) {
  for (const each of document.querySelectorAll('#syn-agreement [data-overlay]')) each.toggleAttribute('data-picked', each === row);
  const viewer = viewerOf('syn');
  const caseId = document.querySelector('#syn-about [data-case]')?.dataset.case;
  if (!viewer || !caseId) return;
  await viewer.overlay(`cases/${encodeURIComponent(caseId)}/check/view?label=${row.dataset.overlay}`);
  viewer.setVisible(null);
  if (row.dataset.overlay !== '0') viewer.jumpTo(Number(row.dataset.overlay));
}

async function check(button, look) {
  const place = document.getElementById('syn-check-progress');
  const caseId = button.dataset.check;
  const cancel = make('button', { type: 'button', id: 'syn-check-cancel' }, 'Cancel');
  button.disabled = true;
  try {
    const { job_id: jobId } = await ask(`cases/${encodeURIComponent(caseId)}/check`, { method: 'POST', later: true });
    cancel.addEventListener('click', () => stop(jobId).catch(() => {}));
    button.after(cancel);
    const job = await follow(jobId, place);
    if (job.state === 'done') {
      await shown(look, caseId);
      return;
    }
    // What was measured before it failed is kept; the error stands below it.
    await shown(look, caseId);
    const words = job.state === 'cancelled' ? make('p', { class: 'wb-quiet', role: 'status' }, 'Stopped.')
      : trouble('The comparison failed', { message: job.error, hint: job.hint, trace: job.trace_id });
    document.getElementById('syn-check-progress')?.replaceChildren(words);
  } catch (error) {
    document.getElementById('syn-check-progress')?.replaceChildren(trouble('The check did not run', error));
  } finally {
    cancel.remove();
    button.disabled = false;
  }
}

/** Ask for the case again, and wait until the panel of the check was drawn anew. */
function shown(look, caseId) {
  let settled = false;
  return new Promise((done) => {
    const drawn = () => {
      if (settled) return;
      settled = true;
      watcher.disconnect();
      const room = document.querySelector(ROOM);
      if (room.dataset.side === 'check') show(room, 'check');
      done();
    };
    const watcher = new MutationObserver(drawn);
    watcher.observe(document.getElementById('syn-checked'), { attributes: true, childList: true, subtree: true });
    setTimeout(drawn, REDRAWN_MS); // where nothing differs, nothing is drawn
    look({ case: caseId });
  });
}

async function erase(button, generationId, look) {
  if (!button.hasAttribute('data-sure')) {
    button.setAttribute('data-sure', '');
    button.textContent = 'Delete its volumes too?';
    setTimeout(() => {
      if (button.isConnected) {
        button.removeAttribute('data-sure');
        button.textContent = 'Delete';
      }
    }, 6000);
    return;
  }
  const open = document.querySelector('#syn-about [data-generation]')?.dataset.generation === generationId;
  await ask(`nim/maisi/generations/${encodeURIComponent(generationId)}`, { method: 'DELETE' }).catch(() => {});
  look({ case: '', clear: open });
}
