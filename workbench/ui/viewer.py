"""The slice viewer as a Gradio component. The viewer itself is JavaScript in `assets/web/viewer`."""

from __future__ import annotations

import json

import gradio as gr

from workbench.imaging.slices import WINDOWS

_LOAD = """
const host = element.querySelector("[data-viewer-host]");
const root = element.closest("[id='ELEM_ID']") || element;
root.dataset.state = "empty";
const options = OPTIONS;
const at = (path) => new URL(path, document.baseURI).href;
const style = (href) => new Promise((done) => {
  if (document.querySelector("link[href='" + href + "']")) { done(); return; }
  const link = document.createElement("link");
  Object.assign(link, {rel: "stylesheet", href: href, onload: done, onerror: done});
  document.head.append(link);
});
(async () => {
  await style(at("assets/web/viewer.css"));
  const viewerModule = await import(at("assets/web/viewer/index.js"));
  options.emptyHtml = host.innerHTML;
  let inner = host;
  while (inner.parentElement && inner.parentElement !== root && inner !== root) inner = inner.parentElement;
  inner.style.display = "none";
  const viewer = viewerModule.createViewer(root, options);
  viewerModule.follow(viewer, props.value);
  watch("value", () => viewerModule.follow(viewer, props.value));
})();
"""


def build_viewer(
    elem_id: str, *, empty_html: str, window_id: str = "seg-window", opacity_id: str = "seg-opacity"
) -> gr.HTML:
    """The viewer in the element `elem_id`; `empty_html` is what it shows before a case is open.

    Its value is `{"case": id or "", "revision": n, "plane"?, "slice"?, "window"?}`: another case opens it, another
    revision of the same one fetches the new structures. `window_id` and `opacity_id` name its preset list and opacity
    slider; give other ones to a second viewer on the page.
    """
    presets = {name: {"center": window.center, "width": window.width} for name, window in WINDOWS.items()}
    options = json.dumps({"presets": presets, "ids": {"window": window_id, "opacity": opacity_id}})
    if any(sign in empty_html for sign in ("\\", "`", "${", "{{")):
        raise ValueError("Gradio reads backslashes, backticks, ${ and {{ in a template")
    return gr.HTML(
        value={"case": "", "revision": 0},
        html_template=f'<div data-viewer-host style="height:100%">{empty_html}</div>',
        js_on_load=_LOAD.replace("ELEM_ID", elem_id).replace("OPTIONS", options),
        elem_id=elem_id,
        container=False,
        padding=False,
        apply_default_css=False,
    )
