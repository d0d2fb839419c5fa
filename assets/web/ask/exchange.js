// One question about a picture in the log: the picture it rests on, the answer, who gave it, and what was sent for it.
import { address, figure } from '../dom.js';
import { FINISHED, TalkExchange } from '../talk/exchange.js';
import { button, copy, make } from '../talk/make.js';
import { drawText } from '../talk/text.js';
import { answerText, isUnderWay } from '../talk/thread.js';
import { expertHead, offerCard, showWorking } from './expert.js';
import { altText, shortHash, viewText, wentText } from './words.js';

const KEPT = ' The words that came are kept; the answer is not whole.';
const WHO = { local: 'Your NIM', cloud: 'Hosted catalogue' };

/** `act` holds: retry, edit, isLast, grown, stop, isNewTalk, isCurrent, goBack, recall, run, refuse, busy. */
export class AskExchange extends TalkExchange {
  standing() {
    const { act, exchange } = this;
    const waits = Boolean(exchange.answer?.can_run) && act.busy(); // an offer cannot be taken up while an answer is under way
    return `${super.standing()} ${exchange.offered} ${act.isCurrent(exchange)} ${act.isNewTalk(exchange)} ${waits}`;
  }

  draw() {
    const { exchange, act, root } = this;
    if (this.drawn === this.standing() && showWorking(root, exchange)) return;
    const mock = isMock(exchange);
    this.stand(mock);
    root.dataset.kind = exchange.kind;
    root.dataset.picture = exchange.picture.id;
    this.drawBody();
    const fold = root.querySelector('.ask-prompt')?.open;
    root.replaceChildren(...[
      act.isNewTalk(exchange) && make('p', { class: 'ask-divider' }, make('span', {}, 'Another picture: a new talk begins')),
      exchange.kind === 'expert' ? expertHead(exchange, act) : this.asked(),
      make('div', { class: 'chat-answer' }, this.who(mock), this.body, this.progress(), this.ending(exchange.text ? KEPT : ''), this.remarks(),
        offerCard(exchange, { busy: act.busy(), run: () => act.run(exchange), refuse: () => act.refuse(exchange) }), this.prompt(fold), this.made()),
    ].filter(Boolean));
  }

  drawBody() {
    drawText(this.body, answerText(this.exchange), { cite: () => null });
  }

  /** The question with the picture it is about. */
  asked() {
    const { exchange, act } = this;
    const { picture } = exchange;
    const back = picture.case_id ? 'Return to this view' : 'Show this picture beside';
    const asked = this.question();
    asked.prepend(make('button', { type: 'button', class: 'ask-thumb', title: back, 'aria-label': `${back}: ${viewText(picture)}`, 'data-pin': true, onclick: () => act.goBack(exchange) }, thumb(picture)));
    asked.querySelector('p').after(make('p', { class: 'ask-pin' }, picture.mark && make('b', { class: 'ask-mark' }, picture.mark), `${viewText(picture)} · ${shortHash(picture)}`));
    return asked;
  }

  /** Who answers, on every answer: the mock with its reason, or whose model it is. */
  who(mock) {
    const { answer, begun } = this.exchange;
    const told = answer ?? begun;
    if (!told) return null;
    const origin = told.provenance?.origin;
    const mark = mock && make('b', { class: 'chat-mock' }, 'MOCK');
    if (origin === 'mock') {
      const because = told.fallback_reason;
      return make('p', { class: 'ask-who', 'data-origin': 'mock' }, mark, make('span', {}, because ? `Stands in for VILA-M3: ${because}` : 'A stand-in answered, not VILA-M3'));
    }
    return make('p', { class: 'ask-who', 'data-origin': origin }, mark, make('b', {}, WHO[origin] ?? 'Model'), make('span', {}, `${told.model}${mock ? ', about a made-up picture' : ''}`));
  }

  progress() {
    const { exchange } = this;
    if (exchange.state !== 'asking') return null;
    const said = !exchange.begun ? 'Asking' : exchange.reading ? 'The model looks at the coloured slice' : 'The model looks at the picture';
    return make('p', { class: 'chat-progress' }, said);
  }

  remarks() {
    const { notices = [], warnings = [] } = this.exchange.answer ?? {};
    const said = [...notices, ...warnings];
    return said.length > 0 && make('div', { class: 'chat-about' }, said.map((each) => make('p', { class: 'chat-notice' }, each)));
  }

  /** What was sent, word for word, with the very picture. */
  prompt(isOpen) {
    const { exchange } = this;
    const told = exchange.answer ?? exchange.begun;
    if (!told) return null;
    const origin = told.provenance?.origin;
    const picture = exchange.reading?.picture ?? exchange.picture;
    const fold = make('details', { class: 'ask-prompt' }, make('summary', {}, told.prompt ? 'What was sent' : 'Nothing was sent'));
    if (isOpen) fold.open = true;
    fold.append(make('div', { class: 'ask-sent' }, thumb(picture), make('p', {}, wentText(told.sent_as, origin), make('br'), `${viewText(picture)} · SHA-256 ${shortHash(picture, 16)}`)));
    if (told.prompt) {
      fold.append(make('pre', { tabindex: 0, 'aria-label': 'The words that were sent' }, told.prompt),
        button('Copy the words', (event) => copy(event.currentTarget, told.prompt), { class: 'chat-quiet' }));
    }
    return fold;
  }

  made() {
    const { exchange, act } = this;
    if (isUnderWay(exchange)) return null;
    const { provenance } = exchange.answer ?? exchange.begun ?? {};
    const line = [provenance?.created_at?.slice(11, 19),
      exchange.answer && Number.isFinite(provenance?.elapsed_s) && `${figure(provenance.elapsed_s, 1)}\u202fs`];
    return make('div', { class: 'chat-made' },
      make('p', { class: 'chat-provenance' }, line.filter(Boolean).join(' · ')),
      make('div', { class: 'chat-actions' },
        answerText(exchange) && button('Copy', (event) => copy(event.currentTarget, asText(exchange)), { class: 'chat-quiet' }),
        this.retryButton(),
        !act.isCurrent(exchange) && button('Ask about this picture', () => act.recall(exchange), { class: 'chat-quiet', 'data-recall': true })));
  }
}

const isMock = (exchange) => Boolean(exchange.answer?.is_mock ?? exchange.begun?.is_mock);

function thumb(picture) {
  const image = make('img', { src: address(picture.url), alt: altText(picture), loading: 'lazy' });
  image.addEventListener('error', () => image.replaceWith(make('span', { class: 'ask-gone' }, 'not kept')));
  return image;
}

/** An answer to paste elsewhere, never without what it is and rests on. */
function asText(exchange) {
  const { answer, begun, question, picture } = exchange;
  const told = answer ?? begun ?? {};
  const who = told.provenance?.origin === 'mock' ? 'MOCK: made by a stand-in, not by VILA-M3.'
    : `${isMock(exchange) ? 'MOCK: the picture is made up. ' : ''}Answered by ${told.model}.`;
  const broken = exchange.state === 'done' && !FINISHED[answer?.finish] ? null : 'The answer is not whole.';
  return [`Question: ${question}`, '', answerText(exchange), '', who, broken, `Picture: ${viewText(picture)}, SHA-256 ${picture.sha256}.`, 'Research use. Not for clinical decisions.']
    .filter((each) => each !== null).join('\n');
}
