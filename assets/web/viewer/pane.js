// One picture on the page: fits, zooms and pans one plane, and draws it.
import { borders, paintGrey, paintLabels } from './pixels.js';
import { drawFurniture } from './furniture.js';
import { pixelAt } from './planes.js';

const OUTLINE_PX = 1.5;

export class Pane {
  constructor(plane) {
    this.canvas = document.createElement('canvas');
    this.canvas.className = 'wbv-canvas';
    this.grey = document.createElement('canvas');
    this.mask = document.createElement('canvas');
    this.plane = plane;
    this.slice = 1;
    this.main = true;
    this.reset();
  }

  reset() { Object.assign(this, { zoom: 1, panX: 0, panY: 0 }); }

  /** Take the size of the element; true when it changed. */
  measure() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    const [deviceWidth, deviceHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
    const changed = this.canvas.width !== deviceWidth || this.canvas.height !== deviceHeight;
    if (changed) Object.assign(this.canvas, { width: deviceWidth, height: deviceHeight });
    Object.assign(this, { width, height, ratio });
    return changed;
  }

  /** CSS pixels per mm, and the place of the picture's top left corner. */
  place(geometry) {
    const [mmX, mmY] = geometry.pixel_mm;
    const [wide, high] = [geometry.columns * mmX, geometry.rows * mmY];
    this.scale = Math.min(this.width / wide, this.height / high) * this.zoom;
    this.stepX = this.scale * mmX;
    this.stepY = this.scale * mmY;
    this.left = (this.width - wide * this.scale) / 2 + this.panX;
    this.top = (this.height - high * this.scale) / 2 + this.panY;
  }

  /** Column and row under a point in CSS pixels of the canvas, null outside the picture. */
  pixelUnder(x, y, geometry) {
    const column = Math.floor((x - this.left) / this.stepX);
    const row = Math.floor((y - this.top) / this.stepY);
    const inside = column >= 0 && row >= 0 && column < geometry.columns && row < geometry.rows;
    return inside ? [column, row] : null;
  }

  /** Zoom about a point that stays where it is. */
  zoomAt(x, y, factor) {
    const zoom = Math.min(24, Math.max(0.5, this.zoom * factor));
    const change = zoom / this.zoom;
    this.panX = (this.panX + this.width / 2 - x) * change + x - this.width / 2;
    this.panY = (this.panY + this.height / 2 - y) * change + y - this.height / 2;
    this.zoom = zoom;
  }

  /** Draw slice and structures; false while the slice is still on its way (then the last picture stays). */
  draw(view) {
    this.measure();
    if (!this.width || !this.height) return false;
    const geometry = view.manifest.planes[this.plane];
    const data = view.image.get(this.plane, this.slice);
    if (data) this.prepare(view, geometry, data);
    this.place(geometry);
    const context = this.canvas.getContext('2d', { alpha: false });
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = '#000';
    context.fillRect(0, 0, this.width, this.height);
    if (this.source && this.sourcePlane === this.plane) {
      context.imageSmoothingEnabled = true;
      // Bilinear up, averaged down: 'high' costs a frame where no GPU draws the canvas.
      context.imageSmoothingQuality = this.stepX * this.ratio < 1 ? 'medium' : 'low';
      const box = [this.left, this.top, geometry.columns * this.stepX, geometry.rows * this.stepY];
      context.drawImage(this.source, ...box);
      if (data) this.drawLabels(context, view, geometry, box);
    }
    if (view.crosshair) this.drawCrosshair(context, view, geometry);
    drawFurniture(context, this, view);
    return Boolean(data);
  }

  prepare(view, geometry, data) {
    const key = `${this.plane}:${this.slice}:${view.window.center}:${view.window.width}`;
    if (this.greyData === data && this.greyKey === key) return;
    if (data instanceof Int16Array) {
      paintGrey(this.grey, geometry.columns, geometry.rows, data, view.greyTable);
      this.source = this.grey;
    } else {
      this.source = data;
    }
    Object.assign(this, { greyKey: key, greyData: data, sourcePlane: this.plane });
  }

  drawLabels(context, view, geometry, box) {
    const labels = view.labels?.get(this.plane, this.slice);
    if (!labels || !view.labelTable) return;
    if (view.style === 'outline') {
      this.drawOutlines(context, view, geometry, labels);
      return;
    }
    if (this.maskData !== labels || this.maskTable !== view.labelTable) {
      paintLabels(this.mask, geometry.columns, geometry.rows, labels, view.labelTable);
      Object.assign(this, { maskData: labels, maskTable: view.labelTable });
    }
    context.globalAlpha = view.opacity;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.mask, ...box);
    context.globalAlpha = 1;
  }

  drawOutlines(context, view, geometry, labels) {
    if (this.edgeData !== labels || this.edgeTable !== view.labelTable) {
      this.edges = borders(geometry.columns, geometry.rows, labels, view.labelTable);
      Object.assign(this, { edgeData: labels, edgeTable: view.labelTable });
    }
    context.lineWidth = OUTLINE_PX;
    context.lineCap = 'square';
    for (const [label, edge] of this.edges) {
      context.strokeStyle = view.colourOf(label);
      context.beginPath();
      for (let at = 0; at < edge.length; at += 6) {
        const inX = edge[at + 4] * OUTLINE_PX / 2;
        const inY = edge[at + 5] * OUTLINE_PX / 2;
        context.moveTo(this.left + edge[at] * this.stepX + inX, this.top + edge[at + 1] * this.stepY + inY);
        context.lineTo(this.left + edge[at + 2] * this.stepX + inX, this.top + edge[at + 3] * this.stepY + inY);
      }
      context.stroke();
    }
  }

  drawCrosshair(context, view, geometry) {
    const [column, row] = pixelAt(this.plane, view.size, view.cursor);
    const x = Math.round(this.left + (column + 0.5) * this.stepX) + 0.5;
    const y = Math.round(this.top + (row + 0.5) * this.stepY) + 0.5;
    const [right, bottom] = [this.left + geometry.columns * this.stepX, this.top + geometry.rows * this.stepY];
    const gap = 12;
    context.strokeStyle = 'rgba(88,184,240,.75)';
    context.lineWidth = 1;
    context.beginPath();
    for (const [x1, y1, x2, y2] of [[this.left, y, x - gap, y], [x + gap, y, right, y],
      [x, this.top, x, y - gap], [x, y + gap, x, bottom]]) {
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
    }
    context.stroke();
  }
}
