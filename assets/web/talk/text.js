// An answer as elements: paragraphs, lists, bold, code, citations as buttons, sentences with what the check found.
import { make } from './make.js';

const LIST_ITEM = /^\s*(?:[-*\u2022]|(\d{1,2})[.)])\s+/;
const INLINE = /\*\*([^*\n]+)\*\*|`([^`\n]+)`|\[(Case|\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g;

/**
 * Draw `text` into `place`. `cite(label)` gives the element for `1` or `Case`, or null where that points nowhere: it
 * stays text then. `sentences` are `{start, end, …}` in the text; `mark(sentence)` gives what to write after one, or null.
 */
export function drawText(place, text, { cite, sentences = [], mark = () => null }) {
  const blocks = [];
  let list = null;
  let paragraph = null;
  let at = 0;
  for (const line of text.split('\n')) {
    const item = LIST_ITEM.exec(line);
    const end = at + line.length;
    if (item) {
      const ordered = item[1] !== undefined;
      if (list?.localName !== (ordered ? 'ol' : 'ul')) blocks.push(list = make(ordered ? 'ol' : 'ul'));
      const row = make('li', { value: item[1] });
      drawSpan(row, text, at + item[0].length, end, { cite, sentences, mark });
      list.append(row);
      paragraph = null;
    } else if (!line.trim()) {
      list = paragraph = null;
    } else {
      if (paragraph) paragraph.append(' ');
      else blocks.push(paragraph = make('p'));
      drawSpan(paragraph, text, at, end, { cite, sentences, mark });
      list = null;
    }
    at = end + 1;
  }
  place.replaceChildren(...blocks);
}

function drawSpan(place, text, start, end, { cite, sentences, mark }) {
  let at = start;
  for (const sentence of sentences) {
    if (sentence.end <= start || sentence.start >= end) continue;
    const from = Math.max(sentence.start, at);
    const to = Math.min(sentence.end, end);
    drawInline(place, text.slice(at, from), cite);
    const span = make('span', { class: 'chat-sentence', 'data-support': sentence.support });
    drawInline(span, text.slice(from, to), cite);
    place.append(span);
    const said = sentence.end <= end ? mark(sentence) : null;
    if (said) place.append(' ', said);
    at = to;
  }
  drawInline(place, text.slice(at, end), cite);
}

function drawInline(place, text, cite) {
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    place.append(text.slice(at, found.index));
    if (found[1]) place.append(make('strong', {}, found[1]));
    else if (found[2]) place.append(make('code', {}, found[2]));
    else place.append(...citations(found, cite));
    at = found.index + found[0].length;
  }
  if (at < text.length) place.append(text.slice(at));
}

function citations(found, cite) {
  const made = found[3].split(',').map((label) => cite(label.trim()));
  return made.every(Boolean) ? made : [found[0]];
}

/** `start` and `end` counted in characters, as Python counts them, brought to the UTF-16 units of this language. */
export function inUnits(spans, text) {
  const characters = Array.from(text);
  if (characters.length === text.length) return spans;
  const units = [0];
  for (const each of characters) units.push(units.at(-1) + each.length);
  const at = (place) => units[Math.min(place, characters.length)];
  return spans.map((each) => ({ ...each, start: at(each.start), end: at(each.end) }));
}

const GAP_CHARACTERS = 5;

/** Text with the given `[start, end)` spans marked, near ones as one. They count characters, as Python does. */
export function highlighted(text, spans) {
  const characters = Array.from(text);
  const joined = [];
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && start - last[1] <= GAP_CHARACTERS) last[1] = Math.max(last[1], end);
    else joined.push([start, end]);
  }
  const parts = [];
  let at = 0;
  for (const [start, end] of joined) {
    parts.push(characters.slice(at, start).join(''), make('mark', {}, characters.slice(start, end).join('')));
    at = end;
  }
  parts.push(characters.slice(at).join(''));
  return parts.filter((each) => each !== '');
}
