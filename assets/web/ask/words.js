// A picture in words: its size, its view, its way to the model.
import { figure } from '../dom.js';

const FORMATS = { 'image/jpeg': 'JPEG', 'image/png': 'PNG' };
const THIN = '\u202f';

/** `512 × 512 px, 84 kB JPEG, 0.80 mm per px`. */
export function sizeText({ width_px, height_px, size_bytes, media_type, mm_per_px }) {
  const scale = mm_per_px ? `, ${figure(mm_per_px, 2)}${THIN}mm per px` : '';
  return `${figure(width_px)} × ${figure(height_px)}${THIN}px, ${bytesText(size_bytes)} ${FORMATS[media_type] ?? ''}${scale}`;
}

export const bytesText = (bytes) =>
  (bytes < 1e6 ? `${figure(Math.max(1, bytes / 1000))}${THIN}kB` : `${figure(bytes / 1e6, 1)}${THIN}MB`);

/** `W 400 L 50 (soft tissue)`. */
export const windowText = ({ center, width, name }) => `W ${figure(width)} L ${figure(center)}${name ? ` (${name})` : ''}`;

/** `axial 143 / 300`, or all three planes. `of` holds how many slices each plane has, where that is known. */
export function placeText({ kind, plane, slice, slices, of }) {
  const at = (name, number) => `${name} ${number}${of?.[name] ? `${THIN}/${THIN}${of[name]}` : ''}`;
  if (kind === 'mosaic') return `three planes: ${Object.entries(slices).map(([name, number]) => at(name, number)).join(', ')}`;
  return at(plane, slice);
}

/** What of a case a picture shows; of an upload, that it is one. */
export function viewText(picture) {
  if (!picture.case_id) return `uploaded picture, ${figure(picture.width_px)} × ${figure(picture.height_px)}${THIN}px`;
  return `${placeText(picture)}, ${windowText(picture.window)}, overlay ${picture.overlay ? 'on' : 'off'}`;
}

export const shortHash = (picture, characters = 8) => picture.sha256.slice(0, characters);

/** What a picture is to somebody who cannot see it. */
export const altText = (picture) => `${[picture.mark, picture.modality].filter(Boolean).join(' ')} picture, ${viewText(picture)}`.trim();

const ROUTES = {
  inline: (who) => `In the request, to ${who}`,
  asset: (who) => `Uploaded to ${who} as an asset, deleted after the answer`,
  file: (who) => `As a file, to ${who}`,
  'not sent': () => 'Not sent: the mock looked at the pixels here',
};
const WHO = { local: 'your own NIM', cloud: 'the hosted catalogue' };

/** How a picture went to whoever answered. */
export const wentText = (sentAs, origin) => (ROUTES[sentAs] ?? ROUTES.inline)(WHO[origin] ?? 'the model');

/** How a picture would go now; `service` is VILA-M3 as the panel knows it. */
export function goesText(picture, service) {
  const state = service?.status;
  if (state === 'cloud') return wentText(picture.sent_as, 'cloud');
  if (state === 'available') return wentText(picture.sent_as, 'local');
  if (state === 'mock') return 'Nowhere: the mock looks at the pixels here';
  if (state === 'unavailable') return 'Nowhere now: VILA-M3 cannot be used';
  return 'Looking who answers';
}

/** The colours of an expert's picture: `red: liver, blue: hepatic tumor` as pairs. */
export function legendPairs(legend) {
  return (legend ?? '').split(/,\s*/).map((each) => each.split(/:\s*/)).filter(([, name]) => name)
    .map(([colour, ...name]) => [colour.trim(), name.join(': ').trim()]);
}
