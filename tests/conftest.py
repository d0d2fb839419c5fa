"""What every test stands on: nobody's own settings, the same examples on every run, Ctrl-C that is heard."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings as hypothesis_settings

OWN_NAMES = ("NVIDIA_API_KEY", "NGC_API_KEY", "WORKBENCH_TEST")


def pytest_configure(config: pytest.Config) -> None:
    """Forget the settings of whoever runs the tests, in this process and in those it starts."""
    for name in list(os.environ):
        if name.upper().startswith("IMAGING_") or name in OWN_NAMES:
            del os.environ[name]
    os.environ["MPLBACKEND"] = "Agg"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts background jobs deaf to Ctrl-C, and what the tests start would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # No deadline: a slow machine is no failure. Derandomized: two runs try the same examples.
    hypothesis_settings.register_profile("workbench", deadline=None, derandomize=True, database=None)
    hypothesis_settings.load_profile("workbench")
