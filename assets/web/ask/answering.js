// Ask about a picture and follow the answer, or run the expert it called for and follow that.
import { address } from '../dom.js';
import { streamWithConsent } from '../talk/consent.js';
import { followInto } from '../talk/follow.js';
import { make } from '../talk/make.js';
import { altText } from './words.js';

/** Fills `exchange`; `changed(exchange, grew)` is told of each step. `burned` is the warning that goes with the consent. */
export async function answerInto(exchange, history, signal, changed, burned) {
  const { kind, question, picture, modality, sampling, argument } = exchange;
  const isExpert = kind === 'expert';
  const body = { question, picture_id: picture.id, history, sampling, modality: modality || null, stream: true, ...(isExpert ? { argument } : {}) };
  const shown = () => make('figure', { class: 'ask-leaving' }, make('img', { src: address(picture.url), alt: altText(picture) }),
    burned && make('figcaption', { class: 'ask-burned', 'data-strong': true }, burned));
  const events = streamWithConsent(`nim/vilam3/${isExpert ? 'expert' : 'analyze'}`, body, signal, shown);
  await followInto(exchange, events, take, changed);
}

function take(exchange, event, data) {
  if (event === 'begun') {
    exchange.begun = data;
    exchange.state = 'asking';
  } else if (event === 'working') {
    exchange.working = data;
  } else if (event === 'expert') {
    exchange.reading = data;
    exchange.state = 'asking';
  }
}
