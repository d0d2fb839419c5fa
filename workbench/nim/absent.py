"""Why nobody real can be asked, where the settings name no address, no key, or no such service exists."""

from __future__ import annotations

from workbench.domain.errors import NimUnavailable
from workbench.domain.nim import Service
from workbench.nim.probe import Target


def not_hosted(asked: Target, reason: str) -> NimUnavailable:
    """The hosted catalogue has no such service; `reason` is the mode table's."""
    # The table promises these very words as the reason of a mock; an error to a person is a sentence.
    name = asked.service.display_name
    message = reason if asked.route.stand_in else f"{name} has {reason}, and no mock may stand in."
    return NimUnavailable(
        message, hint=f"Run a {name} NIM of your own with IMAGING_NIM_MODE=local and {asked.setting}."
    )


def not_deployed(asked: Target) -> NimUnavailable:
    """No address is set."""
    name = asked.service.display_name
    return NimUnavailable(
        f"{name} is not deployed: {asked.setting} is empty.",
        # There is no NIM of VILA-M3, only servers of its weights.
        hint=f"Start a {name} {'server' if asked.service is Service.VILA_M3 else 'NIM'} and set {asked.setting} to its "
        "address.",
    )


def without_key(asked: Target) -> NimUnavailable:
    """The hosted catalogue would be asked, and no key is set."""
    return NimUnavailable(
        f"The hosted {asked.service.display_name} needs a key: IMAGING_NVIDIA_API_KEY is empty.",
        hint="Get one at build.nvidia.com.",
    )
