// One clear question before anything leaves this machine.
import { button, make } from './make.js';

/** Ask the person; resolves to true (send), false (do not send), or null where the question was put aside. */
export function askConsent({ sent, where }) {
  return new Promise((decided) => {
    let said = null;
    const dialog = make('dialog', { class: 'chat-consent', 'aria-labelledby': 'chat-consent-title' });
    const say = (granted) => () => {
      said = granted;
      dialog.close();
    };
    dialog.append(make('h2', { id: 'chat-consent-title' }, 'Send this outside this machine?'),
      make('dl', {}, make('dt', {}, 'What is sent'), make('dd', {}, sent), make('dt', {}, 'Where it goes'), make('dd', {}, where)),
      make('p', { class: 'wb-quiet' }, 'Asked once for this visit. If you do not send it, the mock answers here, where that is allowed.'),
      make('div', { class: 'chat-actions' }, button('Do not send', say(false), { class: 'chat-plain', autofocus: true }), button('Send', say(true), { class: 'chat-main' })));
    dialog.addEventListener('close', () => {
      dialog.remove();
      decided(said);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
