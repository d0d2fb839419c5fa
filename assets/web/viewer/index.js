// The slice viewer: `createViewer(root, options)` makes one; `window.workbench.viewers` holds them by element id.
import { positionText } from './furniture.js';
import { listen, listenKeys } from './input.js';
import { Pane } from './pane.js';
import { greyTable, labelTable } from './pixels.js';
import { AXES, PLANES, pixelAt, sizeOf, voxelAt } from './planes.js';
import { answer, Stack } from './stacks.js';
import { buildToolbar } from './toolbar.js';

const RAW_BYTES = 400e6;
const FAST_BYTES_PER_S = 20e6;

/** Windows for a page that gives none; the server's list (`imaging/slices.py`) has the sources. */
const WINDOWS = { 'soft tissue': { center: 50, width: 400 } };

class Viewer {
  constructor(root, { presets = WINDOWS, ids = {}, emptyHtml = '', transfer = 'auto' } = {}) {
    Object.assign(this, { root, presets, transfer, asked: transfer });
    this.manifest = null;
    this.plane = 'axial';
    this.layout = 'single';
    this.cursor = [0, 0, 0];
    this.tool = 'window';
    this.style = 'fill';
    this.opacity = 0.4;
    this.safe = false;
    this.visible = null;
    this.window = this.named('soft tissue');
    this.opening = 0;
    this.build(ids, emptyHtml);
    this.announce('empty');
  }

  build(ids, emptyHtml) {
    const { root } = this;
    root.classList.add('wbv');
    root.tabIndex = 0;
    root.setAttribute('role', 'application');
    root.setAttribute('aria-label', 'Slice viewer. Arrow keys change the slice, A, C and S the plane, 1 to 8 the window.');
    this.toolbar = buildToolbar(this, { presets: this.presets, ids });
    this.stage = document.createElement('div');
    this.stage.className = 'wbv-stage';
    this.panes = PLANES.map((plane) => new Pane(plane));
    for (const pane of this.panes) {
      this.stage.append(pane.canvas);
      listen(this, pane);
    }
    this.notice = document.createElement('div');
    this.notice.className = 'wbv-notice';
    this.empty = document.createElement('div');
    this.empty.className = 'wbv-empty';
    this.empty.innerHTML = emptyHtml; // the page's own words, never a person's
    this.stage.append(this.empty, this.notice);
    const body = document.createElement('div');
    body.className = 'wbv-body';
    body.append(this.toolbar.bar, this.stage, this.toolbar.foot);
    root.append(body);
    listenKeys(this, root, this.toolbar.names);
    new ResizeObserver(() => this.paint()).observe(this.stage);
    this.arrange();
  }

  // What the page asks for.

  async open(caseId, { plane, slice, window } = {}) {
    const mine = this.restart();
    this.overlayPath = '';
    this.again = () => this.open(caseId, { plane, slice, window });
    this.announce('loading');
    try {
      const manifest = await this.fetchManifest(caseId);
      if (mine !== this.opening) return;
      this.manifest = manifest;
      this.size = sizeOf(manifest);
      this.cursor = this.size.map((each) => Math.ceil(each / 2) - 1);
      this.visible = null;
      this.window = this.understand(window) ?? this.understand(manifest.window) ?? this.window;
      this.greyTable = greyTable(this.window);
      for (const pane of this.panes) pane.reset();
      this.startStacks();
      if (PLANES.includes(plane)) this.plane = plane;
      this.arrange();
      this.setSlice(Number(slice) || Math.ceil(this.geometry.slices / 2));
      this.tell('window', this.window);
    } catch (error) {
      if (mine === this.opening) this.fail(error);
    }
  }

  /** A new segmentation of the case on show: the volume stays, structures are fetched anew. */
  async refresh() {
    if (!this.manifest) return;
    const mine = this.opening;
    const path = this.overlayPath;
    // Two questions may be answered in the other order: what was asked for last is shown.
    const isWanted = () => mine === this.opening && path === this.overlayPath;
    try {
      const manifest = await this.fetchManifest(this.manifest.id);
      if (!isWanted()) return;
      this.manifest = manifest;
      if (this.image) this.image.manifest = manifest;
      this.visible = null;
      this.startLabels();
      this.announce(this.root.dataset.state);
      this.look();
    } catch (error) {
      if (isWanted()) this.fail(error);
    }
  }

  /** Another label map over the same volume: `path` leads to its manifest; without one, the case's own mask. */
  async overlay(path = '') {
    this.overlayPath = path;
    await this.refresh();
  }

  clear() {
    this.restart();
    this.overlayPath = '';
    this.manifest = null;
    this.announce('empty');
    this.showPlace();
  }

  state() {
    const slices = this.manifest ? this.geometry.slices : 0;
    return {
      case: this.manifest?.id ?? '', plane: this.plane, slice: slices ? this.slice : 0, slices, window: { ...this.window },
      layout: this.layout, tool: this.tool, opacity: this.opacity, style: this.style, safe: this.safe,
      lossy: this.lossy, hasMask: Boolean(this.manifest?.segmentation),
    };
  }

  setPlane(plane) {
    if (!PLANES.includes(plane)) return;
    this.plane = plane;
    this.arrange();
    this.look();
  }

  setLayout(layout) {
    this.layout = layout;
    for (const pane of this.panes) pane.reset();
    this.arrange();
    this.look();
  }

  setSlice(slice, plane = this.plane) {
    if (!this.manifest || !Number.isFinite(slice)) return;
    const { slices } = this.manifest.planes[plane];
    this.cursor[AXES[plane].slice] = Math.min(slices, Math.max(1, Math.round(slice))) - 1;
    this.look();
  }

  setWindow(asked) {
    const window = this.understand(asked);
    if (!window) {
      this.toolbar.show(this.state());
      return;
    }
    this.window = window;
    this.greyTable = greyTable(window);
    if (this.lossy) {
      clearTimeout(this.windowTimer); // a drag asks the server only when it rests for a moment
      this.windowTimer = setTimeout(() => {
        this.image?.setWindow({ center: this.window.center, width: this.window.width });
        this.look();
      }, 60);
    }
    this.showPlace();
    this.tell('window', this.window);
    this.paint();
  }

  setOpacity(share) {
    this.opacity = Math.min(1, Math.max(0, Number(share)));
    this.paint();
  }

  setStyle(style) {
    this.style = style === 'outline' ? 'outline' : 'fill';
    this.showPlace();
    this.paint();
  }

  setSafeColours(safe) {
    this.safe = Boolean(safe);
    this.colour();
    this.showPlace();
    document.dispatchEvent(new CustomEvent('workbench:palette', { detail: { safe: this.safe } }));
    this.paint();
  }

  /** The structures to show: a list or set of labels, null for all. */
  setVisible(labels) {
    this.visible = labels === null ? null : new Set([...labels].map(Number));
    this.colour();
    this.paint();
  }

  showOnly(label) { this.setVisible([label]); }

  /** The slice of the current plane in which a structure is largest. */
  jumpTo(label) {
    const mask = this.manifest?.segmentation;
    const found = (mask?.places ?? mask?.structures)?.find((each) => each.label === Number(label));
    if (!found) return;
    for (const plane of this.layout === 'mpr' ? PLANES : [this.plane]) {
      this.cursor[AXES[plane].slice] = Math.min(this.manifest.planes[plane].slices, found.largest_slice[plane]) - 1;
    }
    this.look();
  }

  setTool(tool) {
    this.tool = tool;
    this.root.dataset.tool = tool;
    this.showPlace();
  }

  /** `raw16` for exact HU, `jpeg` for a preview over a slow link, `auto` to decide by the link. */
  setTransfer(transfer) {
    this.asked = transfer;
    if (this.manifest) {
      this.image?.stop();
      this.startImage(transfer === 'auto' ? this.guessTransfer() : transfer);
      this.look();
    }
  }

  reset() {
    for (const pane of this.panes) pane.reset();
    this.setWindow(this.manifest?.window ?? this.window);
    this.paint();
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => {});
  }

  // The pieces.

  get geometry() { return this.manifest.planes[this.plane]; }

  get slice() { return this.cursor[AXES[this.plane].slice] + 1; }

  get lossy() { return this.image?.kind === 'jpeg'; }

  named(name) { return this.presets[name] ? { name, ...this.presets[name] } : null; }

  /** A preset's name, `center,width` or numbers; null where it is none of them. */
  understand(asked) {
    if (!asked) return null;
    if (typeof asked === 'string') {
      const [center, width] = asked.split(',').map(Number);
      return this.named(asked.replaceAll('_', ' ')) ?? this.understand({ center, width });
    }
    const { center, width } = asked;
    if (!Number.isFinite(center) || !Number.isFinite(width) || width < 1) return null;
    const name = Object.keys(this.presets)
      .find((each) => this.presets[each].center === center && this.presets[each].width === width);
    return { name, center, width };
  }

  restart() {
    this.opening += 1;
    this.image?.stop();
    this.labels?.stop();
    this.image = null;
    this.labels = null;
    this.labelTable = null;
    for (const pane of this.panes) pane.source = null;
    return this.opening;
  }

  async fetchManifest(caseId) {
    const path = this.overlayPath || `cases/${encodeURIComponent(caseId)}/view`;
    const reply = await answer(new URL(path, document.baseURI));
    return reply.json();
  }

  startStacks() {
    this.startImage(this.asked === 'auto' ? this.guessTransfer() : this.asked);
    this.startLabels();
  }

  guessTransfer() {
    const near = /^(localhost|127\.[\d.]+|\[::1\])$/.test(window.location.hostname);
    return near && this.manifest.raw_bytes <= RAW_BYTES ? 'raw16' : 'jpeg';
  }

  startImage(kind) {
    const mine = this.opening;
    const started = performance.now();
    const handlers = {
      revision: this.manifest.revision,
      onSlice: (plane, slice) => this.arrived(plane, slice),
      onError: (error) => mine === this.opening && this.fail(error),
    };
    try {
      this.image = new Stack(kind, this.manifest, handlers);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.image = new Stack('jpeg', this.manifest, handlers); // the browser has no room for the volume
    }
    if (this.image.kind === 'jpeg') {
      this.image.window = { center: this.window.center, width: this.window.width };
      if (this.asked === 'auto') this.firstPreview = () => this.tryExact(started);
    }
  }

  /** A quick first preview over a link that is not loopback: time one raw slice, and load them all if it is fast. */
  async tryExact(started) {
    this.firstPreview = null;
    if (performance.now() - started > 150 || this.manifest.raw_bytes > RAW_BYTES) return;
    const mine = this.opening;
    const { image } = this;
    const probe = new Stack('raw16', { ...this.manifest }, { revision: this.manifest.revision, onSlice() {}, onError() {} });
    const begun = performance.now();
    const fine = await probe.load('axial', this.cursor[2] + 1, 1);
    const rate = 2 * this.size[0] * this.size[1] / Math.max(1e-3, (performance.now() - begun) / 1000);
    probe.stop();
    if (fine && mine === this.opening && image === this.image && rate >= FAST_BYTES_PER_S) {
      image.stop();
      this.startImage('raw16');
      this.look();
    }
  }

  startLabels() {
    this.labels?.stop();
    this.labels = null;
    if (this.manifest.segmentation) {
      const mine = this.opening;
      this.labels = new Stack('label', this.manifest, {
        revision: this.manifest.segmentation.revision,
        onSlice: (plane, slice) => this.arrived(plane, slice),
        onError: (error) => mine === this.opening && this.fail(error),
      });
    }
    this.colour();
    this.showPlace();
  }

  colour() {
    const structures = this.manifest?.segmentation?.structures ?? [];
    this.byLabel = new Map(structures.map((each) => [each.label, each]));
    this.labelTable = labelTable(structures, (label) => this.visible === null || this.visible.has(label), this.safe);
  }

  colourOf(label) {
    const structure = this.byLabel.get(label);
    return this.safe ? structure.safe_colour : structure.colour;
  }

  get crosshair() { return this.layout === 'mpr' || this.tool === 'cross'; }

  /** Which panes show, which is the large one. */
  arrange() {
    this.stage.dataset.layout = this.layout;
    for (const pane of this.panes) {
      pane.main = pane.plane === this.plane;
      pane.shown = pane.main || this.layout === 'mpr';
      pane.canvas.hidden = !pane.shown;
      pane.canvas.dataset.main = String(pane.main);
      pane.canvas.dataset.plane = pane.plane;
    }
  }

  /** Something about where we look has changed. */
  look() {
    if (!this.manifest || !this.image) {
      this.showPlace();
      return;
    }
    for (const pane of this.panes) {
      pane.slice = this.cursor[AXES[pane.plane].slice] + 1;
      if (pane.shown && !pane.main) this.ask(pane);
    }
    this.ask(this.panes.find((pane) => pane.main));
    this.showPlace();
    this.tell('slice', { plane: this.plane, slice: this.slice, slices: this.geometry.slices,
      position: positionText(this.geometry, this.slice) });
    this.paint();
    if (this.lastHover) this.hover(...this.lastHover);
  }

  ask(pane) {
    this.image.focus(pane.plane, pane.slice);
    this.labels?.focus(pane.plane, pane.slice);
  }

  arrived(plane, slice) {
    if (this.root.dataset.loaded !== String(this.image?.complete ?? false)) {
      this.root.dataset.loaded = String(this.image?.complete ?? false);
    }
    const wanted = this.panes.find((pane) => pane.shown && pane.plane === plane);
    const whole = this.image?.complete || this.labels?.complete;
    if ((wanted && wanted.slice === slice) || (whole && this.panes.some((pane) => pane.shown && !pane.current))) this.paint();
  }

  /** Draw before the browser's next frame, once however often it was asked for. */
  paint() {
    if (this.painting || !this.manifest) return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      this.paintNow();
    });
  }

  paintNow() {
    if (!this.manifest || !this.image) return;
    let ready = true;
    for (const pane of this.panes) {
      if (!pane.shown) continue;
      pane.current = pane.draw(this) && (!this.labels || Boolean(this.labels.get(pane.plane, pane.slice)));
      if (pane.main) ready = pane.current;
    }
    this.root.dataset.painted = `${this.plane}:${this.slice}`;
    const state = ready ? 'ready' : 'loading';
    if (this.root.dataset.state !== state && this.root.dataset.state !== 'error') this.announce(state);
    if (ready) this.firstPreview?.();
  }

  hover(pane, x, y) {
    if (!this.manifest) return;
    this.lastHover = x < 0 ? null : [pane, x, y];
    const geometry = this.manifest.planes[pane.plane];
    const pixel = x < 0 || pane.stepX === undefined ? null : pane.pixelUnder(x, y, geometry);
    if (!pixel) {
      this.tell('pointer', null);
      return;
    }
    const [column, row] = pixel;
    const at = row * geometry.columns + column;
    const labels = this.labels?.get(pane.plane, pane.slice);
    const data = this.image.get(pane.plane, pane.slice);
    const label = labels ? labels[at] : 0;
    const detail = { plane: pane.plane, slice: pane.slice, x: column, y: row, label, name: this.byLabel?.get(label)?.name ?? '',
      hu: data instanceof Int16Array ? data[at] : null };
    this.tell('pointer', detail);
    if (detail.hu === null) this.askVoxel(detail);
  }

  /** In a lossy preview the value under the pointer comes from the volume itself. */
  askVoxel(detail) {
    clearTimeout(this.voxelTimer);
    this.voxelTimer = setTimeout(async () => {
      const url = new URL(`cases/${this.manifest.id}/voxel`, document.baseURI);
      for (const name of ['plane', 'slice', 'x', 'y']) url.searchParams.set(name, detail[name]);
      this.voxelStop?.abort();
      this.voxelStop = new AbortController();
      const reply = await answer(url, this.voxelStop.signal).catch(() => null);
      const voxel = await reply?.json().catch(() => null);
      if (voxel && this.lastHover) this.tell('pointer', { ...detail, hu: voxel.hu });
    }, 60);
  }

  /** Put the crosshair under a point: the other planes follow. */
  point(pane, x, y) {
    const pixel = pane.pixelUnder(x, y, this.manifest.planes[pane.plane]);
    if (!pixel) return;
    this.cursor = voxelAt(pane.plane, this.size, pane.slice, ...pixel);
    this.look();
    this.hover(pane, x, y);
  }

  fail(error) {
    const words = document.createElement('p');
    words.textContent = error.message;
    const retry = document.createElement('button');
    retry.type = 'button';
    retry.textContent = 'Try again';
    retry.addEventListener('click', () => {
      const { plane, slice, window } = this.state();
      if (this.manifest) this.open(this.manifest.id, { plane, slice, window });
      else this.again();
    });
    const title = document.createElement('h2');
    title.textContent = 'The picture could not be loaded';
    this.notice.replaceChildren(title, words, retry);
    this.announce('error', error.message);
  }

  announce(state, reason) {
    this.root.dataset.state = state;
    for (const part of [this.toolbar.bar, this.toolbar.foot]) part.inert = state === 'empty';
    this.showPlace();
    this.tell('state', { state, reason, manifest: this.manifest });
  }

  showPlace() {
    const state = this.state();
    const { dataset } = this.root;
    Object.assign(dataset, { plane: state.plane, slice: state.slice, slices: state.slices,
      windowCenter: state.window.center, windowWidth: state.window.width, style: state.style });
    this.toolbar.show(state);
  }

  tell(what, detail) {
    this.root.dispatchEvent(new CustomEvent(`viewer:${what}`, { detail, bubbles: true }));
  }
}

/** Make a viewer in `root`; its element id is its name in `window.workbench.viewers`. */
export function createViewer(root, options = {}) {
  const viewer = new Viewer(root, options);
  window.workbench = window.workbench || {};
  window.workbench.viewers = window.workbench.viewers || {};
  window.workbench.viewers[root.id] = viewer;
  return viewer;
}

/** Follow a Gradio component whose value is {case, revision, plane?, slice?, window?}. */
export function follow(viewer, value) {
  const asked = value ?? {};
  const [caseId, revision] = [asked.case || '', asked.revision ?? 0];
  if (caseId === (viewer.followed?.case ?? '') && revision === viewer.followed?.revision) return;
  const before = viewer.followed?.case ?? '';
  viewer.followed = { case: caseId, revision };
  if (!caseId) viewer.clear();
  else if (caseId === before && viewer.manifest) viewer.refresh();
  else viewer.open(caseId, asked);
}

export { pixelAt };
