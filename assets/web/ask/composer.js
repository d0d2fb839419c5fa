// Where a question about the picture is typed; what keeps it from being sent is said in place.
import { address } from '../dom.js';
import { TalkComposer } from '../talk/composer.js';
import { make } from '../talk/make.js';
import { altText, viewText } from './words.js';

export class Composer extends TalkComposer {
  /** `act` holds send, stop, editLast; `picture()` gives the picture now, `waiting()` whether one is being prepared. */
  constructor(room, thread, { most, picture, waiting, ...act }) {
    super('ask', room, thread, {
      field: '#ask-question', tools: '[data-ask=tools]', most, act, over: 'Shorten it, or ask in several turns',
      note: 'For the next question. The mock says what it measures and takes none of these.',
    });
    Object.assign(this, { picture, waiting });
    this.begin();
    this.field.addEventListener('input', () => this.refuse(''));
  }

  send() {
    const why = this.thread.answering ? '' : this.whyNot(this.field.value.trim());
    this.refuse(why);
    if (why) this.field.focus();
    else super.send();
  }

  whyNot(question) {
    if (!question) return 'Type a question first.';
    if (question.length > this.most) return 'The question is too long to be sent.';
    if (this.waiting()) return 'The picture is still being prepared.';
    if (!this.picture()) return 'Choose a picture first: drop one beside, or press “From the viewer”.';
    return '';
  }

  /** Say why a question was not sent; the question stays in the field. */
  refuse(why) {
    const place = this.tools.querySelector('.ask-refused');
    if (place) place.textContent = why;
  }

  /** An empty question is refused in words, not by a dead button. */
  offers(length) {
    return length <= this.most;
  }

  about() {
    return { picture: this.picture(), modality: this.thread.modality, sampling: { ...this.thread.settings } };
  }

  drawTools() {
    return [make('p', { class: 'ask-refused', role: 'alert' }),
      make('div', { class: 'chat-tools' }, this.folder('settings'), make('span', { class: 'ask-about' }))];
  }

  draw() {
    super.draw();
    this.drawPicture();
  }

  /** What a question is about, also where the picture's own panel is folded away. */
  drawPicture() {
    const picture = this.picture();
    this.tools.querySelector('.ask-about').replaceChildren(...(picture
      ? [make('img', { src: address(picture.url), alt: '', title: altText(picture) }), make('span', {}, `About ${viewText(picture)}`)]
      : ['No picture chosen']));
  }

  texts() {
    return { settings: 'Settings' };
  }

  parts() {
    return { settings: () => this.settingsPart() };
  }
}
