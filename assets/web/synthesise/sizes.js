// Sizes of organs and of one tumour: up to ten rows, each once.
import { make } from './rest.js';

const LEFT_OUT = -1;

export class SizesField {
  constructor(root, { controllable, most_sizes: most, most_tumours: tumours }, { changed }) {
    Object.assign(this, { root, controllable, most, tumours, changed, rows: [] });
    this.place = root.querySelector('.syn-rows');
    this.count = root.querySelector('[data-count]');
    this.add = root.querySelector('[data-add-row]');
    this.add.addEventListener('click', () => {
      const free = this.controllable.find((each) => this.mayTake(each));
      if (!free) return;
      this.set([...this.rows, [free.name, 0.5]], true);
      this.place.lastElementChild.querySelector('select').focus();
    });
  }

  set(rows, byHand = false) {
    this.rows = rows.map(([name, size]) => [name, size]);
    this.draw();
    if (this.rows.length) this.root.open = true;
    if (byHand) this.changed();
  }

  isTumour(name) { return this.controllable.find((each) => each.name === name)?.is_tumour ?? false; }

  /** Whether a row `at` (or a new one) may hold this anatomy: each once, and as many tumours as one CT can hold. */
  mayTake(each, at = -1) {
    const others = this.rows.filter((_, index) => index !== at).map(([name]) => name);
    if (others.includes(each.name)) return false;
    return !each.is_tumour || others.filter((name) => this.isTumour(name)).length < this.tumours;
  }

  draw() {
    this.place.replaceChildren(...this.rows.map((row, at) => this.row(row, at)));
    this.count.textContent = this.rows.length ? `${this.rows.length} set` : '';
    this.add.disabled = this.rows.length >= this.most || !this.controllable.some((each) => this.mayTake(each));
    this.add.title = this.add.disabled ? `At most ${this.most} rows and one tumour` : '';
  }

  row([name, size], at) {
    const known = this.controllable.some((each) => each.name === name);
    const choice = make('select', { 'aria-label': `Anatomy of row ${at + 1}` },
      ...(known ? [] : [make('option', { value: name, selected: true }, name)]),
      ...this.controllable.map((each) => make('option',
        { value: each.name, selected: each.name === name, disabled: !this.mayTake(each, at) }, each.name)));
    const out = size === LEFT_OUT;
    const number = make('input', { type: 'number', min: 0, max: 1, step: 0.05, value: out ? '' : size, disabled: out,
      'aria-label': `Size of ${name}, 0 to 1` });
    const slider = make('input', { type: 'range', min: 0, max: 1, step: 0.05, value: out ? 0 : size, disabled: out,
      'aria-label': `Size of ${name}` });
    const box = make('input', { type: 'checkbox', checked: out });
    choice.addEventListener('change', () => this.change(at, [choice.value, size], true));
    number.addEventListener('input', () => {
      slider.value = number.value;
      this.change(at, [name, number.value === '' ? NaN : Number(number.value)]);
    });
    slider.addEventListener('input', () => {
      number.value = slider.value;
      this.change(at, [name, Number(slider.value)]);
    });
    box.addEventListener('change', () => this.change(at, [name, box.checked ? LEFT_OUT : 0.5], true));
    return make('div', { class: 'syn-row', 'data-row': name }, choice, slider, number,
      make('label', { title: 'Leave this organ out of the CT' }, box, 'leave out'),
      make('button', { type: 'button', 'aria-label': `Remove the row of ${name}`, title: 'Remove this row',
        on: { click: () => this.set(this.rows.filter((_, index) => index !== at), true) } }, '\u00d7'));
  }

  change(at, row, redraw = false) {
    this.rows[at] = row;
    if (redraw) this.draw();
    this.changed();
  }
}
