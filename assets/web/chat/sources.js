// What an answer rests on, beside it: each passage whole, its supporting words marked, and the ways further from it.
import { address, figure } from '../dom.js';
import { button, copy, count, fill, make, trouble, webAddress } from '../talk/make.js';
import { highlighted } from '../talk/text.js';
import { ask } from '../talk/wire.js';

const CASE_N = 0; // the number that stands for [Case] in a checked sentence

const passageAddress = (id, collection) =>
  `passages/${encodeURIComponent(id)}${collection ? `?collection=${encodeURIComponent(collection)}` : ''}`;

export class SourcesPanel {
  /** `openCase` leads to the open case; `left` is told when the passage of a link gives way to an answer's. */
  constructor(place, { openCase, left }) {
    Object.assign(this, { place, openCase, left });
    this.exchange = null;
    this.link = null;
    this.opener = null;
    place.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.opener?.isConnected) return;
      event.stopPropagation();
      this.opener.focus();
      this.opener = null;
    });
    this.draw();
  }

  show(exchange) {
    if (this.link) this.left();
    this.exchange = exchange;
    this.link = null;
    this.draw();
  }

  /** Bring the source behind a citation into sight; `opener` gets the focus back on Escape. */
  point(exchange, name, opener) {
    if (this.exchange !== exchange || this.link) this.show(exchange);
    this.opener = opener;
    const card = this.place.querySelector(`[data-source="${name}"]`);
    if (!card) return;
    for (const each of this.place.querySelectorAll('[data-pointed]')) each.removeAttribute('data-pointed');
    card.dataset.pointed = '';
    const folded = card.closest('details');
    if (folded) folded.open = true;
    card.scrollIntoView({ block: 'nearest', behavior: 'instant' });
    card.querySelector('h4').focus({ preventScroll: true });
  }

  /** The passage that a link names. */
  async showLink(id, collection) {
    const link = { id, told: null };
    this.link = link;
    this.place.replaceChildren(make('p', { class: 'chat-none' }, 'Fetching the passage'));
    try {
      link.told = await ask(passageAddress(id, collection));
      if (this.link === link) this.draw();
    } catch (error) {
      if (this.link === link) this.place.replaceChildren(trouble('This passage cannot be shown', error));
    }
  }

  draw() {
    const { exchange, link } = this;
    if (link) {
      if (link.told) this.place.replaceChildren(make('h3', {}, 'The passage of the link'), card({ ...link.told.passage, n: null }, { around: link.told }));
      return;
    }
    if (!exchange) {
      this.place.replaceChildren(make('p', { class: 'chat-none' },
        'The passages behind an answer stand here, each whole, with the words that support it marked.'));
      return;
    }
    const { answer, found } = exchange;
    if (!answer && !found) {
      this.place.replaceChildren(make('p', { class: 'chat-none' }, exchange.state === 'failed' ? 'Nothing was found before the error.' : 'Searching the library'));
      return;
    }
    fill(this.place, make('p', { class: 'chat-of' }, exchange.question), answer ? this.checked(answer) : this.unread(found));
  }

  /** Before the check: the passages as the model was given them. */
  unread(found) {
    if (found.evidence === 'none') return nearest(found.passages);
    return [make('h3', {}, `${count(found.passages.length, 'passage')} found`),
      ...found.passages.map((each, index) => card({ ...each, n: each.n ?? index + 1 }))];
  }

  checked(answer) {
    if (answer.evidence === 'none' && !answer.citations.length) return nearest(answer.nearest);
    const cited = new Set(answer.citations.map((each) => each.passage_id));
    const others = (this.exchange.found?.passages ?? []).filter((each) => !cited.has(each.passage_id));
    const sheet = answer.case && this.caseCard(answer.case);
    const citesCase = answer.sentences.some((each) => each.cites.includes(CASE_N));
    const number = answer.citations.length + (citesCase ? 1 : 0);
    const rest = others.length + (sheet && !citesCase ? 1 : 0);
    return [
      make('h3', {}, number ? `Cited: ${count(number, 'source')}` : 'The answer cites nothing'),
      citesCase && sheet,
      answer.citations.map((each) => card(each, { supports: supports(answer, each.n) })),
      rest > 0 && make('details', { class: 'chat-others', open: !number }, make('summary', {}, `Also given, not cited: ${rest}`),
        !citesCase && sheet, others.map((each) => card({ ...each, n: null }))),
    ];
  }

  caseCard(sheet) {
    return make('section', { class: 'chat-source', 'data-source': 'Case' },
      make('h4', { tabindex: -1 }, make('span', { class: 'chat-number' }, 'Case'), 'The open case',
        sheet.marks.map((each) => make('b', { class: 'chat-mark-word' }, each))),
      make('p', { class: 'chat-meta' }, 'Its own measurements, as they stood when this was asked'),
      make('pre', { class: 'chat-sheet', tabindex: 0 }, sheet.text),
      make('div', { class: 'chat-actions' }, button('Open the case', () => this.openCase(sheet.case_id), { class: 'chat-plain' })));
  }
}

function nearest(passages) {
  const head = make('h3', {}, passages.length ? 'Nearest passages. Not evidence' : 'Nothing near in the library');
  return [head, ...passages.map((each) => card({ ...each, n: null }))];
}

function supports(answer, n) {
  const shares = answer.sentences.filter((each) => each.cites.includes(n) && Number.isFinite(each.coverage)).map((each) => each.coverage);
  if (!shares.length) return null;
  return `covers ${shares.map((each) => `${figure(100 * each)}\u202f%`).join(', ')} of the ${shares.length === 1 ? 'sentence' : 'sentences'} citing it`;
}

function card(passage, { supports: covered = null, around = null } = {}) {
  const id = passage.passage_id ?? passage.id;
  const page = passage.page ?? passage.pages ?? null;
  const meta = [passage.source, passage.year, page && `p. ${page}`, passage.section].filter(Boolean).join(' · ');
  const measured = [Number.isFinite(passage.score) && `score ${figure(passage.score, 2)}`, covered].filter(Boolean).join(' · ');
  const more = make('div', { class: 'chat-more' });
  const made = make('section', { class: 'chat-source', 'data-source': passage.n, 'data-passage': id },
    make('h4', { tabindex: -1 }, passage.n !== null && make('span', { class: 'chat-number' }, String(passage.n)), passage.title),
    make('p', { class: 'chat-meta' }, meta), make('p', { class: 'chat-passage' }, highlighted(passage.text, passage.highlights ?? [])),
    measured && make('p', { class: 'chat-meta' }, measured), actions(passage, id, page, more, around), references(passage.references), more);
  if (around) showAround(more, around);
  return made;
}

function actions(passage, id, page, more, around) {
  const link = webAddress(passage.source_url ?? passage.document_url ?? '');
  const picture = passage.page_image;
  return make('div', { class: 'chat-actions' },
    link && make('a', { class: 'chat-quiet', href: link, target: '_blank', rel: 'noopener noreferrer' }, 'Original'),
    picture && button(page ? `Show page ${page}` : 'Show the page', (event) => showPage(event.currentTarget, more, picture, page), { class: 'chat-quiet', 'aria-expanded': 'false' }),
    !around && button('In context', (event) => toggleAround(event.currentTarget, more, passage), { class: 'chat-quiet', 'aria-expanded': 'false' }),
    button('Copy link', (event) => copy(event.currentTarget, address((passage.url ?? `?tab=chat&passage=${encodeURIComponent(id)}`).replace(/^\//, ''))), { class: 'chat-quiet' }));
}

function references(items) {
  if (!items?.length) return null;
  return make('details', { class: 'chat-references' }, make('summary', {}, count(items.length, 'reference')),
    make('ol', {}, items.map((each) => make('li', {}, linked(each)))));
}

/** A reference as text; an address in it becomes a link. */
function linked(text) {
  const parts = text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;)])/);
  return parts.map((each, index) => {
    const href = index % 2 ? webAddress(each) : null;
    return href ? make('a', { href, target: '_blank', rel: 'noopener noreferrer' }, each) : each;
  });
}

function showPage(pressed, more, path, page) {
  const shown = more.querySelector('.chat-page');
  pressed.setAttribute('aria-expanded', String(!shown));
  if (shown) {
    shown.remove();
    return;
  }
  const wait = make('p', { class: 'wb-quiet' }, 'Drawing the page');
  const picture = make('img', { alt: page ? `Page ${page} of the document` : 'The page of the document', src: address(path.replace(/^\//, '')) });
  const figureOfPage = make('figure', { class: 'chat-page' }, wait, picture);
  picture.addEventListener('load', () => wait.remove());
  picture.addEventListener('error', () => { picture.remove(); wait.textContent = 'This page cannot be shown: the original file is not kept here any more.'; });
  more.append(figureOfPage);
}

async function toggleAround(pressed, more, passage) {
  const shown = more.querySelector('.chat-around');
  pressed.setAttribute('aria-expanded', String(!shown));
  if (shown) {
    shown.remove();
    return;
  }
  try {
    showAround(more, await ask(passageAddress(passage.passage_id ?? passage.id, passage.collection)));
  } catch (error) {
    more.append(make('div', { class: 'chat-around' }, trouble('What stands around it cannot be shown', error)));
  }
}

function showAround(more, { before, passage, after }) {
  const part = (each, own) => each && make('p', { class: own ? 'chat-own' : null }, each.text);
  const beforeAll = [before].flat().filter(Boolean);
  const afterAll = [after].flat().filter(Boolean);
  more.append(make('div', { class: 'chat-around' }, make('h5', {}, 'In context'),
    beforeAll.map((each) => part(each)), part(passage, true), afterAll.map((each) => part(each)),
    !beforeAll.length && !afterAll.length && make('p', { class: 'wb-quiet' }, 'The document is this one passage.')));
}
