// REST as the tab asks it: JSON, problems in one form, and answers that stream.
import { address } from '../dom.js';

const SILENT = {
  title: 'The workbench does not answer',
  detail: 'The request did not reach the workbench, or its answer was cut off.',
  hint: 'See that it is still running and that this machine reaches it, then try again. Nothing typed here is lost.',
};

/** A problem as REST tells it (RFC 9457), or one of the same form for a server that is not reached. */
export class Problem extends Error {
  constructor(told) {
    super(told.detail ?? told.title ?? 'Something went wrong.');
    Object.assign(this, { title: told.title, detail: told.detail, hint: told.hint, status: told.status ?? 0 });
    this.trace = told.trace_id ?? null;
    this.consent = String(told.type ?? '').endsWith('consent-needed') ? told.consent ?? null : null;
  }
}

/** Ask and read the JSON answer; throws `Problem`, or what `fetch` throws for an aborted request. */
export async function ask(path, { method = 'GET', json, body, signal } = {}) {
  const reply = await send(path, { method, json, body, signal });
  return reply.status === 204 ? null : reply.json().catch(() => { throw new Problem(SILENT); });
}

async function send(path, { method, json, body, signal, accept = 'application/json' }) {
  const headers = { Accept: accept };
  if (json !== undefined) headers['Content-Type'] = 'application/json';
  let reply;
  try {
    reply = await fetch(address(path), { method, headers, signal, body: json === undefined ? body : JSON.stringify(json) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(SILENT);
  }
  if (reply.ok) return reply;
  const told = await reply.json().catch(() => ({}));
  throw new Problem({ title: `Refused (${reply.status})`, status: reply.status, ...told });
}

/** POST and give the file that comes back. */
export async function fetchFile(path, json) {
  const reply = await send(path, { method: 'POST', json, accept: '*/*' });
  const named = /filename="?([^";]+)"?/.exec(reply.headers.get('Content-Disposition') ?? '');
  return { blob: await reply.blob(), name: named?.[1] ?? null };
}

/** POST and read server-sent events as they arrive: `{event, data}` with the data parsed. */
export async function* stream(path, json, signal) {
  const reply = await send(path, { method: 'POST', json, signal, accept: 'text/event-stream' });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let kept = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      kept += value ?? '';
      const blocks = kept.split(/\r?\n\r?\n/);
      kept = blocks.pop();
      for (const block of blocks) {
        const read = parse(block);
        if (read) yield read;
      }
      if (done) return;
    }
  } catch (error) {
    if (error.name === 'AbortError' || error instanceof Problem) throw error;
    throw new Problem(SILENT);
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(block) {
  let event = 'message';
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith('event:')) event = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
  }
  if (!data.length) return null; // a comment that keeps the connection open
  try {
    return { event, data: JSON.parse(data.join('\n')) };
  } catch {
    throw new Problem({ title: 'The answer cannot be read', detail: 'The workbench sent a part of the answer that is no JSON.',
      hint: 'Something between the browser and the workbench changes what it sends, perhaps a proxy. Try again without it.' });
  }
}
