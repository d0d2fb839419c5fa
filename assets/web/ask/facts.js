// What is known of the picture, in words beside it.
import { address, figure } from '../dom.js';
import { button, copy, count, make } from '../talk/make.js';
import { returnTo } from './view.js';
import { goesText, legendPairs, shortHash, sizeText, viewText } from './words.js';

const MOST_NAMED = 4;

/**
 * The facts. `about`: `service` is VILA-M3 as the panel knows it, `modalities` and `windows` are what can be chosen,
 * `modality` what was; `sayModality(name)` chooses; `takeWindow(window)`, where not null, has an uploaded CT slice drawn anew.
 */
export function factsOf(picture, about) {
  const row = (name, ...value) => make('div', {}, make('dt', {}, name), make('dd', {}, value.filter(Boolean)));
  const marks = (picture.mark ?? '').split(' ').filter(Boolean).map((each) => make('b', { class: 'ask-mark' }, each));
  return [burned(picture, about.service), make('dl', {},
    row('Picture', sizeText(picture)),
    row('View', ...marks, picture.case_id ? viewText(picture) : 'uploaded, no case behind it',
      picture.case_id && button('Return to it', () => returnTo(picture), { class: 'chat-quiet', 'data-return': true })),
    row('Modality', modalitySelect(picture, about), windowSelect(picture, about)),
    picture.structures && row('On it', structuresText(picture.structures)),
    picture.legend && row('Colours', legendPairs(picture.legend).map(([colour, name]) => `${name} ${colour}`).join(', ')),
    row('Goes', goesText(picture, about.service)),
    row('SHA-256', make('code', { title: picture.sha256 }, shortHash(picture, 16)),
      button('Copy', (event) => copy(event.currentTarget, picture.sha256), { class: 'chat-quiet', 'aria-label': 'Copy the SHA-256 of the picture' }),
      make('a', { class: 'chat-quiet', href: address(picture.url), target: '_blank', rel: 'noopener' }, 'Open alone')),
  ), picture.notes?.length > 0 && make('ul', { class: 'ask-notes' }, picture.notes.map((each) => make('li', {}, each)))];
}

/** Text in the pixels goes wherever the pixels go; loudest where that is outside this machine. */
function burned(picture, service) {
  if (!picture.burned_in) return null;
  const leaves = service?.status === 'cloud';
  return make('div', { class: 'ask-burned', role: leaves ? 'alert' : 'status', 'data-burned': true, 'data-strong': leaves },
    make('strong', {}, 'Text may stand in the picture'), make('p', {}, picture.burned_in),
    make('p', {}, leaves ? 'These pixels would leave this machine, and whatever is written in them with them. Look for names, and crop the picture first.' : 'Look for names before the picture is passed on.'));
}

function modalitySelect(picture, { modalities, modality, sayModality }) {
  const none = picture.modality ? `${modalities[picture.modality]}, as the picture says` : 'Not said';
  const options = Object.entries(modalities).filter(([name]) => name !== picture.modality);
  const chosen = modality === picture.modality ? '' : modality;
  return make('select', { 'aria-label': 'What made the picture', 'data-field': 'modality', onchange: (event) => sayModality(event.target.value || picture.modality || '') },
    make('option', { value: '', selected: !chosen }, none), options.map(([name, text]) => make('option', { value: name, selected: chosen === name }, text)));
}

function windowSelect(picture, { windows, takeWindow }) {
  if (picture.modality !== 'CT' || !takeWindow) return null;
  const [center, width] = picture.provenance?.parameters?.window ?? [];
  return make('select', { 'aria-label': 'Window of the CT slice', 'data-field': 'upload-window', onchange: (event) => takeWindow(event.target.value) },
    make('option', { value: '' }, 'window as read'), Object.entries(windows).map(([name, [c, w]]) => make('option', { value: `${c},${w}`, selected: c === center && w === width }, `${name}, W ${figure(w)} L ${figure(c)}`)));
}

function structuresText(structures) {
  if (!structures.length) return 'nothing that the mask knows';
  const named = structures.slice(0, MOST_NAMED).map((each) => each.name).join(', ');
  const more = structures.length - MOST_NAMED;
  return more > 0 ? `${named} and ${count(more, 'other')}` : named;
}
