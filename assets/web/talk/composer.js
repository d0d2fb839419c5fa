// Where the question is typed, and the folders under it: what both tabs that talk have in common.
import { figure } from '../dom.js';
import { button, fill, make } from './make.js';

const SETTINGS = {
  temperature: ['Temperature', 'higher: more varied wording', { min: 0, max: 2, step: 0.1 }],
  top_p: ['Top-p', 'share of likely words kept', { min: 0.05, max: 1, step: 0.05 }],
  max_tokens: ['Longest answer', 'tokens; three quarters of a word each', { min: 16, max: 4096, step: 1 }],
  top_k: ['Passages', 'at most, for one answer', { min: 1, max: 20, step: 1 }],
};

/** Subclasses give `about()`, `parts()`, `texts()`, `drawTools()`, and call `begin()` when they are made. */
export class TalkComposer {
  /**
   * `name` begins the ids of the tab; `act` holds send, stop, editLast; `most` characters are taken, `over` says what
   * to do about more; `note` stands under the settings.
   */
  constructor(name, room, thread, { field, tools, most, over, note, act }) {
    Object.assign(this, { name, room, thread, act, most, over, note });
    this.field = room.querySelector(`${field} textarea`);
    this.sender = room.querySelector(`#${name}-send`);
    this.tools = room.querySelector(tools);
    this.editing = null;
    this.open = null;
  }

  begin() {
    this.listen();
    if (this.thread.draft) this.write(this.thread.draft);
    this.draw();
  }

  listen() {
    const { field } = this;
    // Before Gradio: it would take Enter for itself, and the field must stay as it is until the question is on its way.
    field.addEventListener('keydown', (event) => this.onKey(event), { capture: true });
    field.addEventListener('input', () => {
      this.thread.draft = field.value;
      this.thread.save();
      this.showSender();
    });
    this.sender.addEventListener('click', () => (this.thread.answering ? this.act.stop() : this.send()));
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
    } else if (event.key === 'Escape' && this.editing && !this.thread.answering) {
      this.edit(null);
    }
  }

  /** Whether a question of so many characters may be sent. */
  fits(length) {
    return length > 0 && length <= this.most;
  }

  send() {
    const question = this.field.value.trim();
    if (!this.fits(question.length) || this.thread.answering) return;
    if (!this.act.send(question, this.about(), this.editing)) return;
    this.editing = null;
    this.write('');
    this.draw();
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

  /** Whether the button is to be pressed at all with so many characters typed. */
  offers(length) {
    return this.fits(length);
  }

  showSender() {
    const answering = Boolean(this.thread.answering);
    this.sender.textContent = answering ? 'Stop' : this.editing ? 'Ask again' : 'Ask';
    this.sender.classList.toggle('stop', answering);
    const length = this.field.value.trim().length;
    this.sender.disabled = !answering && !this.offers(length);
    const told = this.tools.querySelector('.chat-length');
    if (!told) return;
    told.hidden = length < 0.9 * this.most;
    told.toggleAttribute('data-over', length > this.most);
    const said = length > this.most ? `. ${this.over}` : '';
    told.textContent = `${figure(length)} of at most ${figure(this.most)} characters${said}.`;
  }

  draw() {
    fill(this.tools,
      this.editing && make('p', { class: 'chat-editing', role: 'status' }, 'Editing an earlier question: sending it replaces that answer and all after it. ',
        button('Keep them', () => { this.edit(null); this.write(''); }, { class: 'chat-quiet' })),
      make('p', { class: 'chat-length', role: 'status', hidden: true }), this.drawTools());
    this.showSender();
    this.showScope();
    if (this.open) this.unfold(this.open);
  }

  /** The buttons say what is chosen behind them. */
  showScope() {
    for (const [name, text] of Object.entries(this.texts())) this.tools.querySelector(`[data-fold=${name}]`).textContent = text;
  }

  folder(name) {
    return button('', () => (this.open === name ? this.fold() : this.unfold(name)), {
      class: 'chat-fold', 'data-fold': name, 'aria-expanded': String(this.open === name), 'aria-controls': `${this.name}-folder`,
    });
  }

  fold(giveBack = false) {
    const { open } = this;
    this.open = null;
    this.tools.querySelector('.chat-folder')?.remove();
    const opener = this.tools.querySelector(`[data-fold=${open}]`);
    opener?.setAttribute('aria-expanded', 'false');
    if (giveBack) opener?.focus();
  }

  unfold(name) {
    if (this.open) this.fold();
    this.open = name;
    this.tools.querySelector(`[data-fold=${name}]`).setAttribute('aria-expanded', 'true');
    this.tools.append(make('div', { id: `${this.name}-folder`, class: 'chat-folder', role: 'group', 'data-folder': name }));
    this.drawFolder();
  }

  /** What is in the open folder, anew; the focus goes to `field` in it. */
  drawFolder(field = null) {
    const place = this.tools.querySelector('.chat-folder');
    fill(place, this.parts()[this.open]());
    if (field) place.querySelector(`[data-field=${field}]`)?.focus();
  }

  changed() {
    this.thread.save();
    this.showScope();
  }

  /** How the model chooses its words: a row for each setting of the talk. */
  settingsPart() {
    const { settings, defaults } = this.thread;
    const rows = Object.entries(SETTINGS).filter(([field]) => field in defaults).map(([field, [text, why, range]]) => make('label', {}, make('span', {}, text),
      make('input', { type: 'number', ...range, value: settings[field], 'data-field': field, 'aria-describedby': `${this.name}-why-${field}`, onchange: (event) => {
        if (event.target.value === '' || !event.target.checkValidity()) {
          event.target.reportValidity();
          return;
        }
        settings[field] = Number(event.target.value);
        this.changed();
      } }), make('span', { class: 'wb-quiet', id: `${this.name}-why-${field}` }, why)));
    return [...rows, make('p', { class: 'wb-quiet' }, this.note),
      button('As it was', () => { Object.assign(settings, defaults); this.changed(); this.drawFolder('temperature'); }, { class: 'chat-plain' })];
  }
}
