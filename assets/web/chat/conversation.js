// The conversation of this browser tab: what was asked of what, and what came. It survives a reload.

const KEPT_AS = 'workbench.chat';
const TURNS_SENT = 6;
const LEFT_OR_NOT_MS = 3000;
const UNDER_WAY = ['searching', 'reading', 'streaming'];

export class Conversation {
  /** `defaults` are the settings of a new conversation: temperature, top_p, max_tokens, top_k. */
  constructor(defaults) {
    this.defaults = defaults;
    this.exchanges = [];
    this.settings = { ...defaults };
    this.scope = { collections: [], year_from: null, year_to: null, sources: [] };
    this.withCase = false;
    this.draft = '';
    this.cleared = null;
    this.restore();
  }

  get last() {
    return this.exchanges.at(-1);
  }

  get answering() {
    return this.exchanges.find(isUnderWay) ?? null;
  }

  byId(id) {
    return this.exchanges.find((each) => each.id === id);
  }

  /** A new exchange in the place of `replaced` and all after it, or at the end. */
  begin(question, about, replaced = null) {
    const at = replaced ? this.exchanges.indexOf(replaced) : -1;
    if (at >= 0) this.exchanges.length = at;
    const exchange = {
      id: (this.last?.id ?? 0) + 1, question, about, state: 'searching', rewritten: null, found: null, text: '',
      answer: null, problem: null, asked_at: Date.now(), first_token_ms: null,
    };
    this.exchanges.push(exchange);
    this.cleared = null;
    return exchange;
  }

  /** What was said before an exchange, as the server takes it; questions without any answer are left out. */
  before(exchange) {
    const earlier = this.exchanges.slice(0, this.exchanges.indexOf(exchange)).filter((each) => answerText(each));
    return earlier.slice(-TURNS_SENT).flatMap((each) => [
      { role: 'user', text: each.question }, { role: 'assistant', text: answerText(each) },
    ]);
  }

  undo() {
    const gone = this.exchanges.pop() ?? null;
    this.save();
    return gone;
  }

  clear() {
    this.cleared = this.exchanges;
    this.exchanges = [];
    this.save();
  }

  bringBack() {
    this.exchanges = this.cleared ?? [];
    this.cleared = null;
    this.save();
  }

  /** What the export takes: the answers that came to their end. */
  exported() {
    return this.exchanges.filter((each) => each.answer).map((each) => each.answer);
  }

  /** The page is being left: what is cut off by that is no failure of its own, and must not be kept as one. */
  leave() {
    this.save();
    this.leaving = true;
    setTimeout(() => { this.leaving = false; }, LEFT_OR_NOT_MS); // the person may have stayed
  }

  save() {
    if (this.leaving) return;
    const kept = { exchanges: this.exchanges, settings: this.settings, scope: this.scope, withCase: this.withCase, draft: this.draft };
    for (;;) {
      try {
        sessionStorage.setItem(KEPT_AS, JSON.stringify(kept));
        return;
      } catch {
        if (!kept.exchanges.length) return; // storage is closed: it lasts until the reload then
        kept.exchanges = kept.exchanges.slice(Math.ceil(kept.exchanges.length / 2));
      }
    }
  }

  restore() {
    let kept;
    try {
      kept = JSON.parse(sessionStorage.getItem(KEPT_AS) ?? 'null');
    } catch {
      return;
    }
    if (!kept) return;
    this.exchanges = kept.exchanges ?? [];
    this.settings = { ...this.defaults, ...kept.settings };
    this.scope = { ...this.scope, ...kept.scope };
    this.withCase = Boolean(kept.withCase);
    this.draft = kept.draft ?? '';
    for (const each of this.exchanges.filter(isUnderWay)) {
      each.state = 'stopped';
      each.reloaded = true;
    }
  }
}

export const isUnderWay = (exchange) => UNDER_WAY.includes(exchange.state);

/** The answer as far as there is one. */
export const answerText = (exchange) => exchange.answer?.answer ?? exchange.text;
