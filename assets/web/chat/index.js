// The Chat tab. Gradio gives the fixed elements; the log, what it rests on and the library are drawn here, over REST.
import { goToTab, whenThere } from '../dom.js';
import { answerInto } from './answering.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { ExchangeView } from './exchange.js';
import { LibraryPanel } from './library.js';
import { count } from '../talk/make.js';
import { Talk } from '../talk/talk.js';
import { SourcesPanel } from './sources.js';
import { drawWelcome } from './welcome.js';

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

class Chat extends Talk {
  constructor(room, facts) {
    const about = JSON.parse(room.querySelector('[data-about]').dataset.about);
    super(room, new Conversation(about.settings), {
      log: '[data-chat=log]', bar: '[data-chat=bar]', told: '[data-chat=told]', notes: '[data-chat=notes]',
    }, { tab: 'chat', beside: 'sources', exports: 'query/export' });
    this.about = about;
    this.sources = new SourcesPanel(room.querySelector('[data-chat=sources]'), { openCase: () => goToTab('Segment'), left: forgetLink });
    this.composer = new Composer(room, this.thread, {
      most: about.most, send: (...question) => this.send(...question), stop: () => this.abort?.abort(), editLast: () => this.thread.last && this.composer.edit(this.thread.last),
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
    super.listen();
    this.room.addEventListener('chat:library', () => this.showSide('library'));
    document.addEventListener('nim:status', () => { if (!this.thread.exchanges.length) this.drawLog(); });
  }

  onCollections(collections) {
    this.room.dataset.library = this.library?.problem ? 'error' : 'ready';
    this.composer.setCollections(collections);
    if (!this.thread.exchanges.length) this.drawLog();
  }

  /** Begin an answer; false where one is under way. */
  send(question, about, replaced) {
    if (this.thread.answering) return false;
    this.start(this.thread.begin(question, about, replaced));
    return true;
  }

  begun(exchange) {
    this.showSide('sources', { quietly: true });
    this.sources.show(exchange);
  }

  answer(exchange, signal) {
    return answerInto(exchange, this.thread.before(exchange), signal, (each, grew) => this.onChange(each, grew));
  }

  redrawn(exchange) {
    if (this.sources.exchange === exchange && exchange.state !== 'streaming') this.sources.show(exchange);
  }

  said(exchange) {
    const cited = exchange.answer?.citations.length ?? 0;
    return {
      done: `Answer complete, ${count(cited, 'source')} cited.`, stopped: 'Stopped.', failed: `No answer: ${exchange.problem?.title ?? ''}`,
    }[exchange.state] ?? '';
  }

  drawLog() {
    super.drawLog();
    if (!this.sources.exchange && !this.sources.link && this.thread.last) this.sources.show(this.thread.last);
  }

  drawWelcome() {
    drawWelcome(this.log, {
      examples: this.about.examples, status: answering, library: this.library, cleared: this.thread.cleared,
      ask: (question) => { this.composer.write(question); this.composer.send(); },
      bringBack: () => { this.thread.bringBack(); this.draw(); }, openLibrary: () => this.showSide('library'),
    });
  }

  viewOf(exchange) {
    return new ExchangeView(exchange, {
      open: (of, name, opener) => { this.showSide('sources'); this.sources.point(of, name, opener); },
      retry: (of) => this.send(of.question, of.about, of),
      edit: (of) => this.composer.edit(of),
      sources: (of) => { this.showSide('sources'); this.sources.show(of); },
      isLast: (of) => of === this.thread.last,
      grown: () => this.toEnd(),
    });
  }

  emptied(last) {
    this.sources.show(last);
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
