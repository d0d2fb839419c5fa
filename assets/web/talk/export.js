// The conversation as a file.
import { button, make, trouble } from './make.js';
import { fetchFile } from './wire.js';

const FORMATS = [['md', 'Markdown'], ['html', 'HTML'], ['json', 'JSON']];

/** The menu. `path` makes the file out of what `exported()` gives; `note(element)` shows what went wrong. */
export function exportMenu(path, exported, note) {
  const nothing = exported().length === 0;
  const menu = make('details', { class: 'chat-export' }, make('summary', { 'aria-disabled': String(nothing) }, 'Export'));
  menu.append(make('div', { class: 'chat-folder' }, nothing
    ? make('p', { class: 'wb-quiet' }, 'There is no finished answer to export yet.')
    : FORMATS.map(([format, text]) => button(text, async () => {
      menu.open = false;
      try {
        const { blob, name } = await fetchFile(path, { format, exchanges: exported() });
        save(blob, name ?? `conversation.${format}`);
      } catch (error) {
        note(trouble('The conversation was not exported', error));
      }
    }, { class: 'chat-plain', 'data-format': format }))));
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector('summary').focus();
  });
  menu.addEventListener('focusout', (event) => { if (!menu.contains(event.relatedTarget)) menu.open = false; });
  return menu;
}

function save(blob, name) {
  const href = URL.createObjectURL(blob);
  const link = make('a', { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}
