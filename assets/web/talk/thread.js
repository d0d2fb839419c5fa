// What was asked and what came, in this browser tab. It survives a reload, and ends with the tab.

const TURNS_SENT = 6;
const LEFT_OR_NOT_MS = 3000;
const UNDER_WAY = ['searching', 'reading', 'asking', 'working', 'streaming'];

export class Thread {
  /** `keptAs` names it in the storage; `defaults` are the settings of a new talk; `more` what else is kept, with its first values. */
  constructor(keptAs, defaults, more = {}) {
    Object.assign(this, { keptAs, defaults, alsoKept: Object.keys(more), ...more });
    this.exchanges = [];
    this.settings = { ...defaults };
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

  /** A new exchange of these `facts`, in the place of `replaced` and all after it, or at the end. */
  add(facts, replaced = null) {
    const at = replaced ? this.exchanges.indexOf(replaced) : -1;
    if (at >= 0) this.exchanges.length = at;
    const exchange = { id: (this.last?.id ?? 0) + 1, text: '', answer: null, problem: null, asked_at: Date.now(), first_token_ms: null, ...facts };
    this.exchanges.push(exchange);
    this.cleared = null;
    return exchange;
  }

  /** What was said before an exchange, as the server takes it; questions without any answer are left out. */
  before(exchange, belongs = () => true) {
    const earlier = this.exchanges.slice(0, this.exchanges.indexOf(exchange)).filter((each) => answerText(each) && belongs(each));
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

  /** The page is being left: what is cut off by that is no failure of its own, and must not be kept as one. */
  leave() {
    this.save();
    this.leaving = true;
    setTimeout(() => { this.leaving = false; }, LEFT_OR_NOT_MS); // the person may have stayed
  }

  save() {
    if (this.leaving) return;
    const kept = { exchanges: this.exchanges, settings: this.settings, draft: this.draft };
    for (const name of this.alsoKept) kept[name] = this[name];
    for (;;) {
      try {
        sessionStorage.setItem(this.keptAs, JSON.stringify(kept));
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
      kept = JSON.parse(sessionStorage.getItem(this.keptAs) ?? 'null');
    } catch {
      return;
    }
    if (!kept) return;
    this.exchanges = kept.exchanges ?? [];
    this.settings = { ...this.defaults, ...kept.settings };
    this.draft = kept.draft ?? '';
    for (const name of this.alsoKept) this[name] = merged(this[name], kept[name]);
    for (const each of this.exchanges.filter(isUnderWay)) {
      each.state = 'stopped';
      each.reloaded = true;
    }
  }
}

const isPlain = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

function merged(first, kept) {
  if (kept === undefined) return first;
  return isPlain(first) && isPlain(kept) ? { ...first, ...kept } : kept;
}

export const isUnderWay = (exchange) => UNDER_WAY.includes(exchange.state);

/** The answer as far as there is one. */
export const answerText = (exchange) => exchange.answer?.answer ?? exchange.text;
