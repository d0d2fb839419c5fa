// Follow the events of one answer until its end, a stop or an error.
import { Problem } from './wire.js';

const CUT = {
  title: 'The answer broke off', detail: 'The workbench ended its answer without saying that it was done.',
  hint: 'Retry. If it happens again, see the Status tab for who answers.',
};

/**
 * Fills `exchange` from `events`; `take(exchange, event, data)` knows what the tab's own events say. `changed(exchange,
 * grew)` is told of each step, `grew` where only text was added.
 */
export async function followInto(exchange, events, take, changed) {
  const start = performance.now();
  try {
    for await (const { event, data } of events) {
      if (event === 'error') throw new Problem(data);
      const grew = event === 'token' && exchange.text !== '';
      if (event === 'token') {
        exchange.first_token_ms ??= performance.now() - start;
        exchange.state = 'streaming';
        exchange.text += data.text;
      } else if (event === 'done') {
        exchange.answer = data;
        exchange.state = 'done';
      }
      take(exchange, event, data);
      changed(exchange, grew);
    }
    if (exchange.state !== 'done') throw new Problem(CUT);
  } catch (error) {
    if (error.name === 'AbortError') {
      exchange.state = 'stopped';
    } else {
      if (!(error instanceof Problem)) throw error;
      exchange.state = 'failed';
      exchange.problem = { title: error.title, detail: error.detail, hint: error.hint, trace: error.trace };
    }
  }
  changed(exchange, false);
}
