// One question and its answer in the log: what both tabs that talk show of it alike.
import { button, make, trouble } from './make.js';
import { isUnderWay } from './thread.js';

export const ORIGINS = { local: 'own NIM', cloud: 'hosted', mock: 'mock' };
export const FINISHED = {
  length: 'The answer reached its longest length and ends here. Raise “Longest answer” in the settings and retry.',
  cut: 'The model ended in mid-answer without saying that it was done. Retry for a whole answer.',
};

/** Subclasses give `draw()` and `drawBody()`. */
export class TalkExchange {
  /** `act` holds what the buttons do: retry, edit, isLast, grown, and what the tab adds. */
  constructor(exchange, act) {
    this.exchange = exchange;
    this.act = act;
    this.body = make('div', { class: 'chat-answer-text' });
    this.root = make('article', { class: 'chat-exchange', 'data-exchange': exchange.id, 'aria-label': 'Question and answer' });
    this.waiting = 0;
    this.draw();
  }

  /** Draw anew where the state or the place in the conversation changed. */
  refresh() {
    if (this.drawn !== this.standing()) this.draw();
  }

  standing() {
    return `${this.exchange.state} ${this.act.isLast(this.exchange)}`;
  }

  /** What stands on the whole article. */
  stand(isMock) {
    const { exchange, root } = this;
    this.drawn = this.standing();
    root.dataset.state = exchange.state;
    root.dataset.mock = String(isMock);
    root.setAttribute('aria-busy', String(isUnderWay(exchange)));
  }

  /** A piece arrived: the text alone is drawn again, in the next frame. */
  grow() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.exchange.state === 'streaming') this.drawBody();
      this.act.grown();
    });
  }

  question() {
    const { exchange } = this;
    return make('div', { class: 'chat-question' }, make('h3', { class: 'wb-sr' }, 'Question'), make('p', {}, exchange.question),
      button('Edit', () => this.act.edit(exchange), { class: 'chat-quiet', 'aria-label': 'Edit this question', disabled: isUnderWay(exchange) }));
  }

  /** How it ended, where that was not well; `kept` says what the text so far is worth. */
  ending(kept) {
    const { exchange } = this;
    if (exchange.state === 'failed') {
      const { problem } = exchange;
      return trouble(problem.title ?? 'No answer', problem, kept && make('p', { class: 'wb-quiet' }, kept.trim()));
    }
    if (exchange.state === 'stopped') {
      return make('p', { class: 'chat-ended' }, `${exchange.reloaded ? 'The page was loaded anew while this was being answered.' : 'Stopped.'}${kept}`);
    }
    const said = FINISHED[exchange.answer?.finish];
    return said ? make('p', { class: 'chat-ended' }, said) : null;
  }

  retryButton() {
    const { exchange } = this;
    const isDone = exchange.state === 'done';
    return this.act.isLast(exchange) && button(isDone ? 'Ask again' : 'Retry', () => this.act.retry(exchange), { class: isDone ? 'chat-quiet' : 'chat-plain', 'data-retry': true });
  }
}
