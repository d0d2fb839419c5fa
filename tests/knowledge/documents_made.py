"""Documents made for tests, whose pages and words are known: PDFs written by hand, DOCX, zips."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from workbench.domain.progress import Silent
from workbench.knowledge.documents.nouns import DocumentLimits, ReadDocument, Unread
from workbench.knowledge.documents.read import read_file

LIVER = (
    "The liver is the largest solid organ of the abdomen. Its volume in a healthy adult is about 1500 mL. "
    "It grows with body surface area."
)


def read(path: Path, name: str | None = None, **limits: float) -> list[ReadDocument | Unread]:
    """What a file holds."""
    return list(read_file(path, name or path.name, DocumentLimits(**limits), Silent()))  # type: ignore[arg-type]


def read_one(path: Path, name: str | None = None) -> ReadDocument:
    """The one document of a file that can be read."""
    (found,) = read(path, name)
    assert isinstance(found, ReadDocument), found
    return found


def why_not(path: Path, name: str | None = None, **limits: float) -> str:
    """Why a file cannot be read, without any path of this machine."""
    (found,) = read(path, name, **limits)
    assert isinstance(found, Unread), found
    assert str(path.parent) not in found.why
    return found.why


def pdf(
    pages: Sequence[Sequence[str]],
    *,
    info: Mapping[str, str] | None = None,
    labels: str = "",
    bookmarks: Sequence[tuple[str, int]] = (),
    picture: bool = False,
    encrypted: bool = False,
    sizes: Sequence[float] = (),
) -> bytes:
    """A PDF of these lines, page by page, in Helvetica.

    Args:
        pages: the lines of each page. A line that ends in a hyphen breaks its word there.
        info: the document's own title and so on.
        labels: the value of /PageLabels' /Nums, such as `0 << /S /r >> 2 << /S /D >>`.
        bookmarks: (title, page counted from 0).
        picture: whether each page shows a small grey picture.
        encrypted: whether it asks for a password that nobody knows.
        sizes: letter sizes in points of the lines of the first page; 11 where none is given.
    """
    made = _Objects()
    font = made.add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    image = made.stream(
        "/Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8", b"\x80" * 4
    )
    tree = made.reserve()
    kids = []
    for number, lines in enumerate(pages):
        content = made.stream("", _page_content(lines, sizes if number == 0 else (), picture))
        kids.append(
            made.add(
                f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R "
                f"/Resources << /Font << /F1 {font} 0 R >> /XObject << /Im {image} 0 R >> >> >>"
            )
        )
    made.fill(tree, f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] >>")
    root = f"<< /Type /Catalog /Pages {tree} 0 R"
    if labels:
        root += f" /PageLabels << /Nums [{labels}] >>"
    if bookmarks:
        root += f" /Outlines {_outline(made, bookmarks, kids)} 0 R"
    catalog = made.add(root + " >>")
    trailer = f"/Root {catalog} 0 R /ID [<{'ab' * 16}> <{'ab' * 16}>]"
    if info:
        trailer += (
            f" /Info {made.add('<< ' + ' '.join(f'/{key} ({value})' for key, value in info.items()) + ' >>')} 0 R"
        )
    if encrypted:
        lock = made.add(f"<< /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O <{'5a' * 32}> /U <{'a5' * 32}> >>")
        trailer += f" /Encrypt {lock} 0 R"
    return made.written(trailer)


def docx(build: object) -> bytes:
    """A DOCX; `build(document)` fills a new one of python-docx."""
    import docx as library

    document = library.Document()
    build(document)  # type: ignore[operator]
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def zipped(members: Mapping[str, bytes], *, links: Iterable[str] = ()) -> bytes:
    """A zip; members in `links` are symbolic links to what their content names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if name in links:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return out.getvalue()


class _Objects:
    def __init__(self) -> None:
        self._objects: list[bytes] = []

    def add(self, content: str) -> int:
        self._objects.append(content.encode("latin-1"))
        return len(self._objects)

    def reserve(self) -> int:
        return self.add("null")

    def fill(self, number: int, content: str) -> None:
        self._objects[number - 1] = content.encode("latin-1")

    def stream(self, entries: str, content: bytes) -> int:
        head = f"<< {entries} /Length {len(content)} >>\nstream\n".encode()
        self._objects.append(head + content + b"\nendstream")
        return len(self._objects)

    def written(self, trailer: str) -> bytes:
        out = io.BytesIO(b"%PDF-1.7\n")
        out.seek(0, io.SEEK_END)
        places = []
        for number, content in enumerate(self._objects, 1):
            places.append(out.tell())
            out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
        start = out.tell()
        out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1))
        for place in places:
            out.write(b"%010d 00000 n \n" % place)
        out.write(f"trailer\n<< /Size {len(places) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode())
        return out.getvalue()


def _page_content(lines: Sequence[str], sizes: Sequence[float], picture: bool) -> bytes:
    parts = ["q 40 0 0 40 500 20 cm /Im Do Q"] if picture else []
    height = 790.0
    for number, line in enumerate(lines):
        size = sizes[number] if number < len(sizes) else 11.0
        escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        parts.append(f"BT /F1 {size} Tf 60 {height:.1f} Td ({escaped}) Tj ET")
        following = sizes[number + 1] if number + 1 < len(sizes) else 11.0
        height -= 1.4 * max(size, following)
    return "\n".join(parts).encode("latin-1")


def _outline(made: _Objects, bookmarks: Sequence[tuple[str, int]], kids: Sequence[int]) -> int:
    root = made.reserve()
    items = [made.reserve() for _ in bookmarks]
    for number, (title, page) in enumerate(bookmarks):
        around = f" /Prev {items[number - 1]} 0 R" if number else ""
        around += f" /Next {items[number + 1]} 0 R" if number + 1 < len(items) else ""
        made.fill(items[number], f"<< /Title ({title}) /Parent {root} 0 R /Dest [{kids[page]} 0 R /Fit]{around} >>")
    made.fill(root, f"<< /Type /Outlines /First {items[0]} 0 R /Last {items[-1]} 0 R /Count {len(items)} >>")
    return root
