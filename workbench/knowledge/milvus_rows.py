"""Passages as rows of a Milvus collection: its schema, the filters, and what is known of the collection itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from workbench.domain.errors import InvalidRequest
from workbench.domain.library import EmbedderInfo, Passage, Scope, Vectors
from workbench.language.terms import ANALYSER

if TYPE_CHECKING:
    from pymilvus import CollectionSchema, MilvusClient
    from pymilvus.milvus_client.index import IndexParams

PROPERTY = "workbench.collection"
"""Under this property a collection carries what is known of it, so that workbenches that share a server agree."""
_SCHEMA = 1
"""Changes whenever a field does: a collection of another number is left alone."""
VECTOR, WEIGHTS = "dense", "sparse"
_TEXT_BYTES = {
    "title": 2_048,
    "source": 4_096,
    "section": 2_048,
    "url": 4_096,
    "page_label": 256,
    "added": 64,
    "text": 65_535,
    "references": 65_535,
}
"""What a longer text is cut to. A server counts UTF-8 bytes and Lite characters: bytes fit both."""
_ID_BYTES = {"id": 64, "document_id": 64, "owner": 256}
"""Longer ones are refused: cut, they would be somebody else's."""
_NUMBERS = ("year", "page_start", "page_end")
FIELDS = (*_ID_BYTES, *_TEXT_BYTES, *_NUMBERS, "ordinal", "total")
"""Every field of a passage. Always asked for by name: otherwise the vectors come too."""
_NO_WEIGHTS = {0: 1e-6}
"""For a passage without terms: an empty sparse vector is refused. No term has the id 0."""
_NO_VECTOR = (1.0, 0.0)
"""For a collection without an embedder: the schema has a vector all the same, and nobody searches it."""
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


@dataclass(frozen=True, kw_only=True)
class About:
    """What a collection says of itself. `analyser` is the version of the analysis behind its keyword weights."""

    description: str
    embedder: EmbedderInfo | None
    analyser: str = ANALYSER

    def properties(self) -> dict[str, str]:
        """As the collection's properties: Lite keeps no other text with it."""
        embedder = None
        if self.embedder is not None:
            embedder = {"model": self.embedder.model, "dimension": self.embedder.dimension}
        told = {
            "schema": _SCHEMA,
            "description": self.description,
            "embedder": embedder,
            "analyser": self.analyser,
        }
        return {PROPERTY: json.dumps(told, ensure_ascii=False)}

    @classmethod
    def read(cls, properties: Mapping[str, str]) -> Self | None:
        """From the properties of a collection; None for one that another program or version made."""
        try:
            told = json.loads(properties[PROPERTY])
            if told["schema"] != _SCHEMA:
                return None
            embedder = EmbedderInfo(**told["embedder"]) if told["embedder"] else None
            return cls(description=told["description"], embedder=embedder, analyser=told["analyser"])
        except (KeyError, TypeError, ValueError):
            return None


def schema(client: MilvusClient, about: About) -> CollectionSchema:
    """The fields of a collection. The key is named `id`: a search hit carries it under that name whatever it is."""
    from pymilvus import DataType  # noqa: PLC0415 - loaded with the first connection

    made = client.create_schema(auto_id=False, enable_dynamic_field=False, description=about.description)
    for name, length in (_ID_BYTES | _TEXT_BYTES).items():
        made.add_field(name, DataType.VARCHAR, max_length=length, is_primary=name == "id")
    for name in _NUMBERS:
        made.add_field(name, DataType.INT32, nullable=True)
    for name in ("ordinal", "total"):
        made.add_field(name, DataType.INT32)
    dimension = len(_NO_VECTOR) if about.embedder is None else about.embedder.dimension
    made.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dimension)
    made.add_field(WEIGHTS, DataType.SPARSE_FLOAT_VECTOR)
    return made


def indexes(client: MilvusClient) -> IndexParams:
    """How the two vector fields are searched, both exactly; the second one on a server only.

    FLAT with the inner product, which is the cosine of unit vectors. Measured over 20,000 passages of 384 numbers in
    Lite: 27 ms a search, as HNSW (28 ms), which takes 60 MB and a build after every merge, and is not exact by its
    nature; FLAT with COSINE works out every length each time (40 ms).
    """
    made = client.prepare_index_params()
    made.add_index(VECTOR, index_type="FLAT", metric_type="IP")
    made.add_index(WEIGHTS, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    return made


def row(passage: Passage, terms: Mapping[int, float], vector: Vectors | None) -> dict[str, Any]:
    """A passage as it is stored.

    Raises:
        InvalidRequest: an id or an owner is longer than any that is made here.
    """
    if any(len(_utf8(getattr(passage, name))) > length for name, length in _ID_BYTES.items()):
        raise InvalidRequest("The id or the owner of a passage is too long to be stored.")
    return {
        **{name: getattr(passage, name) for name in _ID_BYTES},
        **{name: cut(getattr(passage, name) or "", name) for name in _TEXT_BYTES if name != "references"},
        "references": _references(passage.references),
        **{name: getattr(passage, name) for name in _NUMBERS},
        "ordinal": passage.ordinal,
        "total": passage.total,
        VECTOR: list(_NO_VECTOR) if vector is None else vector,
        WEIGHTS: dict(terms) or _NO_WEIGHTS,
    }


def passage(collection: str, row: Mapping[str, Any]) -> Passage:
    """A passage from its row."""
    kept = {name: row[name] for name in FIELDS if name not in ("url", "page_label", "references")}
    return Passage(
        collection=collection,
        url=row["url"] or None,
        page_label=row["page_label"] or None,
        references=tuple(json.loads(row["references"])),
        **kept,
    )


def weights(row: Mapping[str, Any]) -> dict[int, float]:
    """What each term of a stored passage weighs."""
    return {term: weight for term, weight in row[WEIGHTS].items() if term not in _NO_WEIGHTS}


def in_scope(scope: Scope, unfinished: Iterable[str]) -> str:
    """The filter for a search. Years leave out what has none; `unfinished` are ids of documents to leave out."""
    parts = [] if scope.reads_all else [any_of("owner", scope.readers)]
    if scope.sources:
        parts.append(any_of("source", (cut(each, "source") for each in scope.sources)))
    if scope.year_from is not None:
        parts.append(f"year >= {int(scope.year_from)}")
    if scope.year_to is not None:
        parts.append(f"year <= {int(scope.year_to)}")
    if hidden := sorted(unfinished):
        parts.append(f"not ({any_of('document_id', hidden)})")
    return " and ".join(parts)


def any_of(field: str, values: Iterable[str]) -> str:
    """The filter for a field that holds one of these texts, whatever they hold themselves."""
    return f"{field} in [{', '.join(map(literal, values))}]"


def literal(text: str) -> str:
    """A text inside a filter. Lite takes no parameters apart from the filter, so that it has to be written into it."""
    return f'"{_utf8(text).decode("utf-8").translate(_ESCAPES)}"'


def cut(text: str, field: str) -> str:
    """A text as it is stored: at most so many bytes of UTF-8, no character in half."""
    return _utf8(text)[: _TEXT_BYTES[field]].decode("utf-8", "ignore")


def _references(references: tuple[str, ...]) -> str:
    """As JSON, whole: where it grows too long, the last ones are left out."""
    kept = list(references)
    while len(_utf8(told := json.dumps(kept, ensure_ascii=False))) > _TEXT_BYTES["references"]:
        kept.pop()
    return cut(told, "references")


def _utf8(text: str) -> bytes:
    """The bytes; halves of characters, which broken files give, become question marks."""
    return text.encode("utf-8", "replace")
