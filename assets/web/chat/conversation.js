// The conversation with the library: what was asked of what, and what came.
import { Thread } from '../talk/thread.js';

const SCOPE = { collections: [], year_from: null, year_to: null, sources: [] };

export class Conversation extends Thread {
  /** `defaults` are the settings of a new conversation: temperature, top_p, max_tokens, top_k. */
  constructor(defaults) {
    super('workbench.chat', defaults, { scope: { ...SCOPE }, withCase: false });
  }

  /** A new exchange in the place of `replaced` and all after it, or at the end. */
  begin(question, about, replaced = null) {
    return this.add({ question, about, state: 'searching', rewritten: null, found: null }, replaced);
  }

  /** What the export takes: the answers that came to their end. */
  exported() {
    return this.exchanges.filter((each) => each.answer).map((each) => each.answer);
  }
}
