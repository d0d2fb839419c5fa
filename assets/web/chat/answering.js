// Ask one question and follow its answer: consent first where it is needed, then events until the end, a stop or an error.
import { askConsent } from './consent.js';
import { ask, Problem, stream } from './wire.js';

const CUT = {
  title: 'The answer broke off', detail: 'The workbench ended its answer without saying that it was done.',
  hint: 'Retry. If it happens again, see the Status tab for who answers.',
};

/** Fills `exchange`; `changed(exchange, grew)` is told of each step, `grew` where only text was added. */
export async function answerInto(exchange, history, signal, changed) {
  const { collections, filters, top_k, case_id, sampling } = exchange.about;
  const body = { question: exchange.question, collections, filters, top_k, case_id: case_id ?? '', history, sampling, stream: true };
  const start = performance.now();
  try {
    for await (const { event, data } of withConsent(body, signal)) {
      take(exchange, event, data, start);
      changed(exchange, event === 'token' && exchange.text !== data.text);
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

async function* withConsent(body, signal) {
  const asked = new Set();
  for (;;) {
    try {
      yield* stream('query', body, signal);
      return;
    } catch (error) {
      const { consent } = error;
      if (!consent || asked.has(consent.what)) throw error;
      asked.add(consent.what);
      const granted = await askConsent(consent);
      if (granted === null) {
        throw new Problem({ title: 'Nothing was sent', detail: 'You closed the question whether this may be sent.', hint: 'Retry to be asked again.' });
      }
      await ask('consent', { method: 'POST', json: { what: consent.what, granted }, signal });
    }
  }
}

function take(exchange, event, data, start) {
  if (event === 'searching') {
    exchange.rewritten = data.rewritten;
  } else if (event === 'passages') {
    exchange.found = data;
    exchange.state = 'reading';
  } else if (event === 'token') {
    exchange.first_token_ms ??= performance.now() - start;
    exchange.state = 'streaming';
    exchange.text += data.text;
  } else if (event === 'done') {
    exchange.answer = data;
    exchange.rewritten = data.rewritten;
    exchange.state = 'done';
  } else if (event === 'error') {
    throw new Problem(data);
  }
}
