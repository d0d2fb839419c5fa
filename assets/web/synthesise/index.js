// The Synthesize tab: the form, the run, and what comes of it.

import { duration, Preflight } from './preflight.js';
import { follow, stop } from './follow.js';
import { RequestForm } from './form.js';
import { ask, make, trouble } from './rest.js';
import { startResult } from './result.js';

const FIRST = { body_region: ['abdomen'], anatomy_list: [], output_size: [256, 256, 256], spacing: [1.5, 1.5, 1.5],
  controllable_anatomy_size: [], num_output_samples: 1 };

/** Bring the tab to life in `root`; `look({case})` asks the server to show a case. */
export async function startSynthesise(root, look) {
  const place = root.querySelector('#syn-form');
  let choices;
  try {
    choices = await ask('nim/maisi/choices');
  } catch (error) {
    place.querySelector('.syn-go').replaceChildren(trouble('The form could not be filled', error));
    return;
  }
  new Tab(place, choices, look).begin();
}

class Tab {
  constructor(root, choices, look) {
    Object.assign(this, { root, look, job: null, may: false });
    this.run = root.querySelector('#syn-run');
    this.cancel = root.querySelector('#syn-cancel');
    this.progress = root.querySelector('#syn-progress');
    this.form = new RequestForm(root, choices, (request) => {
      this.progress.querySelector('[data-ended]')?.remove(); // what it says is of another request now
      this.flight.check(request);
    });
    this.flight = new Preflight(root, this.form, choices, (may) => { this.may = may; this.enable(); });
    root.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.may && !this.job) this.generate(this.form.read());
    });
    this.cancel.addEventListener('click', () => {
      if (!this.job) return;
      this.cancel.disabled = true;
      stop(this.job).catch(() => { this.cancel.disabled = false; });
    });
    startResult({ look, again: (request) => this.again(request), vary: (request) => this.vary(request) });
  }

  async begin() {
    const made = await ask('nim/maisi/generations').then((told) => told.generations).catch(() => []);
    const running = made.find((each) => each.state === 'running');
    this.form.fill(running?.request ?? RequestForm.remembered() ?? made[0]?.request ?? FIRST);
    this.flight.check(this.form.read(), 0);
    const newest = made.find((each) => each.cases.length);
    this.look({ case: newest?.cases[0] ?? '' });
    if (running) {
      const { job } = await ask(`nim/maisi/generations/${running.generation_id}`).catch(() => ({}));
      if (job?.state === 'running') await this.watch(job.job_id, running.generation_id);
    } else if (made[0]?.state === 'failed') {
      this.progress.replaceChildren(trouble('The last generation failed', { message: made[0].error, hint: made[0].hint }));
    }
  }

  enable() {
    this.run.disabled = !this.may || Boolean(this.job);
    this.cancel.hidden = !this.job;
    this.cancel.disabled = false;
    this.root.dataset.running = String(Boolean(this.job));
  }

  /** Send a request; it stays in the form whatever becomes of it. */
  async generate(request) {
    this.job = 'starting';
    this.enable();
    this.progress.replaceChildren();
    try {
      const job = await ask('nim/maisi/generate', { method: 'POST', body: request, later: true });
      await this.watch(job.job_id, job.case_id);
    } catch (error) {
      this.ended();
      this.progress.replaceChildren(trouble('The generation did not start', error));
      if (error.content?.rules) this.flight.check(this.form.read(), 0);
    }
  }

  async watch(jobId, generationId) {
    this.job = jobId;
    this.enable();
    this.look({ case: '' });
    const seconds = this.flight.last.forecast?.seconds;
    const mock = this.flight.last.answering?.status === 'mock';
    let job;
    try {
      job = await follow(jobId, this.progress, { expected: seconds && !mock ? ` of about ${duration(seconds)}` : '' });
    } catch (error) {
      this.ended();
      this.progress.replaceChildren(trouble('The generation can no longer be followed', error));
      this.look({ case: '' });
      return;
    }
    this.ended();
    if (job.state === 'done') {
      this.look({ case: generationId });
      this.progress.replaceChildren(make('p', { class: 'wb-quiet', role: 'status', 'data-ended': 'done' }, 'Finished.'));
      document.dispatchEvent(new CustomEvent('synthesise:done'));
      return;
    }
    this.look({ case: '' });
    const stopped = job.state === 'cancelled';
    this.progress.replaceChildren(stopped
      ? make('p', { class: 'wb-quiet', role: 'status', 'data-ended': 'cancelled' }, 'Stopped. Nothing was kept; the request is still here.')
      : trouble('The generation failed', { message: job.error, hint: job.hint, trace: job.trace_id }));
  }

  ended() {
    this.job = null;
    this.enable();
  }

  again(request) {
    this.vary(request);
    if (!this.job) this.generate(request);
  }

  vary(request) {
    this.form.fill(request, true);
    this.root.querySelector('#syn-preset').focus();
  }
}

