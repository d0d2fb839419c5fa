// The volumes tables: show and hide, jump, sort, find, the picked structure's numbers and plots.
import { address, figure, viewerOf } from './dom.js';

/** The tabs with such a table; `NAME-organs`, `NAME-detail`, `NAME-downloads` and `NAME-viewer` belong together. */
const TABS = ['seg', 'syn'];
const TABLES = TABS.map((tab) => `#${tab}-organs`).join(', ');

export function startTable() {
  document.addEventListener('click', (event) => {
    const tab = tabOf(event.target);
    if (tab) onTableClick(tab, event);
    const opener = event.target.closest('[data-figure]');
    if (opener) openFigure(opener.dataset.figure, opener.closest('[data-case]').dataset.case, null, opener);
  });
  document.addEventListener('change', (event) => {
    const tab = tabOf(event.target);
    if (tab && event.target.closest('tbody tr')) tellVisible(tab);
  });
  document.addEventListener('input', (event) => {
    const tab = tabOf(event.target);
    if (tab && event.target.matches('[data-find]')) find(tab, event.target.value);
  });
  document.addEventListener('workbench:palette', paint);
}

const tabOf = (element) => element.closest?.(TABLES)?.id.split('-')[0] ?? null;
const rows = (tab) => [...document.querySelectorAll(`#${tab}-organs tbody tr`)];
const box = (row) => row.querySelector('input[type=checkbox]');

function onTableClick(tab, event) {
  const sorter = event.target.closest('th[data-sort]');
  if (sorter) return sort(tab, sorter);
  const all = event.target.closest('[data-show]');
  if (all) {
    for (const row of rows(tab)) box(row).checked = all.dataset.show === 'all';
    return tellVisible(tab);
  }
  const only = event.target.closest('[data-only]');
  if (only) {
    for (const row of rows(tab)) box(row).checked = row.dataset.label === only.dataset.only;
    return tellVisible(tab);
  }
  const row = event.target.closest('tbody tr');
  if (row && !event.target.closest('input')) pick(tab, row);
  return undefined;
}

function tellVisible(tab) {
  const shown = rows(tab).filter((row) => box(row).checked).map((row) => Number(row.dataset.label));
  viewerOf(tab)?.setVisible(shown);
  for (const row of rows(tab)) row.classList.toggle('wb-off', !box(row).checked);
}

function pick(tab, row) {
  for (const each of rows(tab)) each.toggleAttribute('data-picked', each === row);
  viewerOf(tab)?.jumpTo(Number(row.dataset.label));
  showDetail(tab, row);
}

function showDetail(tab, row) {
  const detail = document.getElementById(`${tab}-detail`);
  const facts = JSON.parse(row.dataset.detail);
  const mm = (values) => values.map((each) => figure(each, 1)).join(', ');
  const [right, front, up] = facts.centroid_ras_mm;
  const lines = [
    ['Voxels', figure(facts.voxels)],
    ['HU range', `${figure(facts.min_hu)} to ${figure(facts.max_hu)}`],
    ['Centroid', `R ${figure(right, 1)}, A ${figure(front, 1)}, S ${figure(up, 1)} mm`],
    ['Extent', `${mm(facts.extent_mm)} mm (R\u2013L, A\u2013P, S\u2013I)`],
  ];
  detail.replaceChildren();
  const title = document.createElement('h3');
  title.textContent = row.dataset.name;
  const list = document.createElement('dl');
  list.className = 'wb-facts';
  for (const [name, value] of lines) {
    const line = document.createElement('div');
    const term = document.createElement('dt');
    const text = document.createElement('dd');
    term.textContent = name;
    text.textContent = value;
    line.append(term, text);
    list.append(line);
  }
  const remarks = document.createElement('ul');
  remarks.className = 'wb-remarks wb-warning';
  const cut = facts.touches_edge ? ['cut by the edge of the scan: the volume is a lower bound'] : [];
  for (const flag of [...cut, ...facts.flags]) {
    const item = document.createElement('li');
    item.textContent = flag;
    remarks.append(item);
  }
  const buttons = document.createElement('div');
  buttons.className = 'wb-downloads';
  buttons.dataset.case = document.querySelector(`#${tab}-downloads [data-case]`).dataset.case;
  for (const [kind, text] of [['histogram', 'HU histogram'], ['area', 'Area along the slices']]) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.addEventListener('click', (event) => {
      event.stopPropagation();
      openFigure(kind, buttons.dataset.case, row.dataset.label, button);
    });
    buttons.append(button);
  }
  const only = document.createElement('button');
  only.type = 'button';
  only.textContent = 'Show only this';
  only.dataset.only = row.dataset.label;
  buttons.append(only);
  detail.append(title, list, remarks, buttons);
  detail.hidden = false;
}

function openFigure(kind, caseId, label, opener) {
  document.getElementById('wb-figure')?.remove();
  const dark = document.body.classList.contains('dark');
  const url = new URL(address(`cases/${caseId}/figures/${kind}.png`));
  url.searchParams.set('dark', String(dark));
  if (label) url.searchParams.set('label', label);
  const dialog = document.createElement('dialog');
  dialog.id = 'wb-figure';
  dialog.setAttribute('aria-label', opener.textContent);
  const close = document.createElement('button');
  close.type = 'button';
  close.textContent = 'Close';
  close.addEventListener('click', () => dialog.close());
  const picture = document.createElement('img');
  picture.alt = `${opener.textContent} of this case`;
  picture.src = url.href;
  const wait = document.createElement('p');
  wait.className = 'wb-quiet';
  wait.textContent = 'Drawing';
  picture.addEventListener('load', () => { wait.remove(); dialog.dataset.state = 'ready'; });
  picture.addEventListener('error', () => { wait.textContent = 'This figure could not be drawn. Close it and try again.'; });
  dialog.append(close, wait, picture);
  dialog.addEventListener('close', () => { dialog.remove(); opener.focus(); });
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}

function sort(tab, header) {
  const ascending = header.getAttribute('aria-sort') === 'descending';
  for (const each of header.parentElement.querySelectorAll('[data-sort]')) each.setAttribute('aria-sort', 'none');
  header.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
  const key = header.dataset.sort;
  const order = (a, b) => (key === 'name'
    ? b.dataset.name.localeCompare(a.dataset.name)
    : Number(b.dataset[key]) - Number(a.dataset[key]));
  const sorted = rows(tab).sort((a, b) => (ascending ? -order(a, b) : order(a, b)));
  sorted[0]?.parentElement.append(...sorted);
}

function find(tab, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows(tab)) row.hidden = !words.every((word) => row.dataset.name.toLowerCase().includes(word));
}

function paint(event) {
  for (const swatch of document.querySelectorAll('.wb-swatch[data-colour]')) {
    swatch.style.background = event.detail.safe ? swatch.dataset.safe : swatch.dataset.colour;
  }
}
