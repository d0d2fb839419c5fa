// Before anything is sent: what breaks a rule, said beside its field, and what the request costs.
import { figure } from '../dom.js';
import { ask, make } from './rest.js';
import { titleOf } from './form.js';

const WAIT_MS = 150;
const NOTHING = { rules: [], allowed: false };

export class Preflight {
  /** `form` is filled by a repair; `ready` is called whenever it is known whether the request may be sent. */
  constructor(root, form, choices, ready) {
    Object.assign(this, { root, form, ready, last: NOTHING, asked: 0, stale: true });
    this.verdict = root.querySelector('#syn-verdict');
    this.run = root.querySelector('#syn-run');
    this.facts = root.querySelector('#syn-forecast dl');
    this.notes = root.querySelector('#syn-forecast ul');
    this.machine = root.querySelector('#syn-machine');
    this.machine.replaceChildren(...choices.machines.map((name) => make('option', { value: name }, name)));
    this.machine.addEventListener('change', () => this.check(form.read(), 0));
    root.querySelector('[data-suggest]').addEventListener('click', () => this.suggest());
  }

  /** Hold a request against the rules, a moment after the last change. */
  check(request, wait = WAIT_MS) {
    clearTimeout(this.timer);
    this.stale = true;
    this.ready(false);
    this.timer = setTimeout(() => this.send(request), wait);
  }

  async send(request) {
    this.asked += 1;
    const mine = this.asked;
    this.stopper?.abort();
    this.stopper = new AbortController();
    try {
      const told = await ask(`nim/maisi/preflight?machine=${encodeURIComponent(this.machine.value)}`,
        { method: 'POST', body: request, signal: this.stopper.signal });
      if (mine === this.asked) this.tell(request, told);
    } catch (error) {
      if (error.name === 'AbortError' || mine !== this.asked) return;
      this.verdict.replaceChildren(make('p', { class: 'syn-blocks' }, `${error.message} ${error.hint ?? ''}`));
      this.ready(false);
    }
  }

  async suggest() {
    const { spacing, ...rest } = this.form.read();
    const told = await ask('nim/maisi/preflight', { method: 'POST', body: rest }).catch(() => null);
    if (told?.request) this.form.fill({ ...this.form.read(), spacing: told.request.spacing }, true);
    else this.check(this.form.read(), 0);
  }

  tell(request, told) {
    this.last = told;
    this.stale = false;
    this.form.root.dataset.state = told.allowed ? 'allowed' : 'refused';
    this.tellRules(told);
    this.tellVerdict(told);
    this.tellForecast(told);
    this.run.textContent = told.request ? `Generate ${titleOf(told.request)}` : 'Generate';
    this.ready(told.allowed);
  }

  /** Each rule beside the field it concerns, with its own repair. */
  tellRules({ rules }) {
    for (const place of this.root.querySelectorAll('.syn-said')) place.replaceChildren();
    for (const field of this.root.querySelectorAll('[data-field]')) field.toggleAttribute('data-broken', false);
    for (const rule of rules) {
      const field = this.root.querySelector(`[data-field="${CSS.escape(rule.field)}"]`) ?? this.root.querySelector('#syn-samples');
      field.toggleAttribute('data-broken', rule.blocks || field.hasAttribute('data-broken'));
      field.querySelector('.syn-said').append(make('p', { class: rule.blocks ? 'syn-blocks' : 'syn-advice', 'data-rule': rule.rule },
        make('b', {}, rule.blocks ? 'Refused' : 'Advice'), ` ${rule.message} `, ...this.repairs(rule)));
    }
    if (this.root.querySelector('#syn-sizes [data-rule]')) this.root.querySelector('#syn-sizes').open = true;
  }

  /** What mends a rule, each a button that says what it does. */
  repairs(rule) {
    const mend = (words, request) => make('button', { type: 'button', on: { click: () => this.form.fill(request, true) } }, words);
    if (rule.rule === 'sizes override') { // either of two choices excludes the other
      return [mend('Empty the anatomy list', rule.repaired), ' ',
        mend('Remove the sizes', { ...this.form.read(), controllable_anatomy_size: [] })];
    }
    if (rule.repaired && rule.nearest) return [mend(rule.nearest.replace(/\.$/, ''), rule.repaired)];
    return rule.nearest ? [rule.nearest] : [];
  }

  tellVerdict({ allowed, nearest, rules, request }) {
    const broken = rules.filter((rule) => rule.blocks);
    if (allowed) {
      this.verdict.replaceChildren();
      return;
    }
    const words = broken.length === 1 ? 'One rule is broken: MAISI would refuse this request.'
      : `${broken.length} rules are broken: MAISI would refuse this request.`;
    const use = nearest && request ? make('button', { type: 'button', id: 'syn-nearest', title: titleOf(nearest),
      on: { click: () => this.form.fill(nearest, true) } }, 'Use the nearest allowed request') : null;
    this.verdict.replaceChildren(make('p', { class: 'syn-blocks' }, words), ...(use ? [use] : []));
  }

  tellForecast({ forecast, fit, warnings, fits_disk: room, free_disk_mb: free, answering }) {
    const rows = [];
    const mock = answering?.status === 'mock';
    if (forecast) {
      const { memory_low_gb: low, memory_high_gb: high } = forecast;
      const exact = forecast.memory_is_exact ? '' : `, published for ${forecast.memory_size.join('\u00a0\u00d7\u00a0')}`;
      rows.push(['Field of view', `${forecast.field_of_view_mm.map((each) => figure(each)).join(' \u00d7 ')} mm`, '']);
      rows.push(['GPU memory', `${low === high ? figure(low) : `${figure(low)} to ${figure(high)}`} GB${exact}`, forecast.memory_source]);
      rows.push(['Time', `about ${duration(forecast.seconds)} on an ${forecast.seconds_gpu}`, `${forecast.seconds_source}. Rough: a quality check may make a sample again.`]);
      rows.push(['On disk', `${figure(forecast.result_mb)} MB`, `${figure(free / 1000)} GB are free`]);
    }
    this.facts.replaceChildren(...rows.map(([name, value, source]) => make('div', { class: 'wb-wide-fact', title: source || null },
      make('dt', {}, name), make('dd', {}, value))));
    const state = { fits: 'available', tight: 'degraded', 'does not fit': 'unavailable', unknown: 'starting' };
    const notes = [];
    if (room === false) {
      notes.push(make('li', { class: 'syn-fit', 'data-state': 'unavailable' }, make('b', {}, 'Not enough room on the disk.'),
        ` ${figure(free)} MB are free; while it is read, the result takes two and a half times its size.`));
    }
    if (mock) notes.push(make('li', { class: 'syn-mock' }, make('b', {}, 'A mock would answer.'),
      ' It needs no GPU and draws a part of a phantom, at most 256 voxels a side.'));
    if (fit) {
      const seen = fit.available_gb === 0 ? 'unknown' : fit.fit;
      notes.push(make('li', { class: 'syn-fit', 'data-state': state[seen] }, make('b', {}, fitWords(fit)), fitWhy(fit)));
    }
    notes.push(...warnings.map((text) => make('li', {}, text)));
    this.notes.replaceChildren(...notes);
    this.root.querySelector('.syn-machine').hidden = !forecast;
  }
}

const fitWords = ({ fit, available_gb: room }) => (room === 0 ? 'No GPU.' : { fits: 'Fits.', tight: 'Tight.', 'does not fit': 'Does not fit.', unknown: 'Unknown.' }[fit]);

function fitWhy({ machine, available_gb: room, fit, notes }) {
  if (fit === 'unknown') return ` The GPU memory of ${machine.toLowerCase()} cannot be read. ${notes.join(' ')}`;
  if (!room) return ` ${machine} has none that can be seen; MAISI may run on another.`;
  return ` ${machine} has ${figure(room)} GB to be had.`;
}

/** `80 s`, `10 min`, `1 h 40 min`. */
export function duration(seconds) {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
