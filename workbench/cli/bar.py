"""A progress bar on a terminal; a line a stage elsewhere."""

from __future__ import annotations

from typing import TextIO

_WIDTH = 24


class Bar:
    """Shows the stage of a job on a stream."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        self._stage = ""
        self._moves = stream.isatty()

    def tell(self, stage: str, fraction: float | None = None) -> None:
        """The work is at `stage`; `fraction` 0..1 of it is done, None where it cannot be known."""
        if self._quiet:
            return
        if self._moves:
            done = int((fraction or 0.0) * _WIDTH)
            share = f"{fraction * 100:3.0f} %" if fraction is not None else "     "
            self._stream.write(f"\r[{'#' * done}{'.' * (_WIDTH - done)}] {share} {stage[:48]:<48}")
        elif stage != self._stage:
            self._stream.write(f"{stage}\n")
        self._stage = stage
        self._stream.flush()

    def close(self) -> None:
        """Leave the line."""
        if self._moves and self._stage and not self._quiet:
            self._stream.write("\n")
