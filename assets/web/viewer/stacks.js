// Slices from the server, kept in the browser: the one looked at first, then the rest outward from it.
import { cut, PLANES, sizeOf } from './planes.js';

const IN_FLIGHT = 2; // HTTP/1.1 allows six connections, and the page's event stream holds one or two of them
const CHUNK_BYTES = 4e6;
const WHOLE_VOXELS = 256e6; // beyond this no array of the whole volume is made
const KEPT_SLICES = 400;
const AGAIN_MS = 2000;
const TRIES = 5;

const DECODERS = {
  raw16: (bytes) => new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2),
  label: async (bytes) => {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  },
  jpeg: (bytes) => createImageBitmap(new Blob([bytes], { type: 'image/jpeg' })),
};

/** One kind of slices of one case: `raw16`, `label` or `jpeg`. */
export class Stack {
  constructor(kind, manifest, { revision, onSlice, onError }) {
    Object.assign(this, { kind, manifest, revision, onSlice, onError });
    this.size = sizeOf(manifest);
    const voxels = this.size[0] * this.size[1] * this.size[2];
    this.whole = null;
    if (kind !== 'jpeg' && voxels <= WHOLE_VOXELS) {
      this.whole = kind === 'raw16' ? new Int16Array(voxels) : new Uint8Array(voxels);
    }
    this.singles = new Map();
    this.pending = new Set();
    this.running = 0;
    this.failed = 0;
    this.epoch = 0;
    this.stopper = new AbortController();
    this.urgent = false;
    this.focusPlane = 'axial';
    this.focusSlice = 1;
    this.forget();
  }

  forget() {
    this.have = new Uint8Array(this.manifest.planes.axial.slices + 1);
    this.loaded = 0;
  }

  get complete() { return this.whole !== null && this.loaded === this.size[2]; }

  get(plane, slice) {
    if (this.whole && (this.complete || (plane === 'axial' && this.have[slice]))) {
      const key = `${plane}:${slice}`;
      if (this.cutKey?.[plane] !== key) {
        this.cutKey = { ...this.cutKey, [plane]: key };
        this.cutData = { ...this.cutData, [plane]: cut(this.whole, this.size, plane, slice) };
      }
      return this.cutData[plane];
    }
    return this.singles.get(`${plane}:${slice}`) ?? null;
  }

  /** Look at this slice: fetch it at once if it is not here, then what lies around it. */
  focus(plane, slice) {
    this.focusPlane = plane;
    this.focusSlice = slice;
    if (!this.get(plane, slice)) this.fetchNow(plane, slice);
    else this.fill();
  }

  stop() {
    this.epoch += 1;
    this.stopper.abort();
    this.singles.clear();
    this.whole = null;
    this.have = new Uint8Array(0);
  }

  /** Another window for jpeg slices: all are fetched again, what is on the way is dropped. */
  setWindow(window) {
    this.window = window;
    this.epoch += 1;
    this.stopper.abort();
    this.stopper = new AbortController();
    this.singles.clear();
    this.pending.clear();
    this.urgent = false;
    this.forget();
  }

  async fetchNow(plane, slice) {
    if (this.urgent) return; // when it is back, the slice then looked at is asked for
    this.urgent = true;
    const epoch = this.epoch;
    const fine = await this.load(plane, slice, 1, this.onError);
    if (epoch !== this.epoch) return;
    this.urgent = false;
    if (!fine) return;
    if (!this.get(this.focusPlane, this.focusSlice)) this.fetchNow(this.focusPlane, this.focusSlice);
    this.fill();
  }

  fill() {
    while (this.running < IN_FLIGHT) {
      const next = this.nextChunk();
      if (!next) return;
      const epoch = this.epoch;
      this.running += 1;
      this.load(...next).then((fine) => {
        this.running -= 1;
        if (epoch !== this.epoch) return;
        this.failed = fine ? 0 : this.failed + 1;
        // What nobody looks at yet may fail quietly a few times; the slice looked at tells its failure at once.
        if (fine) this.fill();
        else if (this.failed <= TRIES) setTimeout(() => epoch === this.epoch && this.fill(), AGAIN_MS);
      });
    }
  }

  /** The nearest run of axial slices (of the plane looked at, for jpeg) that is neither here nor on the way. */
  nextChunk() {
    const plane = this.whole ? 'axial' : this.focusPlane;
    const { slices, columns, rows } = this.manifest.planes[plane];
    const missing = (slice) => slice >= 1 && slice <= slices && !this.pending.has(`${plane}:${slice}`)
      && (this.whole ? !this.have[slice] : !this.singles.has(`${plane}:${slice}`));
    const bytes = this.kind === 'raw16' ? 2 * columns * rows : columns * rows / 8;
    const most = Math.max(1, Math.min(20, Math.floor(CHUNK_BYTES / bytes)));
    const reach = this.whole ? slices : KEPT_SLICES / 4;
    const middle = plane === this.focusPlane ? this.focusSlice : Math.ceil(slices / 2);
    for (let away = 0; away <= reach; away += 1) {
      for (const direction of [1, -1]) {
        const first = middle + direction * away;
        if (missing(first)) {
          let n = 1;
          while (n < most && missing(first + direction * n)) n += 1;
          return [plane, direction > 0 ? first : first - n + 1, n];
        }
      }
    }
    return null;
  }

  async load(plane, start, n, tell = () => {}) {
    const epoch = this.epoch;
    const keys = Array.from({ length: n }, (_, step) => `${plane}:${start + step}`);
    for (const key of keys) this.pending.add(key);
    try {
      const slices = await this.request(plane, start, n);
      if (epoch !== this.epoch) return false;
      slices.forEach((data, step) => this.keep(plane, start + step, data));
      return true;
    } catch (error) {
      if (epoch === this.epoch && error.name !== 'AbortError') tell(error);
      return false;
    } finally {
      if (epoch === this.epoch) for (const key of keys) this.pending.delete(key);
    }
  }

  async request(plane, start, n) {
    const elsewhere = this.kind === 'label' ? this.manifest.segmentation : null; // a comparison has stacks of its own
    const base = elsewhere?.stack ?? `cases/${this.manifest.id}/stack`;
    const url = new URL(`${base}/${this.kind}/${plane}`, document.baseURI);
    const asked = { start, n, revision: this.revision, ...elsewhere?.query };
    if (this.kind === 'jpeg') Object.assign(asked, this.window, { quality: 85 });
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    const body = await answer(url, this.stopper.signal).then((reply) => reply.arrayBuffer());
    const view = new DataView(body);
    const count = view.getUint32(0, true);
    let at = 4 + 4 * count;
    const parts = [];
    for (let each = 0; each < count; each += 1) {
      const length = view.getUint32(4 + 4 * each, true);
      parts.push(DECODERS[this.kind](new Uint8Array(body, at, length)));
      at += length;
    }
    return Promise.all(parts);
  }

  keep(plane, slice, data) {
    if (this.whole && plane === 'axial') {
      this.whole.set(data, (slice - 1) * this.size[0] * this.size[1]);
      if (!this.have[slice]) this.loaded += 1;
      this.have[slice] = 1;
      if (this.complete) this.singles.clear();
    } else {
      this.singles.set(`${plane}:${slice}`, data);
      if (this.singles.size > KEPT_SLICES) this.drop();
    }
    this.onSlice(plane, slice);
  }

  /** Let go of the slice farthest from the one looked at. */
  drop() {
    const far = (key) => {
      const [plane, slice] = key.split(':');
      return plane === this.focusPlane ? Math.abs(slice - this.focusSlice) : 1e6;
    };
    this.singles.delete([...this.singles.keys()].reduce((a, b) => (far(b) > far(a) ? b : a)));
  }
}

/** Fetch, or throw with the server's own words. */
export async function answer(url, signal) {
  let reply;
  try {
    reply = await fetch(url, { signal, credentials: 'same-origin' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('The workbench does not answer. It may have been stopped, or the connection was lost.');
  }
  if (reply.ok) return reply;
  const problem = await reply.json().catch(() => null);
  throw new Error([problem?.detail, problem?.hint].filter((each) => typeof each === 'string').join(' ')
    || `The workbench answered with status ${reply.status}.`);
}

export { PLANES };
