// The questions about pictures of this browser tab. Those about one picture are one talk.
import { answerText, Thread } from '../talk/thread.js';

const PINNED = ['id', 'url', 'kind', 'sha256', 'media_type', 'width_px', 'height_px', 'size_bytes', 'mm_per_px', 'modality', 'mark',
  'is_mock', 'case_id', 'plane', 'slice', 'slices', 'of', 'window', 'overlay'];

/** The facts of a picture that an answer is pinned to. */
export const pinned = (picture) => Object.fromEntries(PINNED.map((name) => [name, picture[name] ?? null]));

export class PictureThread extends Thread {
  constructor(defaults) {
    super('workbench.ask', defaults, { picture: null, modality: '', choices: { window: 'model', overlay: false, mosaic: false } });
  }

  /** A question about a picture, in the place of `replaced` and all after it, or at the end. */
  begin(question, { picture, modality, sampling }, replaced = null) {
    return this.add({ kind: 'question', question, picture: pinned(picture), modality, sampling, state: 'asking', begun: null }, replaced);
  }

  /** The expert that an answer called for, after the person's yes. */
  beginExpert(of, replaced = null) {
    const { question, picture, modality, sampling, answer } = of;
    return this.add({ kind: 'expert', of: of.id, question, picture, modality, sampling, argument: answer.trigger.argument,
      state: 'working', begun: null, working: null, reading: null }, replaced);
  }

  /** The talk about the same picture, without calls for an expert whose result was talked about. */
  historyOf(exchange) {
    const upTo = exchange.kind === 'expert' ? this.byId(exchange.of) : exchange;
    const called = new Set(this.exchanges.filter((each) => each.kind === 'expert' && answerText(each)).map((each) => each.of));
    return this.before(upTo, (each) => each.picture.id === exchange.picture.id && !called.has(each.id));
  }

  /** Whether another picture is talked about from here on. */
  isNewTalk(exchange) {
    const before = this.exchanges[this.exchanges.indexOf(exchange) - 1];
    return Boolean(before) && before.picture.id !== exchange.picture.id;
  }

  isAsked(pictureId) {
    return [...this.exchanges, ...(this.cleared ?? [])].some((each) => each.picture.id === pictureId);
  }

  exported() {
    return this.exchanges.filter((each) => each.answer).map(({ question, answer }) => ({ question, answer }));
  }
}
