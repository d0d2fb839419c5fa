// Files on their way into the library: each job with its progress, Cancel, and what became of every document.
import { figure } from '../dom.js';
import { button, count, fill, make, trouble } from '../talk/make.js';
import { ask } from '../talk/wire.js';

const EVERY_MS = 400;
const OUTCOMES = ['new', 'replaced', 'unchanged', 'failed'];

/** `embedding · 2 of 3 files · 14 of 30 passages`; passages in all are known once every file is read. */
function far({ stage, progress }) {
  const { files, files_done, passages, passages_done } = progress;
  return [stage, files > 1 && `${files_done} of ${files} files`, passages > 0 && `${passages_done} of ${count(passages, 'passage')}`].filter(Boolean).join(' · ');
}

export class Ingests {
  /** `ended()` is told after each job. */
  constructor(place, { ended, maxUploadBytes }) {
    Object.assign(this, { place, ended, maxUploadBytes });
  }

  async add(files, collection) {
    const name = files.length === 1 ? files[0].name : count(files.length, 'file');
    const box = this.box(`Adding ${name}`);
    const total = files.reduce((sum, each) => sum + each.size, 0);
    if (this.maxUploadBytes && total > this.maxUploadBytes) {
      this.fail(box, 'Too large to upload', { detail: `These files have ${figure(total / 1e6)} MB; at most ${figure(this.maxUploadBytes / 1e6)} MB are taken. Nothing was sent.`,
        hint: 'Add fewer files at once, or raise IMAGING_MAX_UPLOAD_MB.' });
      return;
    }
    const body = new FormData();
    if (collection) body.append('collection', collection); // before the files: the server reads the form as it arrives
    for (const each of files) body.append('file', each, each.name);
    try {
      const { job_id } = await ask('documents', { method: 'POST', body });
      await this.watch(job_id, box);
    } catch (error) {
      this.fail(box, `${name} was not added`, error);
    }
  }

  /** A job that runs already. */
  async follow(job, text) {
    const box = this.box(text);
    try {
      await this.watch(job, box);
    } catch (error) {
      this.fail(box, 'What it did is not known', error);
    }
  }

  box(text) {
    const box = make('section', { class: 'chat-job', 'data-state': 'running', 'aria-label': text }, make('p', { class: 'chat-job-title' }, text),
      make('div', { class: 'wb-progress' }, make('progress', { max: 1 }), make('span', { role: 'status' }, 'Sending')));
    this.place.prepend(box);
    return box;
  }

  fail(box, title, error) {
    box.dataset.state = 'failed';
    box.replaceChildren(trouble(title, error), this.closer(box));
  }

  closer(box) {
    return make('div', { class: 'chat-actions' }, button('Close', () => box.remove(), { class: 'chat-quiet' }));
  }

  async watch(job, box) {
    const line = box.querySelector('.wb-progress');
    const bar = line.querySelector('progress');
    const said = line.querySelector('span');
    line.append(button('Cancel', async (event) => {
      event.currentTarget.disabled = true;
      await ask(`documents/jobs/${encodeURIComponent(job)}`, { method: 'DELETE' }).catch(() => {});
    }, { class: 'chat-plain' }));
    for (;;) {
      const told = await ask(`documents/jobs/${encodeURIComponent(job)}`);
      if (told.state !== 'running') {
        this.report(box, told);
        this.ended();
        return;
      }
      if (told.fraction === null) bar.removeAttribute('value');
      else bar.value = told.fraction;
      const stage = far(told);
      if (said.textContent !== stage) said.textContent = stage;
      await new Promise((done) => { setTimeout(done, EVERY_MS); });
    }
  }

  report(box, told) {
    const title = box.querySelector('.chat-job-title').textContent;
    const documents = told.report?.documents ?? [];
    box.dataset.state = told.state;
    if (told.state === 'failed') {
      this.fail(box, `${title}: failed`, { detail: told.error, hint: told.hint, trace: told.trace_id });
      return;
    }
    const counted = OUTCOMES.map((outcome) => [told.report?.[outcome], outcome]).filter(([number]) => number);
    const passages = told.report?.passages ?? 0;
    const head = told.state === 'cancelled' || told.report?.stopped ? 'Cancelled. ' : '';
    const sum = counted.length ? `${counted.map(([number, outcome]) => `${number} ${outcome}`).join(', ')}; ${count(passages, 'passage')}.` : 'Nothing was added.';
    const notable = documents.filter((each) => each.outcome === 'failed' || each.notes?.length);
    fill(box, make('p', { class: 'chat-job-title' }, title), make('p', { role: 'status' }, head + sum),
      notable.length > 0 && make('ul', { class: 'wb-remarks wb-warning' }, notable.map((each) => make('li', { 'data-outcome': each.outcome },
        make('span', { class: 'wb-tag' }, each.name), ` ${[each.why, ...(each.notes ?? [])].filter(Boolean).join(' ')}`))),
      this.closer(box));
  }
}
