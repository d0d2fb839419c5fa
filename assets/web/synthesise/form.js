// The request as a form: it can be read, filled and remembered; what excludes each other says so.
import { AnatomyField } from './anatomy.js';
import { make } from './rest.js';
import { SizesField } from './sizes.js';

const REMEMBERED = 'workbench-synthesise';

/** `1 chest and abdomen CT, 256 x 256 x 128`: what the button says happens. */
export function titleOf(request) {
  const count = request.num_output_samples;
  const kind = `${count} ${request.controllable_anatomy_size.length ? '' : joined(request.body_region)}`.trim();
  const sized = request.controllable_anatomy_size.length ? ' with set sizes' : '';
  return `${kind} ${count === 1 ? 'CT' : 'CTs'}${sized}, ${request.output_size.join(' \u00d7 ')}`;
}

const joined = (names) => (names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0] ?? '');

export class RequestForm {
  /** `changed` is called with the request after every change. */
  constructor(root, choices, changed) {
    Object.assign(this, { root, choices, told: changed });
    const find = (id) => root.querySelector(`#${id}`);
    this.preset = find('syn-preset');
    this.chips = root.querySelector('.syn-chips');
    this.xy = find('syn-size-xy');
    this.z = find('syn-size-z');
    this.across = find('syn-spacing-xy');
    this.step = find('syn-spacing-z');
    this.samples = find('syn-samples-count');
    const onChange = () => this.changed();
    this.anatomy = new AnatomyField(find('syn-anatomy'), choices, { changed: onChange, regions: () => this.regions() });
    this.sizes = new SizesField(find('syn-sizes'), choices, { changed: onChange });
    this.build();
    for (const each of [this.xy, this.z]) each.addEventListener('change', onChange);
    for (const each of [this.across, this.step, this.samples]) each.addEventListener('input', onChange);
  }

  build() {
    const options = (select, values) => select.replaceChildren(...values.map((each) => make('option', { value: each }, String(each))));
    options(this.xy, this.choices.sizes.x_y);
    options(this.z, this.choices.sizes.z);
    this.preset.replaceChildren(make('option', { value: '' }, 'Own request'),
      ...this.choices.presets.map((each, at) => make('option', { value: at }, each.label.replaceAll(' x ', ' \u00d7 '))));
    this.preset.addEventListener('change', () => {
      const chosen = this.choices.presets[Number(this.preset.value)];
      if (this.preset.value !== '' && chosen) {
        this.fill({ ...this.read(), ...chosen, anatomy_list: [], controllable_anatomy_size: [] }, true);
      }
    });
    this.chips.replaceChildren(...this.choices.regions.map((each) => make('button',
      { type: 'button', 'data-region': each.name, 'aria-pressed': 'false' }, each.name)));
    this.chips.addEventListener('click', (event) => {
      const chip = event.target.closest('[data-region]');
      if (!chip) return;
      chip.setAttribute('aria-pressed', String(chip.getAttribute('aria-pressed') !== 'true'));
      this.anatomy.tellCount();
      this.changed();
    });
    this.samples.max = this.choices.samples[1];
  }

  regions() {
    return [...this.chips.querySelectorAll('[aria-pressed=true]')].map((each) => each.dataset.region);
  }

  read() {
    const number = (input) => (input.value.trim() === '' ? input.value : Number(input.value));
    const across = number(this.across);
    return {
      body_region: this.regions(),
      anatomy_list: [...this.anatomy.chosen],
      output_size: [Number(this.xy.value), Number(this.xy.value), Number(this.z.value)],
      spacing: [across, across, number(this.step)],
      controllable_anatomy_size: this.sizes.rows.map(([name, size]) => [name, Number.isNaN(size) ? '' : size]),
      num_output_samples: number(this.samples),
    };
  }

  /** Show a request; a size that no list holds stays visible, so that what is wrong with it can be told. */
  fill(request, byHand = false) {
    const pick = (select, value) => {
      if (![...select.options].some((each) => each.value === String(value))) select.append(make('option', { value }, String(value)));
      select.value = String(value);
    };
    const also = (name) => this.choices.regions.find((each) => each.name === name || each.also.includes(name))?.name;
    const regions = new Set(request.body_region.map(also));
    for (const chip of this.chips.children) chip.setAttribute('aria-pressed', String(regions.has(chip.dataset.region)));
    pick(this.xy, request.output_size[0]);
    pick(this.z, request.output_size[2]);
    this.across.value = request.spacing[0];
    this.step.value = request.spacing[2];
    this.samples.value = request.num_output_samples;
    this.anatomy.set(request.anatomy_list);
    this.sizes.set(request.controllable_anatomy_size);
    if (byHand) this.changed();
    else this.tellChoices();
  }

  changed() {
    this.tellChoices();
    this.remember();
    this.told(this.read());
  }

  /** What overrides what, and whether this is still a recommended request. */
  tellChoices() {
    const { sizes, choices } = this;
    this.root.classList.toggle('syn-sized', sizes.rows.length > 0);
    const now = this.read();
    const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    const at = choices.presets.findIndex((each) => same([...each.body_region].sort(), [...now.body_region].sort())
      && same(each.output_size, now.output_size) && same(each.spacing, now.spacing));
    this.preset.value = at < 0 || sizes.rows.length ? '' : String(at);
  }

  remember() {
    try {
      localStorage.setItem(REMEMBERED, JSON.stringify(this.read()));
    } catch { /* storage may be closed; the form stays as it is on the page */ }
  }

  /** The request of the last visit to this form; null where there is none or it does not fit. */
  static remembered() {
    try {
      const kept = JSON.parse(localStorage.getItem(REMEMBERED));
      const lists = ['body_region', 'anatomy_list', 'output_size', 'spacing', 'controllable_anatomy_size'];
      return kept && lists.every((name) => Array.isArray(kept[name])) ? kept : null;
    } catch {
      return null;
    }
  }
}
