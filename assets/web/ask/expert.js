// An expert in the log: the model's call for one as a question to the person, its progress, and what it marked.
import { address } from '../dom.js';
import { button, fill, make } from '../talk/make.js';
import { isUnderWay } from '../talk/thread.js';
import { altText, legendPairs } from './words.js';

/** The offer under an answer that calls for an expert; nothing runs before the yes. */
export function offerCard(exchange, { busy, run, refuse }) {
  const { offer, can_run: canRun, trigger } = exchange.answer ?? {};
  if (!offer) return null;
  const card = make('div', { class: 'ask-offer', role: 'group', 'aria-label': 'What the model calls for', 'data-offer': exchange.offered ?? (canRun ? 'open' : 'told'), 'data-argument': trigger?.argument });
  if (!canRun) fill(card, make('p', {}, offer));
  else if (exchange.offered === 'yes') fill(card, make('p', { class: 'wb-quiet' }, offer, ' You agreed; it follows below.'));
  else {
    const isRefused = exchange.offered === 'no';
    fill(card, make('p', {}, make('strong', {}, offer)),
      make('p', { class: 'wb-quiet' }, isRefused ? 'Not run.' : 'The model calls for it; nothing runs by itself. The whole CT is segmented, its own mask stays as it is, and the coloured slice goes to the model with your question.'),
      make('div', { class: 'chat-actions' }, button(isRefused ? 'Run it after all' : 'Yes, segment', run, { class: isRefused ? 'chat-plain' : 'chat-main', disabled: busy, 'data-yes': true }),
        !isRefused && button('No', refuse, { class: 'chat-plain', disabled: busy, 'data-no': true })));
  }
  return card;
}

/** The head of an exchange that runs an expert, in the place of a question. */
export function expertHead(exchange, { stop }) {
  const { argument, working, reading } = exchange;
  const isWorking = exchange.state === 'working';
  return make('div', { class: 'ask-expert', 'data-expert': 'VISTA3D' }, make('h3', {}, 'VISTA-3D: ', argument),
    isWorking && make('div', { class: 'wb-progress', role: 'status' },
      make('progress', { max: 1, value: working?.fraction ?? null, 'aria-label': 'Segmenting' }), make('span', { 'data-stage': true }, working?.stage ?? 'starting'),
      button('Cancel', stop, { class: 'chat-stop', 'data-cancel': true })),
    !isWorking && !reading && !isUnderWay(exchange) && make('p', { class: 'wb-quiet' }, 'It did not come to a result.'),
    reading && marked(reading));
}

/** Tell how far an expert is without drawing its exchange anew, so that the focus stays on Cancel; false where it is not there. */
export function showWorking(root, { state, working }) {
  const shown = root.querySelector('.ask-expert .wb-progress');
  if (!shown || state !== 'working' || !working) return false;
  const bar = shown.querySelector('progress');
  if (working.fraction === null) bar.removeAttribute('value');
  else bar.value = working.fraction;
  shown.querySelector('[data-stage]').textContent = working.stage;
  return true;
}

/** The coloured slice with its legend. */
function marked(reading) {
  const { picture, legend, not_found: notFound = [], warnings = [], provenance } = reading;
  const pairs = legendPairs(legend);
  const isMock = reading.is_mock;
  return make('figure', { class: 'ask-marked', 'data-picture': picture.id },
    make('img', { src: address(picture.url), width: picture.width_px, height: picture.height_px, alt: `${altText(picture)}, ${legend || 'nothing marked'}` }),
    make('figcaption', {},
      isMock && make('p', {}, make('b', { class: 'ask-mark' }, 'MOCK'), provenance?.origin === 'mock' ? ' Marked by a stand-in for VISTA-3D.' : ' Marked on a made-up case.'),
      pairs.length > 0 ? make('ul', { class: 'ask-legend', 'aria-label': 'Colours' }, pairs.map(([colour, name]) => make('li', {}, swatch(colour), name, make('span', { class: 'wb-sr' }, ` in ${colour}`))))
        : make('p', {}, 'Nothing of it lies on this slice.'),
      notFound.length > 0 && make('p', { class: 'wb-quiet' }, `Looked for and not found: ${notFound.join(', ')}.`),
      warnings.map((each) => make('p', { class: 'wb-quiet' }, each)),
      provenance?.model && make('p', { class: 'wb-quiet' }, [provenance.model, provenance.version].filter(Boolean).join(' '))));
}

function swatch(colour) {
  const made = make('span', { class: 'ask-swatch', 'aria-hidden': 'true' });
  if (CSS.supports('color', colour)) made.style.background = colour;
  return made;
}
