// Mouse, touch and keys, turned into calls of the viewer.

const HU_PER_PX = 2;

/** Listen on one pane's canvas. */
export function listen(viewer, pane) {
  const { canvas } = pane;
  const pointers = new Map();
  let drag = null;
  let wheel = 0;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) {
      pane.zoomAt(...at(event), Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0025)));
      viewer.paint();
      return;
    }
    // A mouse sends about 100 px a notch, a touchpad many small steps: 60 px or one line make a slice.
    wheel += event.deltaMode ? event.deltaY * 60 : event.deltaY;
    const steps = Math.abs(event.deltaY) >= 60 && !event.deltaMode ? Math.sign(event.deltaY) : Math.trunc(wheel / 60);
    if (steps) {
      wheel = 0;
      viewer.setSlice(pane.slice - steps, pane.plane);
    }
  }, { passive: false });

  canvas.addEventListener('pointerdown', (event) => {
    pointers.set(event.pointerId, at(event));
    try { canvas.setPointerCapture(event.pointerId); } catch { /* a made-up pointer cannot be captured */ }
    viewer.root.focus({ preventScroll: true });
    let tool = viewer.tool;
    if (event.button === 1 || event.shiftKey) tool = 'pan';
    else if (event.button === 2) tool = 'zoom';
    if (pointers.size === 2) tool = 'pinch';
    drag = { tool, from: at(event), window: { ...viewer.window }, pinch: pinchOf(pointers) };
    if (tool === 'cross') viewer.point(pane, ...at(event));
    event.preventDefault();
  });

  canvas.addEventListener('pointermove', (event) => {
    const [x, y] = at(event);
    if (!pointers.has(event.pointerId) || !drag) {
      viewer.hover(pane, x, y);
      return;
    }
    const [lastX, lastY] = pointers.get(event.pointerId);
    pointers.set(event.pointerId, [x, y]);
    if (drag.tool === 'pinch') {
      const now = pinchOf(pointers);
      if (!now) return;
      pane.panX += now.x - drag.pinch.x;
      pane.panY += now.y - drag.pinch.y;
      pane.zoomAt(now.x, now.y, now.apart / drag.pinch.apart);
      drag.pinch = now;
      viewer.paint();
    } else if (drag.tool === 'window') {
      const width = Math.max(1, Math.round(drag.window.width + (x - drag.from[0]) * HU_PER_PX));
      const center = Math.round(drag.window.center + (y - drag.from[1]) * HU_PER_PX);
      if (x !== drag.from[0] || y !== drag.from[1]) viewer.setWindow({ center, width });
    } else if (drag.tool === 'pan') {
      pane.panX += x - lastX;
      pane.panY += y - lastY;
      viewer.paint();
    } else if (drag.tool === 'zoom') {
      pane.zoomAt(...drag.from, Math.exp((lastY - y) * 0.008));
      viewer.paint();
    } else {
      viewer.point(pane, x, y);
    }
  });

  const release = (event) => {
    pointers.delete(event.pointerId);
    drag = null;
  };
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('pointerleave', () => viewer.hover(pane, -1, -1));
  canvas.addEventListener('dblclick', () => (viewer.layout === 'mpr' && !pane.main ? viewer.setPlane(pane.plane) : viewer.reset()));
  canvas.addEventListener('contextmenu', (event) => event.preventDefault());
}

function pinchOf(pointers) {
  if (pointers.size !== 2) return null;
  const [[x1, y1], [x2, y2]] = pointers.values();
  return { x: (x1 + x2) / 2, y: (y1 + y2) / 2, apart: Math.max(1, Math.hypot(x1 - x2, y1 - y2)) };
}

/** Keys of the viewer, while it has the focus. */
export function listenKeys(viewer, root, presetNames) {
  root.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.matches('select, input, textarea')) return;
    const { slice, slices } = viewer.state();
    const go = (to) => () => viewer.setSlice(to);
    const acts = {
      ArrowUp: go(slice + 1), ArrowRight: go(slice + 1), ArrowDown: go(slice - 1), ArrowLeft: go(slice - 1),
      PageUp: go(slice + 10), PageDown: go(slice - 10), Home: go(1), End: go(slices),
      r: () => viewer.reset(), f: () => viewer.toggleFullScreen(),
      a: () => viewer.setPlane('axial'), c: () => viewer.setPlane('coronal'), s: () => viewer.setPlane('sagittal'),
      m: () => viewer.setLayout(viewer.layout === 'mpr' ? 'single' : 'mpr'),
      o: () => viewer.setStyle(viewer.style === 'fill' ? 'outline' : 'fill'),
    };
    presetNames.forEach((name, index) => { acts[String(index + 1)] = () => viewer.setWindow(name); });
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || !slices) return;
    event.preventDefault();
    act();
  });
}
