// Before the first question: what this is, who answers, how far the library is, and what one might ask.
import { button, count, fill, make, trouble } from '../talk/make.js';

const WHO = {
  available: (service) => `Your own Llama-3 answers${service.model ? ` (${service.model})` : ''}.`,
  cloud: (service) => `Hosted Llama-3 answers${service.model ? ` (${service.model})` : ''}. You are asked before anything is sent.`,
  mock: () => 'A mock answers: it quotes sentences of the library word for word and writes none of its own.',
  degraded: (service) => `Llama-3 answered its check wrongly: ${service.detail}`,
  starting: () => 'Llama-3 is starting.',
  unavailable: (service) => `Llama-3 cannot be used now: ${service.detail}`,
};

export function drawWelcome(place, { examples, status, library, cleared, ask, bringBack, openLibrary }) {
  const focused = place.contains(document.activeElement) ? document.activeElement.textContent : null;
  const state = status?.finer_state ?? status?.status;
  const mock = state === 'mock' || status?.status === 'mock';
  fill(place, make('div', { class: 'chat-column chat-welcome' },
    cleared?.length > 0 && make('p', { class: 'chat-told', role: 'status' }, 'The conversation was cleared. ', button('Bring it back', bringBack, { class: 'chat-quiet' })),
    make('h2', {}, 'Ask your library'),
    make('p', {}, 'Answers come only from passages of this library, each sentence with the number of the passage it rests on. Where the library does not answer, it says so.'),
    make('p', { class: 'chat-who' }, mock && [make('b', { class: 'chat-mock' }, 'MOCK'), ' '], (WHO[state] ?? (() => 'Looking who answers.'))(status)),
    stateOf(library, openLibrary),
    holds(library) && [make('h3', {}, 'For example'),
      make('ul', { class: 'chat-examples' }, examples.map((each) => make('li', {}, button(each, () => ask(each), { class: 'chat-plain' }))))]));
  if (focused) [...place.querySelectorAll('button')].find((each) => each.textContent === focused)?.focus();
}

const holds = ({ collections }) => collections.some((each) => each.documents || each.indexing);

function stateOf({ collections, problem, isRead }, openLibrary) {
  if (problem) return trouble('The library cannot be read', problem);
  if (!isRead) return make('p', { class: 'chat-state' }, 'Looking into the library.');
  const documents = collections.reduce((sum, each) => sum + each.documents, 0);
  const passages = collections.reduce((sum, each) => sum + each.passages, 0);
  const under = collections.map((each) => each.indexing).find(Boolean);
  const said = under ? `The library is being indexed: ${under.done} of ${count(under.of, 'article')}. What is there can be asked already.`
    : documents ? `The library holds ${count(documents, 'document')}, ${count(passages, 'passage')}.` : 'The library is empty.';
  return make('p', { class: 'chat-state', 'data-documents': documents }, said, ' ', button('Add papers and guidelines', openLibrary, { class: 'chat-quiet' }));
}
