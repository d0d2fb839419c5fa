// The anatomy list: searchable, only what MAISI knows, what lies elsewhere says where.
import { make } from './rest.js';

const MOST_SHOWN = 200;

export class AnatomyField {
  /** `changed` is called after every change by hand; `regions()` tells the regions chosen now. */
  constructor(root, { anatomies, regions: known }, { changed, regions }) {
    Object.assign(this, { root, anatomies, known, changed, regions, chosen: [], active: -1 });
    this.input = root.querySelector('input');
    this.list = root.querySelector('[role=listbox]');
    this.tokens = root.querySelector('.syn-tokens');
    this.count = root.querySelector('[data-count]');
    this.input.addEventListener('input', () => this.offer());
    this.input.addEventListener('focus', () => this.offer());
    this.input.addEventListener('blur', () => this.close());
    this.input.addEventListener('keydown', (event) => this.onKey(event));
    // The field keeps the focus while an option is pressed.
    this.list.addEventListener('mousedown', (event) => event.preventDefault());
    this.list.addEventListener('click', (event) => this.take(event.target.closest('[role=option]')));
    this.tokens.addEventListener('click', (event) => {
      const drop = event.target.closest('[data-drop]');
      if (drop) this.set(this.chosen.filter((each) => each !== drop.dataset.drop), true);
    });
    for (const button of root.querySelectorAll('[data-anatomy]')) {
      button.addEventListener('click', () => this.set(this.named(button.dataset.anatomy), true));
    }
  }

  /** The anatomies of the regions chosen: `core` or `common`; none for anything else. */
  named(kind) {
    const chosen = new Set(this.regions());
    return [...new Set(this.known.filter((each) => chosen.has(each.name)).flatMap((each) => each[kind] ?? []))];
  }

  set(names, byHand = false) {
    this.chosen = [...names];
    this.tokens.replaceChildren(...this.chosen.map((name) => make('li', { class: 'syn-token', 'data-name': name }, name,
      make('button', { type: 'button', 'data-drop': name, 'aria-label': `Leave out ${name}`, title: `Leave out ${name}` }, '\u00d7'))));
    this.tellCount();
    if (byHand) this.changed();
  }

  tellCount() {
    const usual = this.named('core').length;
    const none = usual ? `empty: the ${usual} that any CT of the region shows` : 'choose a region first';
    this.count.textContent = this.chosen.length ? `${this.chosen.length} chosen` : none;
  }

  offer() {
    const words = this.input.value.toLowerCase().replaceAll('_', ' ').split(/\s+/).filter(Boolean);
    const chosen = new Set(this.regions());
    const here = (each) => !chosen.size || each.regions.some((region) => chosen.has(region));
    const found = this.anatomies
      .filter((each) => !this.chosen.includes(each.name) && words.every((word) => each.name.toLowerCase().includes(word)))
      .sort((a, b) => here(b) - here(a) || a.name.localeCompare(b.name)).slice(0, MOST_SHOWN);
    this.active = found.length && words.length ? 0 : -1;
    this.list.replaceChildren(...found.map((each, at) => make('li',
      { role: 'option', id: `syn-anatomy-${at}`, 'data-name': each.name, 'aria-selected': 'false', class: here(each) ? '' : 'syn-away' },
      make('span', {}, each.name), make('span', { class: 'wb-quiet' }, here(each) ? '' : `in ${each.regions.join(', ')}`))));
    if (!found.length) this.list.replaceChildren(make('li', { class: 'wb-quiet' }, 'MAISI knows no anatomy of that name.'));
    this.list.hidden = false;
    this.input.setAttribute('aria-expanded', 'true');
    this.mark();
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute('aria-expanded', 'false');
    this.input.removeAttribute('aria-activedescendant');
  }

  onKey(event) {
    const options = this.list.querySelectorAll('[role=option]');
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (this.list.hidden) this.offer();
      else if (options.length) this.active = (this.active + (event.key === 'ArrowDown' ? 1 : -1) + options.length) % options.length;
      this.mark();
    } else if (event.key === 'Enter') {
      event.preventDefault(); // Enter here never sends the request
      this.take(options[this.active]);
    } else if (event.key === 'Escape') {
      this.close();
    } else if (event.key === 'Backspace' && !this.input.value && this.chosen.length) {
      this.set(this.chosen.slice(0, -1), true);
    }
  }

  mark() {
    const options = [...this.list.querySelectorAll('[role=option]')];
    options.forEach((each, at) => each.setAttribute('aria-selected', String(at === this.active)));
    const active = options[this.active];
    if (!active) return;
    this.input.setAttribute('aria-activedescendant', active.id);
    active.scrollIntoView({ block: 'nearest' });
  }

  take(option) {
    if (!option) return;
    this.input.value = '';
    this.set([...this.chosen, option.dataset.name], true);
    this.offer();
  }
}
