// The viewer's own controls: planes, window, structures, tools, slice slider.

const ICONS = {
  window: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 1.4v11.2A5.6 5.6 0 0 1 8 2.4z',
  pan: 'M8 1l2.4 2.6H8.7v3.7h3.7V5.6L15 8l-2.6 2.4V8.7H8.7v3.7h1.7L8 15l-2.4-2.6h1.7V8.7H3.6v1.7L1 8l2.6-2.4v1.7h3.7V3.6H5.6z',
  zoom: 'M7 1.5a5.5 5.5 0 1 1-3.5 9.7A5.5 5.5 0 0 1 7 1.5zm0 1.4a4.1 4.1 0 1 0 0 8.2 4.1 4.1 0 0 0 0-8.2zm4.3 7.4 3.6 3.7-1 1-3.6-3.7zM6.3 4.6h1.4v1.7h1.7v1.4H7.7v1.7H6.3V7.7H4.6V6.3h1.7z',
  cross: 'M7.3 1h1.4v5h-1.4zM7.3 10h1.4v5h-1.4zM1 7.3h5v1.4H1zM10 7.3h5v1.4h-5z',
  reset: 'M8 2.2V0L4.4 2.9 8 5.8V3.6a4.7 4.7 0 1 1-4.6 5.7H2A6.1 6.1 0 1 0 8 2.2z',
  full: 'M1 1h5v1.4H2.4V6H1zM10 1h5v5h-1.4V2.4H10zM1 10h1.4v3.6H6V15H1zM13.6 10H15v5h-5v-1.4h3.6z',
};

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') for (const [type, act] of Object.entries(value)) element.addEventListener(type, act);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return svg;
}

const button = (attributes, act, ...content) =>
  make('button', { type: 'button', ...attributes, on: { click: act } }, ...content);

const capital = (words) => words[0].toUpperCase() + words.slice(1);

/** Build the bar above the picture and the slider below it; `show(view)` brings both up to date. */
export function buildToolbar(viewer, { presets, ids }) {
  const planes = ['axial', 'coronal', 'sagittal'].map((plane) =>
    button({ 'data-plane-button': plane, title: `${capital(plane)} plane` }, () => viewer.setPlane(plane), capital(plane)));
  const three = button({ title: 'Three planes with a linked crosshair (M)', 'aria-label': 'Three planes' },
    () => viewer.setLayout(viewer.state().layout === 'mpr' ? 'single' : 'mpr'), 'MPR');
  const names = Object.keys(presets);
  const preset = make('select', { id: ids.window, 'aria-label': 'Window preset', title: 'Window preset (keys 1 to 8)',
    on: { change: () => preset.value && viewer.setWindow(preset.value) } },
  ...names.map((name) => make('option', { value: name }, capital(name))), make('option', { value: '' }, 'Custom'));
  const number = (label, title) => make('input', { type: 'number', step: 1, 'aria-label': title, title, 'data-role': label,
    on: { change: () => viewer.setWindow({ center: Number(level.value), width: Number(width.value) }),
      keydown: (event) => event.stopPropagation() } });
  const width = number('width', 'Window width in HU');
  const level = number('center', 'Window centre (level) in HU');
  width.min = 1;
  const tools = [['window', 'Drag sets window and level'], ['pan', 'Drag moves the picture'],
    ['zoom', 'Drag zooms'], ['cross', 'Click points: HU, structure, crosshair']].map(([name, title]) =>
    button({ 'data-tool': name, title, 'aria-label': title }, () => viewer.setTool(name), icon(name)));
  const opacity = make('input', { type: 'range', min: 0, max: 100, step: 5, id: ids.opacity, 'aria-label': 'Mask opacity in percent',
    title: 'Mask opacity', on: { input: () => viewer.setOpacity(opacity.value / 100), keydown: (event) => event.stopPropagation() } });
  const style = button({ title: 'Fill or outline (O)' }, () =>
    viewer.setStyle(viewer.state().style === 'fill' ? 'outline' : 'fill'), 'Outline');
  const safe = button({ title: 'Colours safe for colour-vision deficiencies' }, () =>
    viewer.setSafeColours(!viewer.state().safe), 'Safe colours');
  const exact = button({ title: 'The preview is JPEG-compressed. Load exact HU values instead.', hidden: true },
    () => viewer.setTransfer('raw16'), 'Load exact');
  const bar = make('div', { class: 'wbv-bar', role: 'toolbar', 'aria-label': 'Viewer' },
    make('div', { class: 'wbv-group', role: 'group', 'aria-label': 'Plane' }, ...planes, three),
    make('div', { class: 'wbv-fields' }, preset, make('label', {}, 'W', width), make('label', {}, 'L', level)),
    make('div', { class: 'wbv-group', role: 'group', 'aria-label': 'Tool' }, ...tools),
    make('div', { class: 'wbv-fields wbv-mask' }, make('label', {}, 'Mask', opacity), style, safe),
    make('div', { class: 'wbv-fields wbv-last' }, exact,
      button({ title: 'Reset zoom, place and window (R)', 'aria-label': 'Reset the view' }, () => viewer.reset(), icon('reset')),
      button({ title: 'Full screen (F)', 'aria-label': 'Full screen' }, () => viewer.toggleFullScreen(), icon('full'))));
  const slider = make('input', { type: 'range', min: 1, max: 1, value: 1, 'aria-label': 'Slice',
    on: { input: () => viewer.setSlice(Number(slider.value)) } });
  const place = make('output', { class: 'wbv-place' });
  const live = make('span', { class: 'wbv-live', 'aria-live': 'polite' });
  const foot = make('div', { class: 'wbv-foot' }, slider, place, live);

  const press = (element, on) => element.setAttribute('aria-pressed', String(on));
  function show(view) {
    for (const each of planes) press(each, each.dataset.planeButton === view.plane);
    press(three, view.layout === 'mpr');
    preset.value = view.window.name ?? '';
    if (document.activeElement !== width) width.value = Math.round(view.window.width);
    if (document.activeElement !== level) level.value = Math.round(view.window.center);
    for (const each of tools) press(each, each.dataset.tool === view.tool);
    opacity.value = Math.round(view.opacity * 100);
    press(style, view.style === 'outline');
    press(safe, view.safe);
    opacity.disabled = !view.hasMask || view.style === 'outline';
    for (const each of [style, safe]) each.disabled = !view.hasMask;
    exact.hidden = !view.lossy;
    slider.max = view.slices || 1;
    slider.value = view.slice || 1;
    slider.setAttribute('aria-valuetext', view.slices ? `slice ${view.slice} of ${view.slices}` : '');
    place.textContent = view.slices ? `${view.slice} / ${view.slices}` : '';
    const spoken = view.slices ? `${view.plane} slice ${view.slice} of ${view.slices}` : '';
    clearTimeout(show.timer);
    show.timer = setTimeout(() => { live.textContent = spoken; }, 400);
  }
  return { bar, foot, show, names };
}
