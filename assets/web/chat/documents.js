// The documents of a collection as a table: find, sort, delete with the count told.
import { button, count, make, trouble, webAddress } from '../talk/make.js';

const ROWS_AT_ONCE = 100;
const COLUMNS = [['title', 'Title'], ['source', 'Source'], ['passages', 'Passages'], ['added', 'Added']];

export class DocumentsTable {
  /** `remove(id)` deletes one and resolves to `{deleted_passages}`; `removed()` is told after. */
  constructor(place, { remove, removed }) {
    Object.assign(this, { place, remove, removed });
    this.all = [];
    this.shown = ROWS_AT_ONCE;
    this.order = null;
    this.collection = null;
    this.words = [];
    this.told = make('p', { class: 'chat-told', role: 'status' });
    this.finder = make('input', { type: 'search', placeholder: 'Find a document', 'aria-label': 'Find a document', oninput: (event) => {
      this.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      this.shown = ROWS_AT_ONCE;
      this.drawRows();
    } });
    this.body = make('tbody');
    this.more = make('div', { class: 'chat-actions' });
    this.headers = COLUMNS.map(([key, text]) => make('th', { scope: 'col', 'aria-sort': 'none', class: key === 'passages' ? 'wb-figure' : null },
      button(text, () => this.sort(key))));
    this.table = make('table', { class: 'wb-table chat-table' }, make('thead', {}, make('tr', {}, this.headers, make('th', { scope: 'col' }, make('span', { class: 'wb-sr' }, 'Delete')))), this.body);
    place.replaceChildren(make('div', { class: 'wb-table-tools' }, make('label', { class: 'wb-find' }, this.finder)), this.told, this.table, this.more);
    this.drawRows();
  }

  show(documents, collection) {
    if (collection !== this.collection) {
      this.told.textContent = '';
      this.shown = ROWS_AT_ONCE;
    }
    this.all = documents;
    this.collection = collection;
    this.drawRows();
  }

  fail(error) {
    this.body.replaceChildren(make('tr', {}, make('td', { colspan: 5 }, trouble('The documents cannot be listed', error))));
    this.more.replaceChildren();
  }

  sort(key) {
    const descending = this.order?.key === key ? !this.order.descending : key === 'added' || key === 'passages';
    this.order = { key, descending };
    this.headers.forEach((each, index) => each.setAttribute('aria-sort', COLUMNS[index][0] === key ? (descending ? 'descending' : 'ascending') : 'none'));
    this.drawRows();
  }

  drawRows() {
    const found = this.all.filter((each) => {
      const text = `${each.title} ${each.source} ${each.year ?? ''}`.toLowerCase();
      return this.words.every((word) => text.includes(word));
    });
    if (this.order) {
      const { key, descending } = this.order;
      const sign = descending ? -1 : 1;
      found.sort((a, b) => sign * (key === 'passages' ? a.passages - b.passages : String(a[key]).localeCompare(String(b[key]))));
    }
    const nothing = this.all.length ? 'No document matches.' : this.collection ? 'Nothing here yet. Drop papers or guidelines above.' : 'Nothing read yet.';
    this.body.replaceChildren(...(found.length ? found.slice(0, this.shown).map((each) => this.row(each))
      : [make('tr', {}, make('td', { colspan: 5, class: 'wb-quiet' }, nothing))]));
    const left = found.length - this.shown;
    this.more.replaceChildren(...(left > 0 ? [button(`Show ${Math.min(left, ROWS_AT_ONCE)} more of ${left}`, () => {
      this.shown += ROWS_AT_ONCE;
      this.drawRows();
    }, { class: 'chat-plain' })] : []));
  }

  row(each) {
    const link = webAddress(each.url ?? '');
    const title = link ? make('a', { href: link, target: '_blank', rel: 'noopener noreferrer' }, each.title) : each.title;
    const row = make('tr', { 'data-document': each.id }, make('th', { scope: 'row', title: each.title }, title, each.shared === false && make('span', { class: 'chat-own-mark' }, 'only you')),
      make('td', { title: each.source }, [each.source, each.year].filter(Boolean).join(', ')), make('td', { class: 'wb-figure' }, String(each.passages)),
      make('td', { class: 'chat-date' }, each.added.slice(0, 10)),
      make('td', {}, button('Delete', () => this.confirm(row, each), { class: 'chat-quiet', 'data-delete': true, 'aria-label': `Delete ${each.title}` })));
    return row;
  }

  confirm(row, each) {
    const keep = button('Keep', () => {
      const again = this.row(each);
      row.replaceWith(again);
      again.querySelector('[data-delete]').focus();
    }, { class: 'chat-plain' });
    row.replaceChildren(make('td', { colspan: 5 }, make('div', { class: 'chat-confirm' },
      make('p', {}, `Delete “${each.title}” with ${count(each.passages, 'passage')}?`),
      make('div', { class: 'chat-actions' }, keep, button('Delete', (event) => this.delete(event.currentTarget, row, each), { class: 'chat-stop' })))));
    keep.focus();
  }

  async delete(pressed, row, each) {
    pressed.disabled = true;
    try {
      const { deleted_passages } = await this.remove(each.id);
      this.all = this.all.filter((other) => other.id !== each.id);
      this.drawRows();
      this.told.textContent = `Deleted “${each.title}”: ${count(deleted_passages, 'passage')}.`;
      this.removed();
    } catch (error) {
      row.firstElementChild.replaceChildren(trouble('The document was not deleted', error, button('Close', () => row.replaceWith(this.row(each)), { class: 'chat-plain' })));
    }
  }
}
