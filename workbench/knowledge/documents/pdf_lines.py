"""The lines of a PDF's pages made into running text: line ends joined, headers and footers dropped, headings found."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from workbench.knowledge.documents.cleaned import folded

Lines = list[str]
Bookmark = tuple[int, str]

UNMARKED = re.compile("[\ufffd\ue000-\uf8ff]")
"""Letters that a font draws and does not name."""
_HYPHEN = "\x02"
"""What pdfium gives for a hyphen at a line's end; newer versions give U+FFFE, and may swallow the line's end."""
_SOFT_BREAK = re.compile(r"[\x02\ufffe](?:\r?\n)?")
_HARD_BREAK = re.compile(r"(?<=[^\W\d_])[-\u2010](?:\r?\n)(?=[^\W\d_])")
_BROKEN_WORD = re.compile(rf"([\w-]*\w){_HYPHEN}(\w[\w-]*)")
_WORD = re.compile(r"\w+(?:-\w+)+|\w+")
_LIGATURES = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
)
_NUMBER_FIRST = re.compile(r"(?P<before>\W*)(?P<number>\d{1,5})(?P<after>(?!\d).*)")
_NUMBER_LAST = re.compile(r"(?P<before>.*(?<!\d))(?P<number>\d{1,5})(?P<after>\W*)")
_PAGE_OF = re.compile(r"(?P<before>.*\bpage )(?P<number>\d{1,5})(?P<after> (?:of|/) .*)")
_ROMAN = re.compile(r"\W*[ivxlc]{1,8}\W*")
_DOT_LEADER = re.compile(r"(?:\.\s?){5,}\s*[\divxlc]*\s*$", re.I)
_EDGE = 3
"""So many lines at a page's top and bottom may be running headers or footers."""
_NEIGHBOURS = 6
_REPEATS = 2
"""A line that stands at the edge of so many pages near by is a running one. Headers change with the chapter, and
differ on left and right pages, so the whole document is no measure."""
_LONGEST_RUNNING = 150
_LEAST_LETTERS = 20
_SHORT = 0.6
"""A line that fills less of the column ends its paragraph."""
_ENDS = (".", "!", "?", ":", ";", "…")
_LIST_ITEM = re.compile(r"(?:[•▪◦‣·–]|\(?\d{1,2}[.)]|\(?[a-z]\))\s+\S")
_KNOWN_HEADING = re.compile(
    r"(?:(?:\d+(?:\.\d+)*|[IVX]+)\.?\s+)?(abstract|summary|key points|introduction|background|purpose|objectives?|"
    r"aims?|methods?|materials? and methods|methods and materials|patients and methods|study (?:design|population)|"
    r"image (?:acquisition|analysis)|statistical analysis|results?|findings|discussion|limitations|conclusions?|"
    r"recommendations?|acknowledge?ments?|references|bibliography|appendix(?: [a-z\d])?|supplementary materials?)\s*:?",
    re.I,
)


def lines_of(text: str) -> Lines:
    """The lines of a page as pdfium gives its text; a word broken at a line's end holds a mark there."""
    marked = _HARD_BREAK.sub(_HYPHEN, _SOFT_BREAK.sub(_HYPHEN, text.translate(_LIGATURES)))
    lines = (" ".join(line.split()) for line in marked.splitlines())
    return [line for line in lines if line and not _DOT_LEADER.search(line)]


def joined_hyphens(pages: Sequence[Lines]) -> list[Lines]:
    """Words broken at a line's end made whole: with their hyphen where the document writes them so elsewhere."""
    words = {word.lower() for page in pages for line in page for word in _WORD.findall(line)}

    def whole(found: re.Match[str]) -> str:
        before, after = found[1], found[2]
        hyphenated, joined = f"{before}-{after}", f"{before}{after}"
        if joined.lower() not in words and (hyphenated.lower() in words or not after[0].islower()):
            return hyphenated
        return joined

    return [[_BROKEN_WORD.sub(whole, line).replace(_HYPHEN, "-") for line in page] for page in pages]


def without_running_lines(pages: Sequence[Lines]) -> list[Lines]:
    """The pages without the headers, footers and page numbers that stand on each.

    A page of which nothing would be left is kept as it is: what repeats there is its text.
    """
    seen: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for number, lines in enumerate(pages):
        for line in (*lines[:_EDGE], *lines[-_EDGE:]):
            for shape, counts in _shapes(line):
                seen[shape][number].add(counts - number if counts is not None else 0)

    def runs(line: str, number: int) -> bool:
        return len(line) <= _LONGEST_RUNNING and any(
            _near(seen[shape], number, counts - number if counts is not None else 0) >= _REPEATS
            for shape, counts in _shapes(line)
        )

    kept = []
    for number, lines in enumerate(pages):
        start, end = 0, len(lines)
        while start < min(_EDGE, end) and runs(lines[start], number):
            start += 1
        while end > max(start, len(lines) - _EDGE) and runs(lines[end - 1], number):
            end -= 1
        whole = end - start == 0 and any(sum(map(str.isalpha, line)) > _LEAST_LETTERS for line in lines)
        kept.append(list(lines) if whole else list(lines[start:end]))
    return kept


def _near(pages: Mapping[int, set[int]], number: int, offset: int) -> int:
    """On how many other pages near by the same line stands, its number counting with the pages."""
    around = range(number - _NEIGHBOURS, number + _NEIGHBOURS + 1)
    return sum(each != number and each in pages and offset in pages[each] for each in around)


def _shapes(line: str) -> Iterator[tuple[str, int | None]]:
    """The line as it may repeat: word for word, or but for a page number before, after or in `page 3 of 9`.

    A line that ends a sentence only repeats word for word: it is text that counts something.
    """
    lower = line.lower()
    yield lower, None
    if _ROMAN.fullmatch(lower):
        yield "roman", None
    if lower.endswith((".", "!", "?")) and any(map(str.isalpha, lower)):
        return
    for pattern in (_NUMBER_FIRST, _NUMBER_LAST, _PAGE_OF):
        if found := pattern.fullmatch(lower):
            yield f"{found['before']}#{found['after']}", int(found["number"])


def paragraphs_of(lines: Lines, bookmarks: Sequence[Bookmark], *, guesses: bool) -> Iterator[tuple[str, int | None]]:
    """(heading, its level) or (paragraph, None), in order.

    A bookmark's heading begins where its words stand on the page, and at the page's top where they do not. Without
    bookmarks (`guesses`), the headings that articles usually have are taken for such.
    """
    waiting = list(bookmarks)
    for level, title in [each for each in waiting if not _stands_in(each[1], lines)]:
        waiting.remove((level, title))
        yield title, level
    column = _column(lines)
    held: list[str] = []
    skip = 0
    for number, line in enumerate(lines):
        if skip:
            skip -= 1
            continue
        heading, skip = _heading_at(lines, number, waiting, guesses=guesses)
        if heading is not None or _LIST_ITEM.match(line):
            yield from _whole(held)
        if heading is not None:
            yield heading[1], heading[0]
            continue
        held.append(line)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if len(line) < _SHORT * column and following and (line.endswith(_ENDS) or _starts_anew(following)):
            yield from _whole(held)
    yield from _whole(held)


def _whole(held: list[str]) -> Iterator[tuple[str, None]]:
    if held:
        yield " ".join(held), None
        held.clear()


def _heading_at(lines: Lines, number: int, waiting: list[Bookmark], *, guesses: bool) -> tuple[Bookmark | None, int]:
    """The heading that begins at a line, and how many lines after it belong to it."""
    for bookmark in waiting:
        size = _length_of(bookmark[1], lines, number)
        if size:
            waiting.remove(bookmark)
            return bookmark, size - 1
    if guesses and len(lines[number]) < 60 and _KNOWN_HEADING.fullmatch(lines[number]):
        return (1, lines[number].rstrip(" :")), 0
    return None, 0


def _stands_in(title: str, lines: Lines) -> bool:
    return any(_length_of(title, lines, number) for number in range(len(lines)))


def _length_of(title: str, lines: Lines, number: int) -> int:
    """How many lines from this one are the title and nothing else; 0 where they are not."""
    wanted = _bare(title)
    for size in (1, 2, 3):
        found = _bare(" ".join(lines[number : number + size]))
        if found == wanted:
            return size
        if not wanted.startswith(found) or number + size >= len(lines):
            return 0
    return 0


def _bare(text: str) -> str:
    """Letters only: a heading's number stands on the page, in the bookmark, or in both."""
    return "".join(filter(str.isalpha, folded(text).lower()))


def _column(lines: Lines) -> int:
    """How many letters a full line has."""
    lengths = sorted(map(len, lines))
    return lengths[int(0.9 * (len(lengths) - 1))] if lengths else 0


def _starts_anew(line: str) -> bool:
    return line[:1].isupper() or line[:1].isdigit()
