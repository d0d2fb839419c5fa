// Where the question is typed, and what it is asked of: collections, years, sources, the open case, how the model answers.
import { figure, segmentViewer } from '../dom.js';
import { button, count, fill, make } from './make.js';

const SETTINGS = [
  ['temperature', 'Temperature', 'higher: more varied wording', { min: 0, max: 2, step: 0.1 }],
  ['top_p', 'Top-p', 'share of likely words kept', { min: 0.05, max: 1, step: 0.05 }],
  ['max_tokens', 'Longest answer', 'tokens; three quarters of a word each', { min: 16, max: 4096, step: 1 }],
  ['top_k', 'Passages', 'at most, for one answer', { min: 1, max: 20, step: 1 }],
];

export class Composer {
  /** `room` is the tab; `conversation` keeps what is chosen; `act` holds send, stop, editLast; `most` characters are taken. */
  constructor(room, conversation, { most, ...act }) {
    Object.assign(this, { room, conversation, act, most });
    this.field = room.querySelector('#chat-input textarea');
    this.sender = room.querySelector('#chat-send');
    this.tools = room.querySelector('[data-chat=scope]');
    this.collections = [];
    this.known = new Map();
    this.editing = null;
    this.open = null;
    this.listen();
    if (conversation.draft) this.write(conversation.draft);
    this.draw();
  }

  listen() {
    const { field } = this;
    // Before Gradio: it would take Enter for itself, and the field must stay as it is until the question is on its way.
    field.addEventListener('keydown', (event) => this.onKey(event), { capture: true });
    field.addEventListener('input', () => {
      this.conversation.draft = field.value;
      this.conversation.save();
      this.showSender();
    });
    this.sender.addEventListener('click', () => (this.conversation.answering ? this.act.stop() : this.send()));
    document.addEventListener('viewer:state', () => this.drawCase());
    document.addEventListener('click', (event) => {
      if (this.open && event.target.isConnected && !this.tools.contains(event.target)) this.fold();
    });
    this.tools.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.open) this.fold(true);
    });
  }

  onKey(event) {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      event.stopImmediatePropagation();
      this.send();
    } else if (event.key === 'ArrowUp' && !this.field.value) {
      event.preventDefault();
      this.act.editLast();
    } else if (event.key === 'Escape' && this.editing && !this.conversation.answering) {
      this.edit(null);
    }
  }

  send() {
    const question = this.field.value.trim();
    if (!question || question.length > this.most || this.conversation.answering) return;
    if (!this.act.send(question, this.about(), this.editing)) return;
    this.editing = null;
    this.write('');
    this.draw();
  }

  /** What a question asked now is asked of. */
  about() {
    const { scope, settings } = this.conversation;
    const { top_k, ...sampling } = settings;
    const { case: case_id = '', text = '', marks = [] } = this.conversation.withCase ? openCase() ?? {} : {};
    return {
      collections: scope.collections.filter((name) => this.collections.some((each) => each.name === name)),
      filters: { year_from: scope.year_from, year_to: scope.year_to, sources: scope.sources },
      top_k, sampling, case_id: case_id || null, case_name: text, case_marks: marks,
    };
  }

  /** Put a question into the field; null forgets that one is edited. */
  edit(exchange) {
    this.editing = exchange;
    if (exchange) this.write(exchange.question);
    this.draw();
    this.field.focus();
  }

  write(text) {
    this.field.value = text;
    this.field.dispatchEvent(new Event('input', { bubbles: true }));
    this.field.scrollTop = this.field.scrollHeight;
  }

  /** The collections there are, and their documents' sources. */
  setCollections(collections) {
    this.collections = collections;
    this.draw();
  }

  showSender() {
    const answering = Boolean(this.conversation.answering);
    this.sender.textContent = answering ? 'Stop' : this.editing ? 'Ask again' : 'Ask';
    this.sender.classList.toggle('stop', answering);
    const length = this.field.value.trim().length;
    this.sender.disabled = !answering && (!length || length > this.most);
    const told = this.tools.querySelector('.chat-length');
    if (!told) return;
    told.hidden = length < 0.9 * this.most;
    told.toggleAttribute('data-over', length > this.most);
    const said = length > this.most ? `. Shorten it, or add the long text to the library and ask about it` : '';
    told.textContent = `${figure(length)} of at most ${figure(this.most)} characters${said}.`;
  }

  draw() {
    fill(this.tools,
      this.editing && make('p', { class: 'chat-editing', role: 'status' }, 'Editing an earlier question: sending it replaces that answer and all after it. ',
        button('Keep them', () => { this.edit(null); this.write(''); }, { class: 'chat-quiet' })),
      make('p', { class: 'chat-length', role: 'status', hidden: true }),
      make('div', { class: 'chat-tools' }, this.folder('collections'), this.folder('filters'), this.folder('settings'), make('span', { class: 'chat-case' })),
    );
    this.showSender();
    this.showScope();
    if (this.open) this.unfold(this.open);
    this.drawCase();
  }

  /** The buttons say what is chosen behind them. */
  showScope() {
    const { scope } = this.conversation;
    const chosen = scope.collections.filter((name) => this.collections.some((each) => each.name === name));
    const years = scope.year_from || scope.year_to ? `${scope.year_from ?? 'any'}–${scope.year_to ?? 'today'}` : 'Any year';
    const texts = {
      collections: chosen.length === 0 ? 'All collections' : chosen.length === 1 ? chosen[0] : count(chosen.length, 'collection'),
      filters: `${years}, ${scope.sources.length ? count(scope.sources.length, 'source') : 'any source'}`,
      settings: 'Settings',
    };
    for (const [name, text] of Object.entries(texts)) this.tools.querySelector(`[data-fold=${name}]`).textContent = text;
  }

  folder(name) {
    return button('', () => (this.open === name ? this.fold() : this.unfold(name)), {
      class: 'chat-fold', 'data-fold': name, 'aria-expanded': String(this.open === name), 'aria-controls': 'chat-folder',
    });
  }

  fold(giveBack = false) {
    const { open } = this;
    this.open = null;
    this.tools.querySelector('#chat-folder')?.remove();
    const opener = this.tools.querySelector(`[data-fold=${open}]`);
    opener?.setAttribute('aria-expanded', 'false');
    if (giveBack) opener?.focus();
  }

  unfold(name) {
    if (this.open) this.fold();
    this.open = name;
    this.tools.querySelector(`[data-fold=${name}]`).setAttribute('aria-expanded', 'true');
    this.tools.append(make('div', { id: 'chat-folder', class: 'chat-folder', role: 'group', 'data-folder': name }));
    this.drawFolder();
  }

  /** What is in the open folder, anew; the focus goes to `field` in it. */
  drawFolder(field = null) {
    const parts = { collections: () => this.collectionsPart(), filters: () => this.filtersPart(), settings: () => this.settingsPart() };
    const place = this.tools.querySelector('#chat-folder');
    fill(place, parts[this.open]());
    if (field) place.querySelector(`[data-field=${field}]`)?.focus();
  }

  changed() {
    this.conversation.save();
    this.showScope();
  }

  collectionsPart() {
    const { scope } = this.conversation;
    const rows = this.collections.map(({ name, documents }) => make('label', {},
      make('input', { type: 'checkbox', 'data-field': `collection ${name}`, checked: scope.collections.includes(name), onchange: (event) => {
        scope.collections = event.target.checked ? [...scope.collections, name] : scope.collections.filter((each) => each !== name);
        this.changed();
      } }), make('span', {}, name), make('span', { class: 'wb-quiet' }, count(documents, 'document'))));
    return [make('p', { class: 'wb-quiet' }, 'Where to look. None chosen: in all of them.'), ...(rows.length ? rows : [make('p', {}, 'There is no collection yet.')])];
  }

  filtersPart() {
    const { scope } = this.conversation;
    const year = (field, text) => make('label', {}, make('span', {}, text), make('input', {
      type: 'number', min: 1000, max: 3000, step: 1, placeholder: 'any', value: scope[field], 'data-field': field,
      onchange: (event) => {
        if (!event.target.checkValidity()) return;
        scope[field] = event.target.value ? Number(event.target.value) : null;
        this.changed();
      },
    }));
    const add = (event) => {
      const source = event.target.value.trim();
      if (!source) return;
      scope.sources = [...new Set([...scope.sources, source])];
      this.changed();
      this.drawFolder('source');
    };
    return [
      make('p', { class: 'wb-quiet' }, 'Only documents of these years and sources. One without a year is left out when years are given.'),
      make('div', { class: 'chat-years' }, year('year_from', 'From year'), year('year_to', 'To year')),
      make('label', {}, make('span', {}, 'Source'), make('input', { type: 'text', list: 'chat-known-sources', placeholder: 'any; type to choose', 'data-field': 'source', onchange: add })),
      make('datalist', { id: 'chat-known-sources' }, [...new Set([...this.known.values()].flat())].map((each) => make('option', { value: each }))),
      scope.sources.length > 0 && make('ul', { class: 'chat-chosen' }, scope.sources.map((each) => make('li', {}, each,
        button('Remove', () => { scope.sources = scope.sources.filter((other) => other !== each); this.changed(); this.drawFolder('source'); }, { class: 'chat-quiet', 'aria-label': `Remove ${each}` })))),
      button('Any year, any source', () => { Object.assign(scope, { year_from: null, year_to: null, sources: [] }); this.changed(); this.drawFolder('year_from'); }, { class: 'chat-plain' }),
    ];
  }

  settingsPart() {
    const { settings, defaults } = this.conversation;
    const rows = SETTINGS.map(([field, text, why, range]) => make('label', {}, make('span', {}, text),
      make('input', { type: 'number', ...range, value: settings[field], 'data-field': field, 'aria-describedby': `chat-why-${field}`, onchange: (event) => {
        if (event.target.value === '' || !event.target.checkValidity()) {
          event.target.reportValidity();
          return;
        }
        settings[field] = Number(event.target.value);
        this.changed();
      } }), make('span', { class: 'wb-quiet', id: `chat-why-${field}` }, why)));
    return [...rows, make('p', { class: 'wb-quiet' }, 'For the next question. The mock quotes and takes only the number of passages.'),
      button('As it was', () => { Object.assign(settings, defaults); this.changed(); this.drawFolder('temperature'); }, { class: 'chat-plain' })];
  }

  drawCase() {
    const place = this.tools.querySelector('.chat-case');
    if (!place) return;
    const open = openCase();
    const box = make('input', { type: 'checkbox', 'data-field': 'case', checked: Boolean(open) && this.conversation.withCase, disabled: !open, onchange: (event) => {
      this.conversation.withCase = event.target.checked;
      this.conversation.save();
    } });
    const why = open ? 'The measurements of the open case become a source that an answer may cite' : 'No case is open. Open one in the Segment tab.';
    fill(place, make('label', { title: why }, box, open ? `Ask about this case: ${open.text}` : ['Ask about a case', make('span', { class: 'wb-sr' }, ': none is open')], (open?.marks ?? []).map((each) => make('b', { class: 'chat-mark-word' }, each))));
  }
}

/** The case that is open in the viewer: its id, what the badge says of it, the words MOCK and SYNTHETIC where they hold. */
function openCase() {
  const viewer = segmentViewer();
  const id = viewer?.state?.().case;
  if (!id) return null;
  const badge = viewer.manifest?.badge ?? {};
  return { case: id, text: badge.text ?? id.slice(0, 6), marks: [badge.mock && 'MOCK', badge.synthetic && 'SYNTHETIC'].filter(Boolean) };
}
