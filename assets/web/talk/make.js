// Elements, built one by one. Text is always a text node, so that nothing a model or a document says can become HTML.

/** `make('p', { class: 'x', onclick: fn, hidden: true }, 'text', element)`; null, false and undefined are left out. */
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? '' : String(value));
  }
  made.append(...present(children));
  return made;
}

/** Replace what is in an element; null, false and undefined are left out. */
export function fill(place, ...children) {
  place.replaceChildren(...present(children));
}

const present = (children) => children.flat(2).filter((each) => each !== null && each !== undefined && each !== false);

/** A plain button. */
export const button = (text, onclick, attributes = {}) => make('button', { type: 'button', onclick, ...attributes }, text);

/** `1 passage`, `2 passages`. */
export const count = (number, one, many = `${one}s`) =>
  `${Number(number).toLocaleString('en-US').replaceAll(',', '\u202f')} ${number === 1 ? one : many}`;

/** What happened, why, what to do, as every error of the page is told. */
export function trouble(title, problem, ...more) {
  return make('div', { class: 'wb-trouble', role: 'alert' }, make('strong', {}, title),
    problem.detail && make('p', {}, problem.detail), problem.hint && make('p', { class: 'wb-hint' }, problem.hint),
    problem.trace && make('p', { class: 'wb-quiet' }, 'Trace ', make('code', {}, problem.trace)), ...more);
}

/** An address that a link may lead to: http and https only, null for anything else. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return ['http:', 'https:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Copy, and say on the button whether it was done. */
export async function copy(pressed, text) {
  const before = pressed.textContent;
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  pressed.textContent = done ? 'Copied' : 'The browser did not allow it';
  setTimeout(() => { pressed.textContent = before; }, 2000);
}
