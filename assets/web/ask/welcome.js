// Before the first question: what this is, who answers, the next step, and what one might ask of this picture.
import { button, fill, make } from '../talk/make.js';

const WHO = {
  available: (service) => `Your own VILA-M3 answers${service.model ? ` (${service.model})` : ''}.`,
  cloud: (service) => `A hosted vision model answers${service.model ? ` (${service.model})` : ''}. You are asked before anything is sent.`,
  mock: () => 'A mock answers: it measures the pixels, names what the mask has on the slice, and reads nothing into them.',
  degraded: (service) => `VILA-M3 answered its check wrongly: ${service.detail}`,
  starting: () => 'VILA-M3 is starting.',
  unavailable: (service) => `VILA-M3 cannot be used now: ${service.detail}`,
};

/** The questions that fit a picture. */
export function examplesFor(examples, picture, modality) {
  if (picture?.structures?.length) return examples.mask;
  return examples[modality || picture?.modality || ''] ?? examples[''];
}

export function drawWelcome(place, { examples, service, picture, modality, cleared, ask, choose, take, bringBack }) {
  const focused = place.contains(document.activeElement) ? document.activeElement.textContent : null;
  const state = service?.finer_state ?? service?.status;
  const mock = service?.status === 'mock';
  fill(place, make('div', { class: 'chat-column chat-welcome' },
    cleared?.length > 0 && make('p', { class: 'chat-told', role: 'status' }, 'The questions were cleared. ', button('Bring them back', bringBack, { class: 'chat-quiet' })),
    make('h2', {}, 'Ask about a picture'),
    make('p', {}, 'Put a question about a slice, an X-ray or another image to VILA-M3. Each answer stays with the picture it rests on, and shows the exact pixels and words that were sent.'),
    make('p', { class: 'chat-who' }, mock && [make('b', { class: 'chat-mock' }, 'MOCK'), ' '], (WHO[mock ? 'mock' : state] ?? (() => 'Looking who answers.'))(service)),
    !picture && make('div', { class: 'chat-actions' }, button('Choose a picture', choose, { class: 'chat-main' }), button('Take the slice on screen', take, { class: 'chat-plain', 'data-take': true })),
    make('h3', {}, 'For example'),
    make('ul', { class: 'chat-examples' }, examplesFor(examples, picture, modality).map((each) => make('li', {}, button(each, () => ask(each), { class: 'chat-plain' }))))));
  if (focused) [...place.querySelectorAll('button')].find((each) => each.textContent === focused)?.focus();
}
