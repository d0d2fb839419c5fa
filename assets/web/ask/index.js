// The Ask tab. Gradio gives the fixed elements; the picture, its facts and the talk about it are drawn here, over REST.
import { whenThere } from '../dom.js';
import { Talk } from '../talk/talk.js';
import { answerInto } from './answering.js';
import { Composer } from './composer.js';
import { AskExchange } from './exchange.js';
import { PicturePanel } from './picture.js';
import { PictureThread } from './thread.js';
import { returnTo } from './view.js';
import { drawWelcome } from './welcome.js';
import { viewText } from './words.js';

// Gradio loads and mounts each kind of component on its own, so that the room may be there before what stands in it.
const PARTS = ['#ask-question textarea', '#ask-send', '#ask-from-viewer', ...['bar', 'notes', 'log', 'tools', 'options', 'preview', 'facts']
  .map((part) => `[data-ask=${part}]`)].reduce((room, part) => `${room}:has(${part})`, '#ask-room');

let service = null; // VILA-M3 as it was last told to be; the tab may be opened long after

/** Wire the tab once its elements are there. `facts`: `maxUploadBytes`. */
export function startAsk(facts) {
  document.addEventListener('nim:status', (event) => { service = event.detail?.services.find((each) => each.name === 'vila_m3') ?? null; });
  whenThere(PARTS, (room) => {
    room.dataset.state = 'ready';
    window.workbench = Object.assign(window.workbench ?? {}, { ask: new Ask(room, facts) });
  });
}

class Ask extends Talk {
  constructor(room, facts) {
    const about = JSON.parse(room.querySelector('[data-about]').dataset.about);
    super(room, new PictureThread(about.settings), {
      log: '[data-ask=log]', bar: '[data-ask=bar]', told: '[data-ask=told]', notes: '[data-ask=notes]',
    }, { tab: 'ask', beside: 'picture', exports: 'nim/vilam3/export' });
    this.about = about;
    this.panel = new PicturePanel(room, this.thread, about, facts, { changed: () => this.onPicture() });
    this.composer = new Composer(room, this.thread, {
      most: about.most, picture: () => this.thread.picture, waiting: () => Boolean(this.panel.busy),
      send: (...question) => this.send(...question), stop: () => this.abort?.abort(), editLast: () => this.editLast(),
    });
    this.panel.setService(service);
    this.listen();
    this.showSide(sessionStorage.getItem('workbench.ask.side') ?? 'picture');
    this.draw();
    this.drawBadge();
  }

  listen() {
    super.listen();
    document.addEventListener('nim:status', () => {
      this.panel.setService(service);
      if (!this.thread.exchanges.length) this.drawLog();
    });
  }

  onPicture() {
    this.drawBadge();
    if (!this.composer) return; // while the tab is being built
    this.composer.drawPicture();
    this.composer.refuse('');
    this.drawLog();
  }

  // Asking.

  /** Begin an answer; false where one is under way. An exchange that is asked anew keeps its own picture. */
  send(question, about, replaced = null) {
    if (this.thread.answering) return false;
    const own = replaced ? { picture: replaced.picture, modality: replaced.modality } : {};
    this.reopen(replaced);
    this.start(this.thread.begin(question, { ...about, ...own }, replaced));
    return true;
  }

  run(exchange, replaced = null) {
    if (this.thread.answering) return;
    exchange.offered = 'yes';
    this.start(this.thread.beginExpert(exchange, replaced));
    this.composer.field.focus(); // the button that was pressed is gone; Escape stops from here
  }

  retry(exchange) {
    if (exchange.kind === 'expert') {
      this.run(this.thread.byId(exchange.of), exchange);
      return;
    }
    this.panel.recall(exchange.picture);
    this.send(exchange.question, { sampling: { ...this.thread.settings } }, exchange);
  }

  edit(exchange) {
    this.panel.recall(exchange.picture);
    this.composer.edit(exchange);
  }

  editLast() {
    const last = this.thread.exchanges.findLast((each) => each.kind !== 'expert');
    if (last) this.edit(last);
  }

  answer(exchange, signal) {
    const burned = this.thread.picture?.id === exchange.picture.id ? this.thread.picture.burned_in : null;
    return answerInto(exchange, this.thread.historyOf(exchange), signal, (each, grew) => this.onChange(each, grew), burned);
  }

  redrawn(exchange) {
    if (exchange.state === 'done') this.drawBadge();
  }

  said(exchange) {
    return { done: 'Answer complete.', stopped: 'Stopped.', failed: `No answer: ${exchange.problem?.title ?? ''}` }[exchange.state] ?? '';
  }

  undo() {
    this.reopen(this.thread.last);
    super.undo();
  }

  givenBack(gone) {
    return gone?.kind === 'expert' ? '' : super.givenBack(gone);
  }

  /** The expert's exchange goes: its offer stands open again. */
  reopen(gone) {
    if (gone?.kind === 'expert') delete this.thread.byId(gone.of)?.offered;
  }

  // Showing.

  get asked() {
    return this.thread.exchanges.filter((each) => each.kind !== 'expert').length;
  }

  drawWelcome() {
    drawWelcome(this.log, {
      examples: this.about.examples, service, picture: this.thread.picture, modality: this.thread.modality, cleared: this.thread.cleared,
      ask: (question) => { this.composer.write(question); this.composer.send(); },
      choose: () => { this.showSide('picture'); this.panel.input.click(); },
      take: () => { this.showSide('picture'); this.panel.fromViewer(); },
      bringBack: () => { this.thread.bringBack(); this.draw(); },
    });
  }

  viewOf(exchange) {
    return new AskExchange(exchange, {
      retry: (of) => this.retry(of),
      edit: (of) => this.edit(of),
      isLast: (of) => of === this.thread.last,
      grown: () => this.toEnd(),
      stop: () => this.abort?.abort(),
      busy: () => Boolean(this.thread.answering),
      isNewTalk: (of) => this.thread.isNewTalk(of),
      isCurrent: (of) => of.picture.id === this.thread.picture?.id,
      goBack: (of) => this.goBack(of.picture),
      recall: (of) => { this.showSide('picture'); this.panel.recall(of.picture); this.composer.field.focus(); },
      run: (of) => this.run(of),
      refuse: (of) => { of.offered = 'no'; this.thread.save(); this.drawLog(); this.composer.field.focus(); },
    });
  }

  /** Back to the view of a case; an uploaded picture has none and is shown beside. */
  goBack(picture) {
    if (picture.case_id) {
      this.thread.save();
      returnTo(picture);
      return;
    }
    this.showSide('picture');
    this.panel.recall(picture);
  }

  /** The line at the foot: of the picture that is asked about, not of the case that is open elsewhere. */
  drawBadge() {
    const badge = document.querySelector('#ask-badge .wb-badge');
    const { picture } = this.thread;
    if (!badge) return;
    const mark = document.createElement('b');
    mark.textContent = picture?.mark ?? '';
    badge.dataset.kind = picture ? (picture.is_mock ? 'mock' : 'upload') : 'none';
    badge.replaceChildren(mark, picture ? ` Asking about: ${viewText(picture)}` : ' No picture chosen');
  }
}
