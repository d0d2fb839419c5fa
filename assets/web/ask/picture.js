// The picture that is asked about: where it comes from, and exactly what is sent of it.
import { address, figure, goToTab } from '../dom.js';
import { button, fill, make, trouble } from '../talk/make.js';
import { ask } from '../talk/wire.js';
import { factsOf } from './facts.js';
import { onScreen, openDemo, openSlices, orderOf } from './view.js';
import { altText, placeText, windowText } from './words.js';

export class PicturePanel {
  /**
   * `thread` keeps the picture and the choices. `act`: `changed(picture)` is told of another picture, `dropped` of one that
   * nobody needs any more.
   */
  constructor(room, thread, about, { maxUploadBytes }, act) {
    Object.assign(this, { room, thread, about, maxUploadBytes, act, service: null });
    const part = (name) => room.querySelector(`[data-ask=${name}]`);
    this.place = { screen: part('on-screen'), options: part('options'), trouble: part('trouble'), preview: part('preview'), facts: part('facts') };
    this.input = room.querySelector('#ask-image input[type=file]');
    this.drop = room.querySelector('.ask-drop');
    this.taker = room.querySelector('#ask-from-viewer');
    this.turn = 0;
    this.busy = '';
    this.file = null;
    this.listen();
    this.draw();
    if (thread.picture) this.recall(thread.picture);
  }

  get picture() {
    return this.thread.picture;
  }

  listen() {
    const { room } = this;
    this.input.addEventListener('change', () => {
      this.takeFiles([...this.input.files]);
      this.input.value = '';
    });
    this.taker.addEventListener('click', () => this.fromViewer());
    room.addEventListener('dragover', (event) => {
      event.preventDefault();
      this.drop.dataset.over = '';
    });
    for (const name of ['dragleave', 'drop']) room.addEventListener(name, () => delete this.drop.dataset.over);
    room.addEventListener('drop', (event) => {
      event.preventDefault();
      this.takeFiles([...event.dataTransfer.files]);
    });
    room.addEventListener('paste', (event) => {
      const files = [...event.clipboardData.files];
      if (!files.length) return;
      event.preventDefault();
      this.takeFiles(files);
    });
    for (const name of ['viewer:slice', 'viewer:window', 'viewer:state']) document.addEventListener(name, () => this.drawSource());
  }

  /** Who answers, as the panel on top was told. */
  setService(service) {
    const before = this.service?.status;
    this.service = service;
    if (before === service?.status) return;
    this.drawFacts();
    if (before && this.picture) this.refresh(this.picture); // another mode sends another way
  }

  // Getting one.

  takeFiles(files) {
    if (!files.length) return;
    if (files.length > 1) {
      this.tell('Nothing was taken', { detail: `${files.length} files were dropped; a question is about one picture.`, hint: 'Drop one file. A CT of several files is opened in the Segment tab.' });
      return;
    }
    const [file] = files;
    if (file.size > this.maxUploadBytes) {
      this.tell('Too large to upload', { detail: `The file has ${figure(file.size / 1e6)} MB; at most ${figure(this.maxUploadBytes / 1e6)} MB are taken. Nothing was sent.`, hint: 'Save the picture smaller, or raise IMAGING_MAX_UPLOAD_MB.' });
      return;
    }
    this.upload(file);
  }

  upload(file, window = '') {
    const form = new FormData();
    form.append('file', file, 'picture'); // its own name stays here
    if (window) form.append('window', window);
    return this.make('Reading the picture', () => ask('pictures', { method: 'POST', body: form }), file);
  }

  fromViewer() {
    const place = onScreen();
    if (place) return this.order(place);
    fill(this.place.trouble, make('div', { class: 'ask-told', role: 'status', 'data-told': 'no-case' },
      make('p', {}, make('b', {}, 'No case is open'), ', so there is no slice on screen to take. Open a CT in the Segment tab, or try the demo case: a made-up trunk whose organs are known.'),
      make('div', { class: 'chat-actions' }, button('Open the demo case', () => this.demo(), { class: 'chat-plain', 'data-demo': true }),
        button('Go to Segment', () => goToTab('Segment'), { class: 'chat-quiet' }))));
    return null;
  }

  async demo() {
    fill(this.place.trouble, make('p', { class: 'ask-told', role: 'status' }, 'Opening the demo case. It opens in the Segment tab too.'));
    await openDemo();
    await this.fromViewer();
  }

  order(place) {
    const { choices } = this.thread;
    const body = orderOf(place, { ...choices, overlay: choices.overlay && place.hasMask !== false });
    return this.make('Drawing the slice', async () => ({ ...await ask('pictures', { method: 'POST', json: body }), of: place.of ?? null }));
  }

  /** The same view drawn in another way, because a choice was changed. */
  again() {
    const { picture } = this;
    if (!picture?.case_id) return;
    const screen = onScreen();
    const isOpen = screen?.case_id === picture.case_id;
    const place = isOpen ? { ...screen, plane: picture.plane, slice: picture.slice, slices: picture.kind === 'mosaic' ? picture.slices : { ...screen.slices, ...picture.slices } } : picture;
    this.order(place);
  }

  /** Have a picture made; the one before stays until the new one is there. */
  async make(doing, asked, file = null) {
    const turn = ++this.turn;
    this.busy = doing;
    fill(this.place.trouble);
    this.draw();
    try {
      const made = await asked();
      if (turn !== this.turn) {
        this.forget(made);
        return;
      }
      this.busy = '';
      this.file = file;
      this.show(made);
    } catch (error) {
      if (turn !== this.turn) return;
      this.busy = '';
      this.draw();
      this.tell(this.picture ? 'The new picture was not taken' : 'The picture was not taken', error);
    }
  }

  show(picture) {
    const before = this.picture;
    this.thread.picture = { ...picture, of: picture.of ?? (picture.case_id && openSlices(picture.case_id)) ?? null };
    if (before?.id !== picture.id) {
      this.thread.modality = picture.modality ?? '';
      if (before && !this.thread.isAsked(before.id)) this.forget(before);
    }
    this.thread.save();
    this.draw();
    this.act.changed(this.thread.picture);
  }

  forget(picture) {
    ask(`pictures/${picture.id}`, { method: 'DELETE' }).catch(() => {}); // it goes by itself in time
  }

  /** An earlier picture again, as an answer was pinned to it. */
  async recall(picture) {
    const turn = ++this.turn;
    this.busy = '';
    if (this.picture?.id !== picture.id) {
      this.file = null;
      this.show(picture);
    }
    await this.refresh(picture, turn);
  }

  async refresh(picture, turn = this.turn) {
    try {
      const known = await ask(`pictures/${picture.id}`);
      if (turn !== this.turn || this.picture?.id !== picture.id) return;
      this.thread.picture = { ...known, of: picture.of ?? (known.case_id && openSlices(known.case_id)) ?? null };
      this.thread.save();
      this.draw();
      this.act.changed(this.thread.picture);
    } catch (error) {
      if (turn !== this.turn || error.status !== 404) return;
      this.thread.picture = null;
      this.thread.save();
      this.draw();
      this.act.changed(null);
      this.tell('The picture of before is not kept any more', { detail: 'Pictures are erased some time after they were last used, and with their case.', hint: 'Take it from the viewer or choose the file again.' });
    }
  }

  tell(title, problem) {
    fill(this.place.trouble, trouble(title, problem));
  }

  // Showing it.

  draw() {
    const { picture } = this;
    this.room.dataset.picture = this.busy ? 'loading' : picture ? 'ready' : 'none';
    this.drawSource();
    this.drawPreview();
    this.drawFacts();
  }

  drawSource() {
    const screen = onScreen();
    const said = screen ? ['On screen: ', make('span', {}, `${placeText({ ...screen, kind: 'view' })}, ${windowText({ ...screen.window, name: null })}`)] : ['No case is open in the Segment tab.'];
    fill(this.place.screen, said);
    const fromCase = Boolean(screen) || Boolean(this.picture?.case_id);
    this.place.options.hidden = !fromCase;
    const standing = JSON.stringify([screen?.hasMask ?? null, this.thread.choices, fromCase, screen?.window]);
    if (this.drawnOptions === standing) return; // the focus stays where it is while slices go by
    this.drawnOptions = standing;
    this.drawOptions(screen);
  }

  drawOptions(screen) {
    const { choices } = this.thread;
    const focused = this.place.options.contains(document.activeElement) ? document.activeElement.dataset.field : null;
    const changed = (name, value) => {
      choices[name] = value;
      this.thread.save();
      this.drawSource();
      this.again();
    };
    const noMask = screen && !screen.hasMask;
    const screenText = screen ? `as on screen, ${windowText({ ...screen.window, name: null })}` : 'as on screen';
    const tick = (name, text, why, disabled) => make('label', { title: why }, make('input', { type: 'checkbox', 'data-field': name, checked: choices[name] && !disabled, disabled,
      onchange: (event) => changed(name, event.target.checked) }), text);
    fill(this.place.options, make('span', {}, 'Slices:'),
      make('label', {}, make('span', {}, 'window'), make('select', { 'data-field': 'window', onchange: (event) => changed('window', event.target.value) },
        make('option', { value: 'model', selected: choices.window === 'model' }, 'model’s own, W 400 L 50'),
        make('option', { value: 'screen', selected: choices.window === 'screen' }, screenText))),
      tick('overlay', noMask ? 'overlay (no mask yet)' : 'with overlay', noMask ? 'Segment the case first, then its mask can be drawn over the slice' : 'Draw the structures shown in the viewer over the slice', Boolean(noMask)),
      tick('mosaic', 'three planes', 'Axial, coronal and sagittal side by side in one picture', false));
    if (focused) this.place.options.querySelector(`[data-field=${focused}]`)?.focus();
  }

  drawPreview() {
    const { picture, busy } = this;
    const wait = busy && make('p', { class: 'ask-busy', role: 'status' }, busy);
    if (!picture) {
      fill(this.place.preview, wait || make('p', { class: 'ask-none' }, 'No picture yet. What stands here is exactly what is sent, pixel for pixel.'));
      return;
    }
    const shown = this.place.preview.querySelector('img');
    if (shown?.dataset.picture === picture.id) {
      fill(this.place.preview, shown, wait);
      return;
    }
    const image = make('img', { src: address(picture.url), alt: altText(picture), 'data-picture': picture.id, 'data-sha256': picture.sha256 });
    image.addEventListener('error', () => fill(this.place.preview, make('p', { class: 'ask-none' }, 'The picture cannot be shown. It may have been erased; choose it again.')));
    fill(this.place.preview, image, wait);
  }

  drawFacts() {
    const { picture, thread } = this;
    fill(this.place.facts, picture && factsOf(picture, {
      ...this.about, service: this.service, modality: thread.modality,
      sayModality: (modality) => {
        thread.modality = modality;
        thread.save();
        this.act.changed(picture);
      },
      // Another window of an uploaded CT slice can be had as long as its file is at hand.
      takeWindow: picture.kind === 'upload' && this.file ? (window) => this.upload(this.file, window) : null,
    }));
  }
}
