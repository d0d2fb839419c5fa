// A notice when the deployment record changed: another model, version or endpoint answers than before.
import { address } from './dom.js';

const EVERY_MS = 60000;
const SEEN = 'workbench.record.seen';

export function startRecordNotice() {
  look();
  setInterval(() => { if (!document.hidden) look(); }, EVERY_MS);
}

async function look() {
  let record;
  try {
    const answer = await fetch(address('nim/review-record'), { headers: { Accept: 'application/json' } });
    if (!answer.ok) return;
    record = await answer.json();
  } catch {
    return;  // the panel says that the workbench does not answer
  }
  const seen = localStorage.getItem(SEEN);
  show(record.changes.length > 0 && seen !== mark(record) ? record : null);
}

const mark = (record) => `${record.id} ${record.made_at}`;

function show(record) {
  const shown = document.getElementById('record-notice');
  if (shown && record && shown.dataset.record === record.id) return;
  shown?.remove();
  if (!record) return;
  const notice = document.createElement('div');
  notice.id = 'record-notice';
  notice.dataset.record = record.id;
  notice.setAttribute('role', 'status');
  const text = document.createElement('p');
  text.textContent = `The deployment changed. ${record.changes.join(' ')} Results made before carry the earlier record's id; see Status.`;
  const close = document.createElement('button');
  close.type = 'button';
  close.textContent = 'Seen';
  close.addEventListener('click', () => {
    localStorage.setItem(SEEN, mark(record));
    notice.remove();
  });
  notice.append(text, close);
  document.body.append(notice);
}
