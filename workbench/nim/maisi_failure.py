"""What a MAISI answer other than 200 means, in words, and whether a mock may stand in (see `vista3d_failure`)."""

from __future__ import annotations

from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid
from workbench.domain.synthesis import SynthesisRequest
from workbench.domain.synthesis_forecast import forecast
from workbench.nim.complaint import complaint
from workbench.nim.http import NoAnswerInTime, Reply
from workbench.nim.unusable import unusable

SETTING = "IMAGING_NIM_MAISI_URL"
TIMEOUT_SETTING = "IMAGING_NIM_MAISI_TIMEOUT_S"
_NO_MASK = (
    "MAISI starts from a real mask that holds every region and anatomy asked for, and its library has none such: ask "
    "for fewer anatomies or one region, a longer volume, or fewer samples."
)


def failure(reply: Reply, request: SynthesisRequest) -> NimError:
    """The error for an answer whose status is not 200."""
    said = complaint(reply.body)
    quoted = f": “{said}”" if said else ""
    return unusable(reply.status, quoted, name="MAISI", setting=SETTING) or _refusal(reply, said, quoted, request)


def out_of_time(error: NoAnswerInTime, request: SynthesisRequest) -> NoAnswerInTime:
    """The error of a call that ran into its time limit, with what helps for MAISI."""
    rough = forecast(request)
    error.hint = (
        f"On an {rough.seconds_gpu} this request takes about {max(rough.seconds / 60, 1):.0f} min. Ask for a smaller "
        f"size or fewer samples, or raise {TIMEOUT_SETTING} here and GENERATE_IMAGE_TIMEOUT at the NIM."
    )
    return error


def _refusal(reply: Reply, said: str, quoted: str, request: SynthesisRequest) -> NimError:
    status = reply.status
    if status < 400:
        return NimReplyInvalid(
            f"MAISI answered with status {status}, which no MAISI NIM does.",
            hint=f"Check {SETTING}: it must lead to the NIM itself, without a redirect.",
        )
    if status >= 500 and not said:
        return NimReplyInvalid(
            f"MAISI failed without saying why (status {status}).", hint="Its log may: docker logs, last lines."
        )
    if reply.body.lstrip()[:1] == b"<":
        return NimReplyInvalid(
            f"What answers at the address of MAISI is a web page (status {status}){quoted}.", hint=f"Check {SETTING}."
        )
    if "out of memory" in said.lower():
        return _out_of_memory(quoted, status, request)
    return NimRejected(f"MAISI refused the request (status {status}){quoted}.", hint=_cure(said.lower()))


def _out_of_memory(quoted: str, status: int, request: SynthesisRequest) -> NimRejected:
    figure = forecast(request)
    size = " x ".join(map(str, request.output_size))
    published = " x ".join(map(str, figure.memory_size))
    return NimRejected(
        f"MAISI ran out of GPU memory for {size} voxels (status {status}){quoted}.",
        hint=f"For {published}, {figure.memory_low_gb:g} to {figure.memory_high_gb:g} GB are published. Free the GPU "
        "of other work, or ask for a smaller size with a larger spacing: the field of view stays.",
    )


def _cure(said: str) -> str | None:
    if "timeout" in said or "timed out" in said:
        return "Raise GENERATE_IMAGE_TIMEOUT at the NIM, or ask for a smaller size."
    if "candidate" in said or "cannot find" in said or "required class labels" in said:
        return _NO_MASK
    return "Change the request and send it again; it is kept."
