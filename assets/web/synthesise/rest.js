// Asking this server, and errors in its own words.
import { address } from '../dom.js';

/** What the server refused: `message`, `hint` and, for a request that breaks rules, `content.rules`. */
export class Problem extends Error {
  constructor(status, content) {
    super(content?.detail || `The workbench answered with status ${status}.`);
    Object.assign(this, { status, content: content ?? {}, hint: content?.hint ?? '', trace: content?.trace_id ?? '' });
  }
}

/** The answer as JSON. `later` asks for a job in place of waiting. */
export async function ask(path, { method = 'GET', body, later = false, signal } = {}) {
  const headers = { ...(body ? { 'Content-Type': 'application/json' } : {}), ...(later ? { Prefer: 'respond-async' } : {}) };
  let reply;
  try {
    reply = await fetch(address(path), {
      method, headers, signal, credentials: 'same-origin', body: body ? JSON.stringify(body) : undefined,
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, {
      detail: 'The workbench does not answer. It may have been stopped, or the connection was lost.',
      hint: 'What you entered stays here. Try again once it runs.',
    });
  }
  const content = await reply.json().catch(() => null);
  if (!reply.ok) throw new Problem(reply.status, content);
  return content;
}

/** An element with attributes, listeners under `on`, and children; text is never read as HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') for (const [type, act] of Object.entries(value)) element.addEventListener(type, act);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((each) => each !== null && each !== undefined));
  return element;
}

/** An error box as the rest of the page has it. */
export function trouble(title, problem) {
  return make('div', { class: 'wb-trouble', role: 'alert' },
    make('strong', {}, title),
    make('p', {}, problem.message),
    problem.hint ? make('p', { class: 'wb-hint' }, problem.hint) : null,
    problem.trace ? make('p', { class: 'wb-quiet' }, 'Trace ', make('code', {}, problem.trace)) : null);
}
