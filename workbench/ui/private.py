"""What Gradio must be told through the environment, before it is imported."""

from __future__ import annotations

import os
from pathlib import Path


def keep_gradio_private(temporary: Path) -> None:
    """Uploads pass through a folder of this process alone, and nothing is reported anywhere."""
    folder = temporary / "gradio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # noqa: TID251 - the only way to tell Gradio
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # noqa: TID251 - likewise
