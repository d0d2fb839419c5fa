// One question and its answer in the log: what is known so far, what the check found, who answered.
import { figure } from '../dom.js';
import { ORIGINS, TalkExchange } from '../talk/exchange.js';
import { button, copy, count, make } from '../talk/make.js';
import { drawText, inUnits } from '../talk/text.js';
import { answerText, isUnderWay } from '../talk/thread.js';

const MARKS = {
  unsupported: (sentence) => `not supported by ${sentence.cites.map(label).join(', ') || 'its source'}`,
  uncited: () => 'no source cited',
  'wrong number': () => 'not the number in the case',
};

const label = (number) => (number === 0 ? '[Case]' : `[${number}]`);

/** The view of an exchange. `act` holds what its buttons do: open, retry, edit, sources. */
export class ExchangeView extends TalkExchange {
  /** Everything anew, as the exchange stands. */
  draw() {
    const { exchange, root } = this;
    this.stand(isMock(exchange));
    root.dataset.evidence = evidence(exchange) ?? '';
    this.drawBody();
    const kept = exchange.text ? ' The text so far is kept; it was not checked against the passages.' : '';
    root.replaceChildren(this.question(), make('div', { class: 'chat-answer' },
      isMock(exchange) && make('span', { class: 'chat-mock', title: 'Made by a stand-in, not by Llama-3' }, 'MOCK'),
      this.about(), banner(exchange), this.body, this.progress(), this.ending(kept), checked(exchange), this.made()));
  }

  drawBody() {
    const { exchange } = this;
    const known = labels(exchange);
    const cite = (name) => (known.has(name) ? this.citation(name, known.get(name)) : null);
    if (!exchange.answer) {
      drawText(this.body, exchange.text, { cite });
      return;
    }
    const { answer, sentences } = exchange.answer;
    drawText(this.body, answer, { cite, sentences: inUnits(sentences, answer), mark });
  }

  citation(name, title) {
    return button(name, (event) => this.act.open(this.exchange, name, event.currentTarget), {
      class: 'chat-cite', 'data-cite': name, title, 'aria-label': name === 'Case' ? 'Source: the open case' : `Source ${name}: ${title}`,
    });
  }

  about() {
    const { exchange } = this;
    const lines = [];
    if (exchange.rewritten) lines.push(make('p', { class: 'chat-rewritten' }, 'Searched for: ', make('q', {}, exchange.rewritten)));
    if (exchange.about.case_id) {
      lines.push(make('p', { class: 'chat-with-case' }, `With the open case: ${exchange.about.case_name}`,
        exchange.about.case_marks.map((each) => make('b', { class: 'chat-mark-word' }, each))));
    }
    for (const notice of exchange.answer?.notices ?? exchange.found?.notices ?? []) lines.push(make('p', { class: 'chat-notice' }, notice));
    return lines.length ? make('div', { class: 'chat-about' }, lines) : null;
  }

  progress() {
    const { exchange } = this;
    const found = exchange.found?.passages.length ?? 0;
    const said = {
      searching: 'Searching the library',
      reading: `${found ? `Found ${count(found, 'passage')}. ` : ''}${exchange.found?.model ?? 'Llama-3'} is reading`,
      streaming: '',
    }[exchange.state];
    return said ? make('p', { class: 'chat-progress' }, said) : null;
  }

  made() {
    const { exchange } = this;
    if (isUnderWay(exchange)) return null;
    const provenance = exchange.answer?.provenance;
    const words = [exchange.answer ? exchange.answer.model : exchange.found?.model, ORIGINS[provenance?.origin],
      provenance && provenance.created_at?.slice(11, 19), Number.isFinite(provenance?.elapsed_s) && `${figure(provenance.elapsed_s, 1)}\u202fs`];
    const nobody = evidence(exchange) === 'none' && !exchange.answer?.finish;
    const line = nobody ? 'No model was asked' : [...new Set(words.filter(Boolean))].join(' · ');
    const because = exchange.answer?.fallback_reason ?? exchange.found?.fallback_reason;
    return make('div', { class: 'chat-made' },
      make('p', { class: 'chat-provenance' }, line, because && make('span', { class: 'chat-because' }, ` Stands in: ${because}`)),
      make('div', { class: 'chat-actions' },
        answerText(exchange) && button('Copy', (event) => copy(event.currentTarget, withSources(exchange)), { class: 'chat-quiet' }),
        this.retryButton(),
        exchange.found && button(evidence(exchange) === 'none' ? 'Nearest passages' : 'Sources', () => this.act.sources(exchange), { class: 'chat-quiet', 'data-sources': true })));
  }
}

const evidence = (exchange) => exchange.answer?.evidence ?? exchange.found?.evidence ?? null;
const isMock = (exchange) => Boolean(exchange.answer?.is_mock ?? exchange.found?.is_mock);

/** What `[n]` in the text stands for: the checked citations, or before the check the passages in the model's order. */
function labels(exchange) {
  const known = new Map();
  if (exchange.answer) for (const each of exchange.answer.citations) known.set(String(each.n), title(each));
  else (exchange.found?.passages ?? []).forEach((each, index) => known.set(String(each.n ?? index + 1), title(each)));
  if (exchange.answer?.case || (!exchange.answer && exchange.about.case_id)) known.set('Case', 'The open case: its own measurements');
  return known;
}

const title = (passage) => [passage.title, passage.page && `p. ${passage.page}`].filter(Boolean).join(', ');

function mark(sentence) {
  const words = MARKS[sentence.support];
  return words ? make('span', { class: 'chat-doubt', title: sentence.note }, words(sentence)) : null;
}

function banner(exchange) {
  const level = evidence(exchange);
  const missing = exchange.answer?.missing ?? exchange.found?.missing ?? [];
  if (level === 'weak') {
    return make('div', { class: 'chat-banner', 'data-evidence': 'weak' }, make('strong', {}, 'Weak evidence'),
      ' The passages found lie close to the question, but may not answer it. Read them before you rely on this.', words(missing));
  }
  if (level !== 'none') return null;
  return make('div', { class: 'chat-banner', 'data-evidence': 'none' }, make('strong', {}, 'No evidence in the library'), exchange.answer ? null : words(missing));
}

const words = (missing) => missing.length > 0 && make('p', { class: 'chat-missing' }, 'Not found in any passage: ',
  missing.map((each, index) => [index ? ', ' : '', make('b', {}, each)]));

/** What the check found, in words; the marked sentences with their reasons. */
function checked(exchange) {
  const { answer } = exchange;
  if (!answer || answer.evidence === 'none') return null;
  const claims = answer.sentences.filter((each) => each.support !== 'no claim');
  const doubted = claims.filter((each) => MARKS[each.support]);
  const said = [];
  if (claims.length) {
    said.push(doubted.length
      ? `${doubted.length} of ${count(claims.length, 'sentence')} not borne out by what ${claims.length === 1 ? 'it cites' : 'they cite'}: marked.`
      : `Checked: ${claims.length === 1 ? 'the sentence is' : `all ${claims.length} sentences are`} covered by the text cited.`);
  }
  if (answer.removed) said.push(`${count(answer.removed, 'citation')} pointed to no passage and ${answer.removed === 1 ? 'was' : 'were'} removed.`);
  if (!said.length) return null;
  const reasons = doubted.filter((each) => each.note);
  return make('div', { class: 'chat-checked', 'data-doubted': doubted.length, 'data-removed': answer.removed },
    make('p', {}, said.join(' ')),
    reasons.length > 0 && make('details', {}, make('summary', {}, 'Why marked'),
      make('ul', {}, reasons.map((each) => make('li', {}, make('q', {}, each.text), ` ${each.note}`)))));
}

function withSources(exchange) {
  const sources = (exchange.answer?.citations ?? []).map((each) =>
    [`[${each.n}] ${each.title}`, each.source, each.year, each.page && `p. ${each.page}`, each.source_url ?? each.url].filter(Boolean).join(', '));
  const mock = isMock(exchange) ? ['MOCK: made by a stand-in, not by Llama-3.'] : [];
  return [...mock, answerText(exchange), ...(sources.length ? ['', ...sources] : [])].join('\n');
}
