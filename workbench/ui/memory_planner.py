"""The memory planner of the Status tab: what fits together, with the source of every figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import gradio as gr

from workbench.domain.memory import Fit, Gpu, Machine, Need, Plan, Source
from workbench.domain.nim import ROUTED, Service
from workbench.ui.words import esc, grouped, remarks
from workbench.usecases.workbench import Workbench

_GB = "\u202fGB"
_SHOWN = {
    Fit.FITS: ("available", "Fits", "Even by the highest published figures, all at their peak at once."),
    Fit.TIGHT: ("degraded", "Tight", "Only by the lowest published figures. Run the largest jobs one after another."),
    Fit.NOT: ("unavailable", "Does not fit", "Not even by the lowest published figures."),
    Fit.UNKNOWN: ("starting", "Unknown", "The memory of this machine cannot be read."),
}


def build_section(workbench: Workbench) -> None:
    """Build the planner; nothing is measured before somebody asks."""
    planner = workbench.memory
    names = [(service.display_name, service.value) for service in ROUTED]
    with gr.Column(elem_id="status-memory", elem_classes=["wb-reading", "wb-plan"]):
        gr.HTML(
            "<h2>What fits in memory</h2><p class='wb-quiet'>GPU memory at the peak, by published figures. "
            "On a DGX Spark, GPU and CPU share one memory.</p>"
        )
        with gr.Row(elem_classes=["wb-buttons"]):
            presets = [
                gr.Button(preset.label, size="sm", elem_id=f"memory-preset-{preset.id}") for preset in planner.presets
            ]
            show = gr.Button("Measure and plan", size="sm", elem_id="memory-plan")
        with gr.Row():
            chosen = gr.CheckboxGroup(
                choices=names, value=[each.value for each in ROUTED], label="NIMs", elem_id="memory-services"
            )
            size = gr.Dropdown(
                list(planner.maisi_sizes), value="256x256x256", label="MAISI volume", elem_id="memory-maisi-size"
            )
            machine = gr.Dropdown(
                list(planner.machines), value=planner.machines[0], label="Machine", elem_id="memory-machine"
            )
        told = gr.HTML("", elem_id="memory-result")

    def planned(services: list[str], maisi_size: str, name: str) -> str:
        return plan_html(planner.plan([Service(each) for each in services], machine=name, maisi_size=maisi_size))

    asked = [chosen, size, machine]
    show.click(planned, asked, told, api_visibility="private", show_progress="hidden")
    for changed in (chosen.input, size.input, machine.input):
        changed(planned, asked, told, api_visibility="private", show_progress="hidden")
    for button, preset in zip(presets, planner.presets, strict=True):
        services = [service.value for service in preset.services]
        button.click(partial(_taking, services), None, chosen, api_visibility="private", show_progress="hidden").then(
            planned, asked, told, api_visibility="private", show_progress="hidden"
        )


def _taking(services: list[str]) -> list[str]:
    return services


def plan_html(plan: Plan) -> str:
    """The verdict, a row a part, what the machine has, what to know, and the sources numbered."""
    sources: list[Source] = []
    rows = "".join(_row(need, plan, sources) for need in plan.needs)
    rows += "".join(
        f'<tr><th scope="row">{esc(each.label)}</th><td class="wb-figure">{each.gb:g}{_GB}</td><td></td>'
        f"<td>{_marks(each.sources, sources)}</td></tr>"
        for each in plan.stack
    )
    state, word, why = _SHOWN[plan.fit]
    room = "" if not plan.available_gb else f" of {grouped(plan.available_gb)}{_GB} to be had"
    why = "There is no GPU here." if plan.available_gb == 0 and plan.needs else why
    cites = "".join(f"<li>{_source_html(each)}</li>" for each in sources)
    return (
        f'<p class="wb-verdict" data-state="{state}"><strong>{word}</strong>: '
        f"{_range(plan.low_gb, plan.high_gb)}{room}. {esc(why)}</p>"
        f'<p class="wb-quiet">{_machine(plan.machine)}</p>'
        '<table class="wb-table wb-plan-table wb-two"><thead><tr><th scope="col">Part</th><th scope="col">Takes</th>'
        '<th scope="col">In the guide</th><th scope="col">Source</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f"{remarks([*plan.notes, *(f'{each.label}: {each.note}' for each in plan.needs if each.note)], 'note')}"
        f'<ol class="wb-quiet wb-sources">{cites}</ol>'
    )


def _row(need: Need, plan: Plan, sources: list[Source]) -> str:
    at = plan.gpu_of.get(need.service)
    where = f" on GPU {at}" if at is not None and len(plan.machine.gpus) > 1 and not plan.machine.is_unified else ""
    return (
        f'<tr><th scope="row">{esc(need.label)}{where}</th>'
        f'<td class="wb-figure">{_range(need.low_gb, need.high_gb)}</td>'
        f'<td class="wb-figure">{need.guide_gb:g}{_GB}</td><td>{_marks(need.sources, sources)}</td></tr>'
    )


def _range(low_gb: float, high_gb: float) -> str:
    return f"{low_gb:g}{_GB}" if low_gb == high_gb else f"{low_gb:g} to {high_gb:g}{_GB}"


def _marks(cited: Sequence[Source], sources: list[Source]) -> str:
    for each in cited:
        if each not in sources:
            sources.append(each)
    return ", ".join(str(sources.index(each) + 1) for each in cited)


def _source_html(source: Source) -> str:
    if not source.url:
        return esc(source.title)
    return f'<a href="{esc(source.url)}" rel="noreferrer" target="_blank">{esc(source.title)}</a>'


def _machine(machine: Machine) -> str:
    """What it has, in one line."""
    parts = [f"{esc(machine.name)}, {esc(machine.architecture)}"]
    if machine.memory_gb is not None:
        kind = "unified memory" if machine.is_unified else "system memory"
        free = "" if machine.memory_free_gb is None else f", {grouped(machine.memory_free_gb)}{_GB} free now"
        parts.append(f"{grouped(machine.memory_gb)}{_GB} {kind}{free}")
    parts += [_gpu(each) for each in machine.gpus]
    return "; ".join(parts) + "."


def _gpu(gpu: Gpu) -> str:
    if gpu.total_gb is None or gpu.free_gb is None:
        return esc(gpu.name)
    return f"{esc(gpu.name)}: {grouped(gpu.free_gb)} of {grouped(gpu.total_gb)}{_GB} free"
