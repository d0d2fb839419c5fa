// One clear question before anything leaves this machine.
import { button, make } from './make.js';
import { ask, Problem, stream } from './wire.js';

/** Events of a question that may need a consent first; `shown()` gives what else the person is shown with it, or nothing. */
export async function* streamWithConsent(path, body, signal, shown = () => null) {
  const asked = new Set();
  for (;;) {
    try {
      yield* stream(path, body, signal);
      return;
    } catch (error) {
      const { consent } = error;
      if (!consent || asked.has(consent.what)) throw error;
      asked.add(consent.what);
      const granted = await askConsent(consent, shown(), signal);
      signal?.throwIfAborted();
      if (granted === null) {
        throw new Problem({ title: 'Nothing was sent', detail: 'You closed the question whether this may be sent.', hint: 'Retry to be asked again.' });
      }
      await ask('consent', { method: 'POST', json: { what: consent.what, granted }, signal });
    }
  }
}

/** Ask the person; resolves to true (send), false (do not send), or null where the question was put aside. */
function askConsent({ sent, where }, shown, signal) {
  return new Promise((decided) => {
    let said = null;
    const dialog = make('dialog', { class: 'chat-consent', 'aria-labelledby': 'chat-consent-title' });
    const say = (granted) => () => {
      said = granted;
      dialog.close();
    };
    dialog.append(...[make('h2', { id: 'chat-consent-title' }, 'Send this outside this machine?'), shown,
      make('dl', {}, make('dt', {}, 'What is sent'), make('dd', {}, sent), make('dt', {}, 'Where it goes'), make('dd', {}, where)),
      make('p', { class: 'wb-quiet' }, 'Asked once for this visit. If you do not send it, the mock answers here, where that is allowed.'),
      make('div', { class: 'chat-actions' }, button('Do not send', say(false), { class: 'chat-plain', autofocus: true }), button('Send', say(true), { class: 'chat-main' })),
    ].filter(Boolean));
    const putAside = () => dialog.close();
    signal?.addEventListener('abort', putAside);
    dialog.addEventListener('close', () => {
      signal?.removeEventListener('abort', putAside);
      dialog.remove();
      decided(said);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
