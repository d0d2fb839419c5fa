// A job as it goes on: stage, share, time so far, and stopping it.
import { ask, make, trouble } from './rest.js';

const LOOK_EVERY_MS = 500;
const capital = (words) => (words ? words[0].toUpperCase() + words.slice(1) : '');

/** Show a job in `place` until it ends; the job as it ended. A lost connection is told and tried again. */
export async function follow(jobId, place, { expected = '' } = {}) {
  let job = null;
  for (;;) {
    try {
      job = await ask(`jobs/${encodeURIComponent(jobId)}`);
    } catch (error) {
      if (error.status) throw error;
      place.replaceChildren(trouble('The connection was lost', error));
    }
    if (job && job.state !== 'running') return job;
    if (job) show(job, place, expected);
    await new Promise((done) => { setTimeout(done, LOOK_EVERY_MS); });
  }
}

function show(job, place, expected) {
  const share = job.fraction === null ? '' : `, ${Math.round(job.fraction * 100)} %`;
  const bar = make('progress', { max: 1, 'aria-label': job.stage, ...(job.fraction === null ? {} : { value: job.fraction }) });
  const line = make('div', { class: 'wb-progress', role: 'status', 'data-stage': job.stage }, bar,
    make('span', {}, `${capital(job.stage)}${share}`), make('span', { class: 'wb-figure' }, `${Math.round(job.elapsed_s)} s${expected}`));
  place.replaceChildren(line);
}

export const stop = (jobId) => ask(`jobs/${encodeURIComponent(jobId)}`, { method: 'DELETE' });
