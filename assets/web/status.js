// The Status tab: one row a service, its details on demand, the contract check, the mode of this visit.
import { address, figure } from './dom.js';
import { askNow, SHAPES } from './panel.js';

const open = new Set();
let last = null;

export function startStatus() {
  document.addEventListener('nim:status', (event) => {
    if (event.detail) last = event.detail;
    if (event.detail) draw(event.detail);
  });
  document.addEventListener('click', (event) => {
    if (event.target.closest('#status-check')) check();
    const more = event.target.closest('#status-table [data-more]');
    if (more) toggle(more.dataset.more);
    const copy = event.target.closest('#status-table [data-copy]');
    if (copy) copyLine(copy);
    const tab = event.target.closest('#wb-tabs [role=tab]');
    if (tab && last) requestAnimationFrame(() => draw(last));
  });
  document.addEventListener('change', (event) => {
    if (event.target.id === 'status-mode') switchMode(event.target);
  });
}

async function check() {
  say('Checking …');
  const button = document.getElementById('status-check');
  button.disabled = true;
  button.dataset.state = 'running';
  try {
    const reply = await fetch(address('nim/status?deep=true'), {
      headers: { Accept: 'application/json', Prefer: 'respond-async' },
    });
    if (!reply.ok) await refuse(button, await complaint(reply));
  } catch {
    await refuse(button, 'The workbench does not answer.');
  }
  askNow();
}

async function refuse(button, why) {
  button.disabled = false;
  button.dataset.state = 'refused';
  say(why);
  await new Promise((done) => { setTimeout(done, 4000); });
}

async function switchMode(select) {
  try {
    const reply = await fetch(address('nim/mode'), {
      method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ mode: select.value }),
    });
    if (!reply.ok) say(await complaint(reply));
  } catch {
    say('The workbench does not answer.');
  }
  askNow();
}

async function complaint(reply) {
  const told = await reply.json().catch(() => ({}));
  return [told.detail ?? `Refused (${reply.status}).`, told.hint].filter(Boolean).join(' ');
}

function draw(answer) {
  const body = document.querySelector('#status-table tbody');
  if (!body) return;
  for (const service of [...answer.services, ...answer.helpers]) drawRow(body, service);
  drawCheck(answer.check);
  drawMode(answer);
}

function drawRow(body, service) {
  const state = service.finer_state;
  let row = body.querySelector(`tr[data-service="${service.name}"]`);
  if (!row) {
    row = element('tr', { 'data-service': service.name });
    row.innerHTML = `<th scope="row"></th><td data-cell="state"></td><td data-cell="goes"></td><td data-cell="model"></td>
      <td data-cell="latency" class="wb-figure"></td><td data-cell="since"></td>
      <td><button type="button" data-more="${service.name}" aria-expanded="false"
      aria-controls="status-more-${service.name}">Details</button></td>`;
    body.append(row, element('tr', { id: `status-more-${service.name}`, class: 'wb-more', hidden: '' }));
    row.nextElementSibling.innerHTML = '<td colspan="7"></td>';
  }
  if (row.dataset.state !== state) {
    row.dataset.state = state;
    row.querySelector('[data-cell=state]').innerHTML =
      `<span class="wb-chip" data-state="${state}"><svg class="wb-shape" viewBox="0 0 12 12" aria-hidden="true">${SHAPES[state] ?? ''}</svg><span class="wb-state"></span></span>`;
  }
  put(row.querySelector('th'), service.title);
  const seconds = service.starting_s === null ? '' : ` ${service.starting_s} s`;
  put(row.querySelector('.wb-state'), state + seconds);
  put(row.querySelector('[data-cell=goes]'), service.goes_to);
  put(row.querySelector('[data-cell=model]'), [service.model, service.version].filter((each) => each && each !== 'unknown').join(' '));
  put(row.querySelector('[data-cell=latency]'), service.latency_ms === null ? '' : `${figure(service.latency_ms)}\u202fms`);
  put(row.querySelector('[data-cell=since]'), clock(service.since));
  drawDetails(row.nextElementSibling, service);
}

function drawDetails(row, service) {
  const shown = JSON.stringify({ ...service, latency_ms: 0 });
  if (row.dataset.shown === shown) return;
  row.dataset.shown = shown;
  const list = element('dl', { class: 'wb-facts' });
  fact(list, 'Why', service.detail);
  fact(list, 'Address', service.url);
  const call = service.last_call;
  fact(list, 'Last real request', call
    ? `${clock(call.at)}, ${call.ok ? 'answered' : 'failed'} after ${figure(call.elapsed_s, 1)}\u202fs. ${call.detail}`
    : 'none since the start');
  const error = service.last_error;
  if (error) fact(list, 'Last error', [`${clock(error.at)}. ${error.message}`, error.hint].filter(Boolean).join(' '));
  const steps = element('dd');
  if (service.checks.length) {
    const rows = element('ol', { class: 'wb-steps' });
    for (const step of service.checks) {
      const kind = step.ok === null ? 'untold' : step.ok ? 'passed' : 'failed';
      const item = element('li', { 'data-step': step.step, 'data-ok': kind });
      const took = step.ms === null ? '' : ` (${figure(step.ms)}\u202fms)`;
      item.append(element('span', { class: 'wb-tick', 'aria-hidden': 'true' }, { passed: '✓', failed: '✕', untold: '–' }[kind]),
        element('b', {}, step.step), ` ${kind === 'untold' ? 'not told' : kind}: ${step.detail}${took}`);
      rows.append(item);
    }
    steps.append(rows);
  }
  steps.append(service.checked_at ? `Checked ${clock(service.checked_at)}.` : service.checks.length ? 'Checking …' : 'not checked yet');
  list.append(element('dt', {}, 'Contract check'), steps);
  if (service.curl) {
    const line = element('dd');
    line.append(element('code', {}, service.curl), ' ',
      element('button', { type: 'button', 'data-copy': service.curl }, 'Copy as curl'));
    list.append(element('dt', {}, 'By hand'), line);
  }
  row.firstElementChild.replaceChildren(list);
}

function drawCheck(run) {
  const button = document.getElementById('status-check');
  if (!button || !run) return;
  button.disabled = run.running;
  button.dataset.state = run.running ? 'running' : 'done';
  if (run.running) say(`Checking: ${run.done} of ${run.of} done`);
  else if (run.of === 0) say('Nobody to check in this mode: nothing is asked of any NIM.');
  else say(`Checked ${clock(run.ended_at)}`);
}

function drawMode(answer) {
  const select = document.getElementById('status-mode');
  if (!select) return;
  if (document.activeElement !== select) select.value = answer.mode;
  select.disabled = !answer.may_switch;
  const note = answer.mode !== answer.process_mode
    ? `Switched for this visit; everybody else is in ${answer.process_mode} mode. What is made now says so.`
    : answer.may_switch ? '' : 'The mode can be switched only on the machine itself, where no setting locks it.';
  put(document.getElementById('status-mode-note'), note);
}

function toggle(name) {
  if (!open.delete(name)) open.add(name);
  document.getElementById(`status-more-${name}`).hidden = !open.has(name);
  document.querySelector(`[data-more="${name}"]`).setAttribute('aria-expanded', String(open.has(name)));
}

async function copyLine(button) {
  const done = await navigator.clipboard?.writeText(button.dataset.copy).then(() => true, () => false);
  button.textContent = done ? 'Copied' : 'Select the line and copy it';
  setTimeout(() => { button.textContent = 'Copy as curl'; }, 2000);
}

const clock = (stamp) => (stamp ? stamp.slice(0, 19).replace('T', ' ') : '');

function say(text) {
  put(document.getElementById('status-progress'), text);
}

function put(place, text) {
  if (place && place.textContent !== text) place.textContent = text;
}

function fact(list, name, text) {
  if (text) list.append(element('dt', {}, name), element('dd', {}, text));
}

function element(name, attributes = {}, text = '') {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}
