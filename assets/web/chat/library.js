// The library beside the conversation: collections, what stands in them, adding and deleting.
import { button, count, fill, make, trouble } from '../talk/make.js';
import { DocumentsTable } from './documents.js';
import { Ingests } from './ingests.js';
import { ask } from '../talk/wire.js';

const LOOK_AGAIN_MS = 1500;

export class LibraryPanel {
  /** `changed(collections)` is told whenever the collections were read anew; `known(name, sources)` of the sources in one. */
  constructor(room, { maxUploadBytes, changed, known }) {
    this.room = room;
    this.changed = changed;
    this.known = known;
    this.collections = [];
    this.name = null;
    this.problem = null;
    this.isRead = false;
    this.place = room.querySelector('[data-chat=collection]');
    this.documents = new DocumentsTable(room.querySelector('[data-chat=documents]'), {
      remove: (id) => ask(`documents/${encodeURIComponent(id)}?collection=${encodeURIComponent(this.name)}`, { method: 'DELETE' }), removed: () => this.look(),
    });
    this.ingests = new Ingests(room.querySelector('[data-chat=jobs]'), { ended: () => this.look(), maxUploadBytes });
    this.listenForFiles();
    this.look();
  }

  get collection() {
    return this.collections.find((each) => each.name === this.name) ?? null;
  }

  /** Read collections and documents anew; again by itself while the starter library is being indexed. */
  async look() {
    clearTimeout(this.next);
    try {
      this.collections = await ask('collections');
      this.problem = null;
      this.isRead = true;
    } catch (error) {
      this.problem = error;
      this.changed(this.collections);
      this.draw();
      this.next = setTimeout(() => this.look(), 4 * LOOK_AGAIN_MS);
      return;
    }
    if (!this.collection) this.name = (this.collections.find((each) => each.documents) ?? this.collections[0])?.name ?? null;
    this.changed(this.collections);
    this.draw();
    await this.readDocuments();
    const indexing = this.collections.some((each) => each.indexing);
    const empty = !this.collections.some((each) => each.documents); // most likely its first articles are about to come
    if (indexing || empty) this.next = setTimeout(() => this.look(), indexing ? LOOK_AGAIN_MS : 4 * LOOK_AGAIN_MS);
  }

  async readDocuments() {
    const { name } = this;
    if (!name) return;
    try {
      const { documents } = await ask(`documents?collection=${encodeURIComponent(name)}`);
      if (name !== this.name) return;
      this.known(name, documents.map((each) => each.source));
      this.documents.show(documents, name);
    } catch (error) {
      this.documents.fail(error);
    }
  }

  choose(name) {
    this.name = name;
    this.draw();
    this.readDocuments();
  }

  draw() {
    const { collection, problem } = this;
    if (problem) {
      this.place.replaceChildren(trouble('The library cannot be read', problem, button('Try again', () => this.look(), { class: 'chat-plain' })));
      return;
    }
    const focused = document.activeElement?.closest?.('[data-chat=collection]') ? document.activeElement.dataset.field : null;
    const select = make('select', { 'data-field': 'collection', 'aria-label': 'Collection', onchange: (event) => this.choose(event.target.value) },
      this.collections.map((each) => make('option', { value: each.name, selected: each.name === this.name }, each.name)));
    fill(this.place,
      make('div', { class: 'chat-tools' }, select,
        button('New collection', () => this.nameNew(), { class: 'chat-plain', 'data-field': 'new' }),
        collection && button('Delete collection', (event) => this.confirmDrop(event.currentTarget), { class: 'chat-plain', 'data-field': 'drop' })),
      make('div', { class: 'chat-asking' }),
      this.facts(collection),
      collection?.needs_reindex ? this.reindex(collection) : null);
    if (focused) this.place.querySelector(`[data-field=${focused}]`)?.focus();
  }

  facts(collection) {
    if (!collection) return make('p', { class: 'wb-quiet' }, 'There is no collection yet. Files that are added make one.');
    const embedder = collection.embedder ? `searched by words and meaning (${collection.embedder})` : 'searched by words alone, without vectors';
    const indexing = collection.indexing;
    return make('div', { class: 'chat-facts' },
      collection.description && make('p', {}, collection.description),
      make('p', {}, `${count(collection.documents, 'document')}, ${count(collection.passages, 'passage')}; ${embedder}.`),
      indexing && make('p', { class: 'chat-indexing', role: 'status' }, `Being indexed: ${indexing.done} of ${count(indexing.of, 'document')}. What is there can be asked already.`),
      make('p', { class: 'chat-readers' }, collection.shared === false ? 'What is added here: only this visit can read it.' : 'What is added here: everyone who uses this workbench can read it.'));
  }

  reindex({ name, needs_reindex: why }) {
    return make('div', { class: 'chat-banner', 'data-evidence': 'weak' }, make('strong', {}, 'Needs new vectors'), ` ${why} Until then it is searched by words alone. `,
      button('Re-index', async (event) => {
        event.currentTarget.disabled = true;
        try {
          const { job_id } = await ask(`collections/${encodeURIComponent(name)}/reindex`, { method: 'POST' });
          this.ingests.follow(job_id, `Re-indexing ${name}`);
        } catch (error) {
          this.say(trouble('Re-indexing did not start', error));
        }
      }, { class: 'chat-plain', 'data-field': 'reindex' }));
  }

  say(element) {
    this.place.querySelector('.chat-asking')?.replaceChildren(element);
  }

  nameNew() {
    const field = make('input', { type: 'text', 'aria-label': 'Name of the new collection', placeholder: 'letters, digits and _', title: 'A letter, then letters, digits and underscores', maxlength: 64, pattern: '[A-Za-z][A-Za-z0-9_]*', required: true });
    const form = make('form', { class: 'chat-tools', onsubmit: async (event) => {
      event.preventDefault();
      const name = field.value.trim();
      try {
        await ask('collections', { method: 'POST', json: { name } });
        this.name = name;
        await this.look();
      } catch (error) {
        form.nextElementSibling?.remove();
        form.after(trouble('The collection was not made', error));
      }
    } }, field, make('button', { type: 'submit', class: 'chat-main' }, 'Create'), button('Keep as it is', () => this.draw(), { class: 'chat-plain' }));
    this.say(form);
    field.focus();
  }

  confirmDrop(opener) {
    const { name, documents, passages } = this.collection;
    const cancel = button('Keep', () => { this.draw(); this.place.querySelector('[data-field=drop]')?.focus(); }, { class: 'chat-plain' });
    this.say(make('div', { class: 'chat-confirm', role: 'group', 'aria-label': `Delete ${name}?` },
      make('p', {}, `Delete ${name} with ${count(documents, 'document')} and ${count(passages, 'passage')}? This cannot be undone.`),
      make('div', { class: 'chat-actions' }, cancel, button('Delete', async () => {
        opener.disabled = true;
        try {
          await ask(`collections/${encodeURIComponent(name)}`, { method: 'DELETE' });
          this.name = null;
          await this.look();
          this.say(make('p', { class: 'chat-told', role: 'status' }, `Deleted ${name}: ${count(passages, 'passage')}.`));
        } catch (error) {
          this.say(trouble('The collection was not deleted', error));
        }
      }, { class: 'chat-stop' }))));
    cancel.focus();
  }

  /** Files that were picked, or dropped anywhere on the tab. */
  listenForFiles() {
    const input = this.room.querySelector('#chat-upload input[type=file]');
    const zone = this.room.querySelector('#chat-upload label');
    const add = (files) => files.length && this.ingests.add([...files], this.name);
    input.addEventListener('change', () => {
      add(input.files);
      input.value = '';
    });
    const over = (on) => zone.toggleAttribute('data-over', on);
    this.room.addEventListener('dragover', (event) => { event.preventDefault(); over(true); });
    this.room.addEventListener('dragleave', (event) => { if (!this.room.contains(event.relatedTarget)) over(false); });
    this.room.addEventListener('drop', (event) => {
      event.preventDefault();
      over(false);
      if (!event.dataTransfer?.files.length) return;
      this.room.dispatchEvent(new CustomEvent('chat:library'));
      add(event.dataTransfer.files);
    });
  }
}
