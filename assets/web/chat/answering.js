// Ask the library one question and follow its answer: consent first where it is needed, then events until the end.
import { streamWithConsent } from '../talk/consent.js';
import { followInto } from '../talk/follow.js';

/** Fills `exchange`; `changed(exchange, grew)` is told of each step, `grew` where only text was added. */
export async function answerInto(exchange, history, signal, changed) {
  const { collections, filters, top_k, case_id, sampling } = exchange.about;
  const body = { question: exchange.question, collections, filters, top_k, case_id: case_id ?? '', history, sampling, stream: true };
  await followInto(exchange, streamWithConsent('query', body, signal), take, changed);
}

function take(exchange, event, data) {
  if (event === 'searching') {
    exchange.rewritten = data.rewritten;
  } else if (event === 'passages') {
    exchange.found = data;
    exchange.state = 'reading';
  } else if (event === 'done') {
    exchange.rewritten = data.rewritten;
  }
}
