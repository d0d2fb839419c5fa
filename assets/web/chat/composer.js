// Where the question is typed, and what it is asked of: collections, years, sources, the open case, how the model answers.
import { segmentViewer } from '../dom.js';
import { TalkComposer } from '../talk/composer.js';
import { button, count, fill, make } from '../talk/make.js';

export class Composer extends TalkComposer {
  /** `room` is the tab; `conversation` keeps what is chosen; `act` holds send, stop, editLast; `most` characters are taken. */
  constructor(room, conversation, { most, ...act }) {
    super('chat', room, conversation, {
      field: '#chat-input', tools: '[data-chat=scope]', most, act,
      over: 'Shorten it, or add the long text to the library and ask about it',
      note: 'For the next question. The mock quotes and takes only the number of passages.',
    });
    this.collections = [];
    this.known = new Map();
    this.begin();
    document.addEventListener('viewer:state', () => this.drawCase());
  }

  /** What a question asked now is asked of. */
  about() {
    const { scope, settings } = this.thread;
    const { top_k, ...sampling } = settings;
    const { case: case_id = '', text = '', marks = [] } = this.thread.withCase ? openCase() ?? {} : {};
    return {
      collections: scope.collections.filter((name) => this.collections.some((each) => each.name === name)),
      filters: { year_from: scope.year_from, year_to: scope.year_to, sources: scope.sources },
      top_k, sampling, case_id: case_id || null, case_name: text, case_marks: marks,
    };
  }

  /** The collections there are, and their documents' sources. */
  setCollections(collections) {
    this.collections = collections;
    this.draw();
  }

  draw() {
    super.draw();
    this.drawCase();
  }

  drawTools() {
    return make('div', { class: 'chat-tools' }, this.folder('collections'), this.folder('filters'), this.folder('settings'), make('span', { class: 'chat-case' }));
  }

  /** What the buttons say of what is chosen behind them. */
  texts() {
    const { scope } = this.thread;
    const chosen = scope.collections.filter((name) => this.collections.some((each) => each.name === name));
    const years = scope.year_from || scope.year_to ? `${scope.year_from ?? 'any'}–${scope.year_to ?? 'today'}` : 'Any year';
    return {
      collections: chosen.length === 0 ? 'All collections' : chosen.length === 1 ? chosen[0] : count(chosen.length, 'collection'),
      filters: `${years}, ${scope.sources.length ? count(scope.sources.length, 'source') : 'any source'}`,
      settings: 'Settings',
    };
  }

  parts() {
    return { collections: () => this.collectionsPart(), filters: () => this.filtersPart(), settings: () => this.settingsPart() };
  }

  collectionsPart() {
    const { scope } = this.thread;
    const rows = this.collections.map(({ name, documents }) => make('label', {},
      make('input', { type: 'checkbox', 'data-field': `collection ${name}`, checked: scope.collections.includes(name), onchange: (event) => {
        scope.collections = event.target.checked ? [...scope.collections, name] : scope.collections.filter((each) => each !== name);
        this.changed();
      } }), make('span', {}, name), make('span', { class: 'wb-quiet' }, count(documents, 'document'))));
    return [make('p', { class: 'wb-quiet' }, 'Where to look. None chosen: in all of them.'), ...(rows.length ? rows : [make('p', {}, 'There is no collection yet.')])];
  }

  filtersPart() {
    const { scope } = this.thread;
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

  drawCase() {
    const place = this.tools.querySelector('.chat-case');
    if (!place) return;
    const open = openCase();
    const box = make('input', { type: 'checkbox', 'data-field': 'case', checked: Boolean(open) && this.thread.withCase, disabled: !open, onchange: (event) => {
      this.thread.withCase = event.target.checked;
      this.thread.save();
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
