// What is drawn over the picture: letters, scale bar, slice and window, the MOCK band.

const FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const AMBER = '#f0b429';
const BAND = 12;

export const figure = (value, decimals = 0) => Number(value).toFixed(decimals).replace('-', '\u2212');

export const positionText = (plane, slice) =>
  `${plane.axis_letter} ${figure(plane.first_mm + plane.step_mm * (slice - 1), 1)} mm`;

/** `MOCK`, `SYNTHETIC`, both or null: the server has asked the provenance, the viewer only obeys. */
export function markOf(manifest) {
  const words = [];
  if (manifest.badge.mock || manifest.segmentation?.mock) words.push('MOCK');
  if (manifest.badge.synthetic) words.push('SYNTHETIC');
  return words.join(' ') || null;
}

function text(context, words, x, y, { align = 'left', base = 'top', size = 12, weight = 400, colour = '#e7ebf0' } = {}) {
  context.font = `${weight} ${size}px ${FONT}`;
  context.textAlign = align;
  context.textBaseline = base;
  context.lineJoin = 'round';
  context.lineWidth = 3;
  context.strokeStyle = 'rgba(0,0,0,.85)';
  context.strokeText(words, x, y);
  context.fillStyle = colour;
  context.fillText(words, x, y);
}

/** Draw everything over the picture of one pane, in CSS pixels. */
export function drawFurniture(context, pane, view) {
  const { width, height } = pane;
  const geometry = view.manifest.planes[pane.plane];
  const mark = markOf(view.manifest);
  const away = 10 + (mark ? BAND : 0);
  const letter = { size: 15, weight: 600, colour: '#ffd479' };
  const { left, right, top, bottom } = geometry.letters;
  text(context, left, away, height / 2, { ...letter, base: 'middle' });
  text(context, right, width - away, height / 2, { ...letter, align: 'right', base: 'middle' });
  text(context, top, width / 2, away, { ...letter, align: 'center' });
  text(context, bottom, width / 2, height - away, { ...letter, align: 'center', base: 'bottom' });
  const corner = mark ? away + 28 : away;
  text(context, `${pane.slice} / ${geometry.slices}`, away, corner, { size: 13, weight: 600 });
  text(context, positionText(geometry, pane.slice), away, corner + 18, { colour: '#9aa6b4' });
  if (view.manifest.oblique_deg >= 1) {
    text(context, `oblique ${figure(view.manifest.oblique_deg, 0)}\u00b0`, away, corner + 34, { colour: '#9aa6b4' });
  }
  if (pane.main) {
    text(context, `W ${figure(view.window.width)}  L ${figure(view.window.center)}`, away, height - away, { base: 'bottom' });
    if (view.lossy) {
      text(context, 'lossy preview', width - away, away, { align: 'right', colour: '#ff9e64' });
    }
  }
  drawScale(context, pane, geometry, away);
  if (mark) drawBand(context, width, height, mark);
}

function drawScale(context, pane, geometry, away) {
  const perMm = pane.scale;
  const room = pane.width * 0.25;
  let length = 1;
  for (const power of [1, 10, 100, 1000]) {
    for (const each of [1, 2, 5]) if (each * power * perMm <= room) length = each * power;
  }
  const right = Math.round(pane.width - away - 4) + 0.5;
  const leftX = Math.round(right - length * perMm) + 0.5;
  const y = Math.round(pane.height - away - 4) + 0.5;
  for (const [colour, thick] of [['rgba(0,0,0,.85)', 3.5], ['#e7ebf0', 1.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.beginPath();
    context.moveTo(leftX, y - 5);
    context.lineTo(leftX, y);
    context.lineTo(right, y);
    context.lineTo(right, y - 5);
    context.stroke();
  }
  const words = length >= 10 ? `${length / 10} cm` : `${length} mm`;
  text(context, words, (leftX + right) / 2, y - 6, { align: 'center', base: 'bottom' });
}

/** The amber diagonal band along the edge, and the word: for MOCK and SYNTHETIC, for nothing else. */
function drawBand(context, width, height, mark) {
  context.save();
  context.beginPath();
  context.rect(0, 0, width, height);
  context.rect(BAND, BAND, width - 2 * BAND, height - 2 * BAND);
  context.clip('evenodd');
  context.fillStyle = '#1c1606';
  context.fillRect(0, 0, width, height);
  context.strokeStyle = AMBER;
  context.lineWidth = 8;
  context.beginPath();
  for (let x = -height; x < width + height; x += 23) {
    context.moveTo(x, height + 8);
    context.lineTo(x + height + 16, -8);
  }
  context.stroke();
  context.restore();
  context.font = `700 14px ${FONT}`;
  const wide = context.measureText(mark).width;
  context.fillStyle = AMBER;
  context.fillRect(BAND, BAND, wide + 16, 24);
  context.fillStyle = '#140f00';
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.fillText(mark, BAND + 8, BAND + 12.5);
}
