// The Chat tab. Gradio gives the fixed elements; the log, what it rests on and the library are drawn here, over REST.
import { whenThere } from '../dom.js';
import { answerInto } from './answering.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { ExchangeView } from './exchange.js';
import { exportMenu } from './export.js';
import { LibraryPanel } from './library.js';
import { button, count, make } from './make.js';
import { SourcesPanel } from './sources.js';
import { drawWelcome } from './welcome.js';

const NEAR_THE_END_PX = 48;

// Gradio loads and mounts each kind of component on its own, so that the room may be there before what stands in it.
const PARTS = ['#chat-input textarea', '#chat-send', '#chat-upload input', ...['bar', 'notes', 'log', 'scope', 'sources', 'collection', 'jobs', 'documents']
  .map((part) => `[data-chat=${part}]`)].reduce((room, part) => `${room}:has(${part})`, '#chat-room');

let answering = null; // Llama-3 as it was last told to be; the tab may be opened long after

/** Wire the tab once its elements are there. `facts`: `maxUploadBytes`. */
export function startChat(facts) {
  document.addEventListener('nim:status', (event) => { answering = event.detail?.services.find((each) => each.name === 'llm') ?? null; });
  whenThere(PARTS, (room) => {
    room.dataset.state = 'ready';
    window.workbench = Object.assign(window.workbench ?? {}, { chat: new Chat(room, facts) });
  });
}

class Chat {
  constructor(room, facts) {
    this.room = room;
    this.log = room.querySelector('[data-chat=log]');
    this.bar = room.querySelector('[data-chat=bar]');
    this.told = room.querySelector('[data-chat=told]');
    this.about = JSON.parse(room.querySelector('[data-about]').dataset.about);
    this.conversation = new Conversation(this.about.settings);
    this.views = new Map();
    this.abort = null;
    this.stuck = true;
    this.sources = new SourcesPanel(room.querySelector('[data-chat=sources]'), { openCase: () => tab('Segment'), left: forgetLink });
    this.composer = new Composer(room, this.conversation, {
      most: this.about.most, send: (...question) => this.send(...question), stop: () => this.abort?.abort(), editLast: () => this.conversation.last && this.composer.edit(this.conversation.last),
    });
    this.library = new LibraryPanel(room, {
      ...facts, changed: (collections) => this.onCollections(collections), known: (name, sources) => this.composer.known.set(name, sources),
    });
    this.listen();
    this.showSide(sessionStorage.getItem('workbench.chat.side') ?? 'sources');
    this.followLink();
    this.draw();
  }

  listen() {
    this.log.addEventListener('scroll', () => {
      this.stuck = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_THE_END_PX;
      this.room.toggleAttribute('data-behind', !this.stuck);
    });
    this.room.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.abort) this.abort.abort();
    });
    this.room.addEventListener('chat:library', () => this.showSide('library'));
    for (const each of this.room.querySelectorAll('[data-side]')) each.addEventListener('click', () => this.showSide(each.dataset.side));
    window.addEventListener('beforeunload', () => this.conversation.leave());
    document.addEventListener('nim:status', () => { if (!this.conversation.exchanges.length) this.drawLog(); });
  }

  onCollections(collections) {
    this.room.dataset.library = this.library?.problem ? 'error' : 'ready';
    this.composer.setCollections(collections);
    if (!this.conversation.exchanges.length) this.drawLog();
  }

  // Asking.

  /** Begin an answer; false where one is under way. */
  send(question, about, replaced) {
    if (this.conversation.answering) return false;
    const exchange = this.conversation.begin(question, about, replaced);
    this.stuck = true;
    this.draw();
    this.showSide('sources', { quietly: true });
    this.sources.show(exchange);
    this.follow(exchange);
    return true;
  }

  async follow(exchange) {
    this.abort = new AbortController();
    this.composer.showSender();
    try {
      await answerInto(exchange, this.conversation.before(exchange), this.abort.signal, (each, grew) => this.onChange(each, grew));
    } finally {
      this.abort = null;
      this.conversation.save();
      this.draw();
      this.tell(exchange);
    }
  }

  onChange(exchange, grew) {
    if (grew) {
      this.views.get(exchange.id)?.grow();
      return;
    }
    this.views.get(exchange.id)?.draw();
    if (this.sources.exchange === exchange && exchange.state !== 'streaming') this.sources.show(exchange);
    this.toEnd();
    if (exchange.state !== 'streaming') this.conversation.save();
  }

  tell(exchange) {
    const cited = exchange.answer?.citations.length ?? 0;
    this.told.textContent = {
      done: `Answer complete, ${count(cited, 'source')} cited.`, stopped: 'Stopped.', failed: `No answer: ${exchange.problem?.title ?? ''}`,
    }[exchange.state] ?? '';
  }

  // The log.

  draw() {
    this.drawLog();
    this.drawBar();
    this.composer.draw();
  }

  drawLog() {
    const { exchanges } = this.conversation;
    const act = {
      open: (exchange, name, opener) => { this.showSide('sources'); this.sources.point(exchange, name, opener); },
      retry: (exchange) => this.send(exchange.question, exchange.about, exchange),
      edit: (exchange) => this.composer.edit(exchange),
      sources: (exchange) => { this.showSide('sources'); this.sources.show(exchange); },
      isLast: (exchange) => exchange === this.conversation.last,
      grown: () => this.toEnd(),
    };
    if (!exchanges.length) {
      drawWelcome(this.log, {
        examples: this.about.examples, status: answering, library: this.library, cleared: this.conversation.cleared,
        ask: (question) => { this.composer.write(question); this.composer.send(); },
        bringBack: () => { this.conversation.bringBack(); this.draw(); }, openLibrary: () => this.showSide('library'),
      });
      this.views.clear();
      return;
    }
    for (const [id, view] of this.views) if (!exchanges.includes(view.exchange)) this.views.delete(id);
    for (const each of exchanges) {
      if (!this.views.has(each.id)) this.views.set(each.id, new ExchangeView(each, act));
      this.views.get(each.id).refresh();
    }
    this.show(exchanges.map((each) => this.views.get(each.id).root));
    if (!this.sources.exchange && !this.sources.link) this.sources.show(this.conversation.last);
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

  drawBar() {
    const { conversation } = this;
    const some = conversation.exchanges.length > 0;
    const busy = Boolean(conversation.answering);
    this.bar.replaceChildren(
      make('h2', {}, some ? count(conversation.exchanges.length, 'question') : 'Conversation'),
      button('Latest', () => { this.stuck = true; this.toEnd(); }, { class: 'chat-quiet chat-latest' }),
      button('Undo', () => this.undo(), { class: 'chat-quiet', 'data-undo': true, disabled: !some || busy, 'aria-label': 'Take back the last question and its answer' }),
      button('Clear', () => this.clear(), { class: 'chat-quiet', 'data-clear': true, disabled: !some || busy }),
      exportMenu(() => conversation.exported(), (element) => this.note(element)),
      button(this.room.dataset.side === 'closed' ? 'Show sources' : 'Hide sources', () => this.toggleSide(), { class: 'chat-quiet chat-drawer', 'aria-controls': 'chat-side', 'aria-expanded': String(this.room.dataset.side !== 'closed') }),
    );
  }

  note(element) {
    this.room.querySelector('[data-chat=notes]').replaceChildren(element);
  }

  undo() {
    const gone = this.conversation.undo();
    if (gone && !this.composer.field.value) this.composer.write(gone.question);
    this.sources.show(this.conversation.last ?? null);
    this.draw();
    this.composer.field.focus();
  }

  clear() {
    this.conversation.clear();
    this.sources.show(null);
    this.draw();
    this.composer.field.focus();
  }

  // The side.

  showSide(name, { quietly = false } = {}) {
    if (quietly && this.room.dataset.side === 'closed') return;
    this.room.dataset.side = name;
    for (const each of this.room.querySelectorAll('[data-side]')) each.setAttribute('aria-pressed', String(each.dataset.side === name));
    if (name !== 'closed') this.side = name;
    try {
      sessionStorage.setItem('workbench.chat.side', name);
    } catch { /* not remembered then */ }
    this.drawBar();
  }

  toggleSide() {
    this.showSide(this.room.dataset.side === 'closed' ? this.side ?? 'sources' : 'closed');
    this.bar.querySelector('.chat-drawer').focus();
  }

  followLink() {
    const asked = new URLSearchParams(location.search);
    const passage = asked.get('passage');
    if (!passage) return;
    this.showSide('sources');
    this.sources.showLink(passage, asked.get('collection'));
  }
}

/** The address keeps a linked passage only as long as that is what is shown. */
function forgetLink() {
  const url = new URL(location.href);
  for (const name of ['passage', 'collection']) url.searchParams.delete(name);
  history.replaceState(null, '', url);
}

function tab(name) {
  [...document.querySelectorAll('#wb-tabs [role=tab]')].find((each) => each.textContent.trim() === name)?.click();
}

