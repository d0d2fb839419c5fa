// A tab that talks: the log that follows its end, asking and stopping, the bar over it, what stands beside it.
import { exportMenu } from './export.js';
import { button, count, fill, make } from './make.js';

const NEAR_THE_END_PX = 48;

/**
 * Subclasses set `composer` and give: `answer(exchange, signal)` that fills an exchange and tells `onChange`, `viewOf(exchange)`,
 * `drawWelcome()`, `said(exchange)` for whoever listens, and what they want of `begun`, `emptied`, `redrawn`.
 */
export class Talk {
  /** `names`: `tab` begins the ids, `beside` is what stands beside the log, `exports` the route of the export. */
  constructor(room, thread, { log, bar, told, notes }, names) {
    Object.assign(this, { room, thread, names });
    this.log = room.querySelector(log);
    this.bar = room.querySelector(bar);
    this.told = room.querySelector(told);
    this.notes = room.querySelector(notes);
    this.views = new Map();
    this.abort = null;
    this.stuck = true;
  }

  listen() {
    this.log.addEventListener('scroll', () => {
      this.stuck = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_THE_END_PX;
      this.room.toggleAttribute('data-behind', !this.stuck);
    });
    new ResizeObserver(() => this.toEnd()).observe(this.log);
    this.room.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.abort) this.abort.abort();
    });
    for (const each of this.room.querySelectorAll('[data-side]')) each.addEventListener('click', () => this.showSide(each.dataset.side));
    window.addEventListener('beforeunload', () => this.thread.leave());
  }

  // Asking.

  /** Put a new exchange on show and have it answered. */
  start(exchange) {
    this.stuck = true;
    this.draw();
    this.begun(exchange);
    this.follow(exchange);
  }

  async follow(exchange) {
    this.abort = new AbortController();
    this.composer.showSender();
    try {
      await this.answer(exchange, this.abort.signal);
    } finally {
      this.abort = null;
      this.thread.save();
      this.draw();
      this.told.textContent = this.said(exchange);
    }
  }

  begun() {}

  onChange(exchange, grew) {
    if (grew) {
      this.views.get(exchange.id)?.grow();
      return;
    }
    this.views.get(exchange.id)?.draw();
    this.redrawn(exchange);
    this.toEnd();
    if (exchange.state !== 'streaming') this.thread.save();
  }

  redrawn() {}

  // The log.

  draw() {
    this.drawLog();
    this.drawBar();
    this.composer.draw();
  }

  drawLog() {
    const { exchanges } = this.thread;
    if (!exchanges.length) {
      this.drawWelcome();
      this.views.clear();
      return;
    }
    for (const [id, view] of this.views) if (!exchanges.includes(view.exchange)) this.views.delete(id);
    for (const each of exchanges) {
      if (!this.views.has(each.id)) this.views.set(each.id, this.viewOf(each));
      this.views.get(each.id).refresh();
    }
    this.show(exchanges.map((each) => this.views.get(each.id).root));
    this.toEnd();
  }

  /** What is on show already stays untouched: whoever listens is told of the new alone, and the focus is kept. */
  show(articles) {
    let column = this.log.querySelector('.chat-column:not(.chat-welcome)');
    if (!column) {
      column = make('div', { class: 'chat-column' });
      this.log.replaceChildren(column);
    }
    for (const each of [...column.children]) if (!articles.includes(each)) each.remove();
    column.append(...articles.filter((each) => each.parentElement !== column));
  }

  toEnd() {
    if (this.stuck) this.log.scrollTop = this.log.scrollHeight;
  }

  /** How many questions the bar counts. */
  get asked() {
    return this.thread.exchanges.length;
  }

  drawBar() {
    const some = this.thread.exchanges.length > 0;
    const busy = Boolean(this.thread.answering);
    const isClosed = this.room.dataset.side === 'closed';
    fill(this.bar,
      make('h2', {}, some ? count(this.asked, 'question') : 'Conversation'),
      button('Latest', () => { this.stuck = true; this.toEnd(); }, { class: 'chat-quiet chat-latest' }),
      button('Undo', () => this.undo(), { class: 'chat-quiet', 'data-undo': true, disabled: !some || busy, 'aria-label': 'Take back the last question and its answer' }),
      button('Clear', () => this.clear(), { class: 'chat-quiet', 'data-clear': true, disabled: !some || busy }),
      exportMenu(this.names.exports, () => this.thread.exported(), (element) => this.notes.replaceChildren(element)),
      button(`${isClosed ? 'Show' : 'Hide'} ${this.names.beside}`, () => this.toggleSide(), { class: 'chat-quiet chat-drawer', 'aria-controls': `${this.names.tab}-side`, 'aria-expanded': String(!isClosed) }),
    );
  }

  undo() {
    const gone = this.thread.undo();
    const question = this.givenBack(gone);
    if (question && !this.composer.field.value) this.composer.write(question);
    this.emptied(this.thread.last ?? null);
    this.draw();
    this.composer.field.focus();
  }

  /** What of an exchange that was taken back belongs into the field again. */
  givenBack(gone) {
    return gone?.question;
  }

  clear() {
    this.thread.clear();
    this.emptied(null);
    this.draw();
    this.composer.field.focus();
  }

  /** Exchanges were taken away; `last` is the last one left. */
  emptied() {}

  // The side.

  showSide(name, { quietly = false } = {}) {
    if (quietly && this.room.dataset.side === 'closed') return;
    this.room.dataset.side = name;
    for (const each of this.room.querySelectorAll('[data-side]')) each.setAttribute('aria-pressed', String(each.dataset.side === name));
    if (name !== 'closed') this.side = name;
    try {
      sessionStorage.setItem(`workbench.${this.names.tab}.side`, name);
    } catch { /* not remembered then */ }
    this.drawBar();
  }

  toggleSide() {
    this.showSide(this.room.dataset.side === 'closed' ? this.side ?? this.names.beside : 'closed');
    this.bar.querySelector('.chat-drawer').focus();
  }
}
