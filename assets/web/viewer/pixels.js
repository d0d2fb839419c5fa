// HU to grey, labels to colour: arrays in, image data out.

/** RGBA by HU bit pattern: the linear function of DICOM PS3.3 C.11.2.1.2.1, rounded half up (as on the server). */
export function greyTable({ center, width }) {
  const table = new Uint32Array(65536);
  for (let bits = 0; bits < 65536; bits += 1) {
    const hu = bits > 32767 ? bits - 65536 : bits;
    const share = width <= 1 ? Number(hu > center - 0.5) : (hu - (center - 0.5)) / (width - 1) + 0.5;
    const grey = Math.floor(Math.min(1, Math.max(0, share)) * 255 + 0.5);
    table[bits] = (0xff000000 | (grey << 16) | (grey << 8) | grey) >>> 0;
  }
  return table;
}

/** Paint HU into a canvas of the slice's own size. */
export function paintGrey(canvas, columns, rows, hu, table) {
  const bits = new Uint16Array(hu.buffer, hu.byteOffset, hu.length);
  putPixels(canvas, columns, rows, (pixels) => {
    for (let at = 0; at < bits.length; at += 1) pixels[at] = table[bits[at]];
  });
}

/** Paint filled structures into a canvas of the slice's own size; hidden ones stay clear. */
export function paintLabels(canvas, columns, rows, labels, table) {
  putPixels(canvas, columns, rows, (pixels) => {
    for (let at = 0; at < labels.length; at += 1) pixels[at] = table[labels[at]];
  });
}

function putPixels(canvas, columns, rows, fill) {
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext('2d');
  const image = context.createImageData(columns, rows);
  fill(new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
}

/** RGBA by label for the visible structures. */
export function labelTable(structures, isVisible, safe) {
  const table = new Uint32Array(256);
  for (const each of structures) {
    if (!isVisible(each.label)) continue;
    const rgb = parseInt((safe ? each.safe_colour : each.colour).slice(1), 16);
    table[each.label] = (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
  }
  return table;
}

/** Borders of the visible structures along voxel edges: label -> [x1, y1, x2, y2, inward x, inward y, ...]. */
export function borders(columns, rows, labels, table) {
  const found = new Map();
  const shown = (x, y) => {
    const label = x < 0 || y < 0 || x >= columns || y >= rows ? 0 : labels[y * columns + x];
    return table[label] ? label : 0;
  };
  const add = (label, ...edge) => {
    if (!found.has(label)) found.set(label, []);
    found.get(label).push(...edge);
  };
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const label = labels[y * columns + x];
      if (!table[label]) continue;
      if (shown(x - 1, y) !== label) add(label, x, y, x, y + 1, 1, 0);
      if (shown(x + 1, y) !== label) add(label, x + 1, y, x + 1, y + 1, -1, 0);
      if (shown(x, y - 1) !== label) add(label, x, y, x + 1, y, 0, 1);
      if (shown(x, y + 1) !== label) add(label, x, y + 1, x + 1, y + 1, 0, -1);
    }
  }
  return found;
}
