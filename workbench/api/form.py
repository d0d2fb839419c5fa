"""Forms with files, taken as they arrive: one file is open and none is in memory, however many are sent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Generic, Protocol, TypeVar, cast

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from workbench.cases.store import telling_disk_full
from workbench.domain.case import Case, Visitor
from workbench.domain.errors import InvalidRequest, TooLarge, WorkbenchError
from workbench.domain.trace import span
from workbench.usecases.workbench import Workbench

_MOST_FILES = 20_000
_MOST_TEXT_BYTES = 1 << 20
_SEE_DOCS = "See /docs for the fields of this route."


PlacedT = TypeVar("PlacedT")


class Inbox(Protocol[PlacedT]):
    """Where the files of a form go."""

    @property
    def max_bytes(self) -> int:
        """Most bytes of all files together."""

    def receive(self, visitor: Visitor, /) -> PlacedT:
        """A place for the files of one form; asked for when the first file comes."""

    def new_file(self, placed: PlacedT, name: str, number: int, /) -> BinaryIO:
        """File `number`, open to be written."""

    def give_up(self, placed: PlacedT, /) -> None:
        """Erase a form's files."""

    def too_large(self, size: int, /) -> TooLarge:
        """The error for more bytes than are taken."""


class Form(Generic[PlacedT]):
    """A form that has arrived: its texts, and where its files went, None without files."""

    def __init__(self, texts: dict[str, list[str]], placed: PlacedT | None) -> None:
        self._texts = texts
        self.placed = placed

    @property
    def case(self) -> PlacedT | None:
        """Where the files went: the case, in a form with a CT."""
        return self.placed

    def all(self, name: str) -> list[str]:
        """The texts of a repeated field."""
        return self._texts.get(name, [])

    def text(self, name: str) -> str:
        """The first text of a field, empty without it."""
        return next(iter(self.all(name)), "")

    def number(self, name: str) -> int | None:
        """A field as a whole number, None without it.

        Raises:
            InvalidRequest: not a number.
        """
        text = self.text(name)
        if text and not (text.isascii() and text.isdecimal()):
            raise InvalidRequest(f"The field {name} is not a number.", hint=_SEE_DOCS)
        return int(text) if text else None


async def receive_form(request: Request, workbench: Workbench, visitor: Visitor) -> Form[Case]:
    """Take a form in; files of the field `file` go into a new case's upload. Raises as `receive_files`."""
    return await receive_files(request, workbench.opening, visitor)


async def receive_files(request: Request, inbox: Inbox[PlacedT], visitor: Visitor) -> Form[PlacedT]:
    """Take a form in; files of the field `file` go into the inbox. Nothing stays of a form that fails.

    Raises:
        InvalidRequest: not a form, or one that is malformed.
        TooLarge: more bytes or files than are taken.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    incoming = _Incoming(inbox, visitor)
    try:
        # The parser's own type for its callbacks exists for type checkers only.
        parser = MultipartParser(options.get(b"boundary", b""), cast(Any, incoming.callbacks()))
        with span("upload"):
            async for chunk in request.stream():
                if chunk:
                    await run_in_threadpool(parser.write, chunk)
        if not incoming.is_whole:
            raise FormParserError("no closing boundary")
    except FormParserError as error:
        incoming.give_up()
        raise InvalidRequest("The form is malformed, or breaks off before its end.", hint=_SEE_DOCS) from error
    except BaseException:  # a broken connection too: nothing of the upload may stay
        incoming.give_up()
        raise
    incoming.close()
    return Form(incoming.texts, incoming.placed)


@contextlib.contextmanager
def giving_up(workbench: Workbench, form: Form[Case]) -> Iterator[None]:
    """Erase the form's files when what is done with its texts fails."""
    try:
        yield
    except WorkbenchError:
        if form.case is not None:
            workbench.opening.give_up(form.case)
        raise


def no_file() -> InvalidRequest:
    """The error for a form without a file."""
    return InvalidRequest("The form holds no file.", hint="Send the CT in the field “file”.")


class _Incoming(Generic[PlacedT]):
    """The parts of a form as the parser meets them."""

    def __init__(self, inbox: Inbox[PlacedT], visitor: Visitor) -> None:
        self._inbox = inbox
        self._visitor = visitor
        self.texts: dict[str, list[str]] = {}
        self.placed: PlacedT | None = None
        self.is_whole = False
        self._files = self._file_bytes = self._text_bytes = 0
        self._header: tuple[bytes, bytes] = (b"", b"")
        self._disposition = b""
        self._name = ""
        self._text: bytearray | None = None
        self._file: BinaryIO | None = None

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """What the parser is to call."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._take_header_name,
            "on_header_value": self._take_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._take,
            "on_part_end": self._end,
            "on_end": self._end_form,
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def give_up(self) -> None:
        self.close()
        if self.placed is not None:
            self._inbox.give_up(self.placed)

    def _begin(self) -> None:
        self._disposition, self._text = b"", None
        self.close()

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = (b"", b"")

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        if filename is None:
            self._text = bytearray()
        elif filename and self._name == "file":
            self._open_file(filename.decode("utf-8", "replace"))

    def _open_file(self, filename: str) -> None:
        if self._files >= _MOST_FILES:
            raise TooLarge(f"The form holds more than {_MOST_FILES:,} files.", hint="Send them as one zip.")
        if self.placed is None:
            self.placed = self._inbox.receive(self._visitor)
        self._file = self._inbox.new_file(self.placed, filename, self._files)
        self._files += 1

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file_bytes += end - start
            if self._file_bytes > self._inbox.max_bytes:
                raise self._inbox.too_large(self._file_bytes)
            with telling_disk_full():
                self._file.write(memoryview(data)[start:end])
        elif self._text is not None:
            self._text_bytes += end - start
            if self._text_bytes > _MOST_TEXT_BYTES:
                raise TooLarge("The texts of the form are longer than 1 MB.", hint=_SEE_DOCS)
            self._text += data[start:end]

    def _end_form(self) -> None:
        self.is_whole = True

    def _end(self) -> None:
        with telling_disk_full():
            self.close()
        if self._text is not None:
            self.texts.setdefault(self._name, []).append(self._text.decode("utf-8", "replace"))
            self._text = None
