"""Cases on disk: one private folder each, arrays as memory-mapped `.npy` files beside a `case.json`.

A case is reached only through its owner (or the API key); a wrong id and somebody else's answer alike. Deleting a
case erases its folder. What is left unused for the time set is deleted by `sweep`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import shutil
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.cases.files import OWN_LABELS, TRUTH, VOXELS, CaseFiles, mask_name
from workbench.domain.case import Case, CaseState, Visitor
from workbench.domain.errors import NotFound, StateConflict, StorageFull
from workbench.domain.segmentation import Segmentation
from workbench.domain.volume import Volume

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_OPEN_AT_ONCE = 32
_TOUCH_EVERY_S = 60.0
_SCRATCH_TTL_S = 3600.0

T = TypeVar("T")


class CaseStore:
    """The cases under one data folder."""

    def __init__(self, data_dir: Path, *, ttl_s: float, most_cases: int) -> None:
        self._root = data_dir / "cases"
        self._scratch = data_dir / "uploads"
        self._ttl_s = ttl_s
        self._most_cases = most_cases
        self._lock = threading.RLock()
        self._cases: OrderedDict[str, Case] = OrderedDict()
        self._volumes: OrderedDict[str, Volume] = OrderedDict()
        self._masks: OrderedDict[str, Segmentation] = OrderedDict()
        self._told_of_deletion: list[Callable[[str], None]] = []
        for folder in (data_dir, self._root, self._scratch):
            make_private(folder)

    def create(self, case: Case) -> Case:
        """Make the folder of a new case; the longest unused cases make room for it when there are too many."""
        with self._lock:
            self._make_room()
            (self._root / case.id).mkdir(mode=0o700)
            return self.save(case)

    def get(self, visitor: Visitor, case_id: str) -> Case:
        """The case, if this visitor may reach it.

        Raises:
            NotFound: unknown, expired, or somebody else's: told in the same words.
        """
        case = self._load(case_id)
        if case is None or not visitor.may_reach(case.owner):
            raise NotFound(
                "There is no such case.",
                hint="It may have been deleted after being unused for long, or belong to another visit.",
            )
        self._touch(case_id)
        return case

    def holds(self, case_id: str) -> bool:
        """Whether an id is taken."""
        return (self._root / case_id).exists()

    def all(self) -> list[Case]:
        """Every case, whoever owns it; for counts and restarts."""
        found = (self._load(folder.name) for folder in self._root.iterdir())
        return [case for case in found if case is not None]

    def save(self, case: Case) -> Case:
        """Write the case's facts; the whole file or none of it."""
        target = self._root / case.id / "case.json"
        with self._lock, telling_disk_full():
            if not target.parent.is_dir():
                raise NotFound("This case was deleted.")
            part = target.with_suffix(".part")
            part.write_text(json.dumps(case.to_json()), "utf-8")
            part.replace(target)
            _remember(self._cases, case.id, case)
            self._volumes.pop(case.id, None)
        return case

    def on_delete(self, forget: Callable[[str], None]) -> None:
        """Have `forget` called with the id of every case that is erased, however it goes."""
        self._told_of_deletion.append(forget)

    def delete(self, case_id: str) -> None:
        """Erase everything of a case, and what was made of it elsewhere."""
        with self._lock:
            self._cases.pop(case_id, None)
            self._volumes.pop(case_id, None)
            for key in [each for each in self._masks if each.startswith(f"{case_id}/")]:
                del self._masks[key]
            # The facts go first, so that a half-erased case is never found again.
            (self._root / case_id / "case.json").unlink(missing_ok=True)
            shutil.rmtree(self._root / case_id, ignore_errors=True)
        for forget in self._told_of_deletion:
            forget(case_id)

    def folder(self, case: Case) -> Path:
        """Where the case's files lie."""
        return self._root / case.id

    def files(self, case: Case) -> CaseFiles:
        """Where the case's arrays lie.

        Raises:
            StateConflict: its volume is not read yet.
        """
        if case.state is not CaseState.READY or case.provenance is None or case.affine_ras_mm is None:
            raise StateConflict("The volume of this case is not read yet.", hint="Wait until reading is done.")
        record = case.segmentation
        return CaseFiles(
            folder=self.folder(case),
            affine_ras_mm=case.affine_ras_mm,
            provenance=case.provenance,
            labels=self.folder(case) / _labels_name(record.revision) if record else None,
            asked=record.asked if record else None,
            not_found=record.not_found if record else (),
            warnings=record.warnings if record else (),
            segmentation_provenance=record.provenance if record else None,
        )

    def volume(self, case: Case) -> Volume:
        """The CT, memory-mapped; kept open for the next call.

        Raises:
            StateConflict: it is not read yet.
        """
        with self._lock:
            held = self._volumes.get(case.id)
        if held is None:
            with _telling_deleted():
                held = self.files(case).volume()
        with self._lock:
            _remember(self._volumes, case.id, held)
        return held

    def segmentation(self, case: Case) -> Segmentation:
        """The mask, memory-mapped; kept open for the next call.

        Raises:
            StateConflict: nothing is segmented yet.
        """
        key = f"{case.id}/{case.revision}"
        with self._lock:
            held = self._masks.get(key)
        if held is None:
            with _telling_deleted():
                held = self.files(case).segmentation()
        with self._lock:
            _remember(self._masks, key, held)
        return held

    def truth(self, case: Case) -> NDArray[np.uint8] | None:
        """The exact mask that a phantom came with."""
        path = self.folder(case) / TRUTH
        return np.load(path, mmap_mode="r") if path.exists() else None

    def take_in(self, case: Case, voxels: Path, labels: Path) -> None:
        """Move arrays made on this file system into a case's folder: its volume, and the labels that came with it.

        The labels are kept a second time under `OWN_LABELS`, where no later segmentation replaces them.
        """
        folder = self.folder(case)
        with telling_disk_full():
            voxels.replace(folder / VOXELS)
            labels.replace(folder / OWN_LABELS)
            link_or_copy(folder / OWN_LABELS, folder / _labels_name(case.revision))

    def labels_named(self, case: Case, name: str) -> NDArray[np.uint8] | None:
        """A label map beside the case's mask, memory-mapped; None where there is none of that name."""
        try:
            mapped: NDArray[np.uint8] = np.load(self.folder(case) / name, mmap_mode="r", allow_pickle=False)
            return mapped
        except FileNotFoundError:
            return None

    def write_labels(self, case: Case, labels: NDArray[np.uint8], revision: int) -> Path:
        """Store a mask, first index fastest, under its revision; older masks go once the case points to the new one."""
        return self.write_array(case, _labels_name(revision), labels)

    def write_array(self, case: Case, name: str, labels: NDArray[np.uint8]) -> Path:
        """Store a label map under a name, first index fastest; the whole file or none of it."""
        path = self.folder(case) / name
        part = path.with_name(f"part-{name}")
        with telling_disk_full():
            np.save(part, np.asfortranarray(labels))
            part.replace(path)
        return path

    def drop_older(self, case: Case) -> None:
        """Remove masks and exports of earlier revisions."""
        keep = (_labels_name(case.revision), mask_name(case.revision))
        for pattern in ("labels-*.npy", "mask-*.nii.gz"):
            for path in self.folder(case).glob(pattern):
                if path.name not in keep:
                    path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """An empty private folder that is gone afterwards, whatever happened."""
        folder = self._scratch / name
        make_private(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def free_bytes(self) -> int:
        """Room left on the disk that the cases lie on."""
        return shutil.disk_usage(self._root).free

    def upload_folder(self, case_id: str) -> Path:
        """Where an upload waits for its series to be chosen; swept after an hour."""
        folder = self._scratch / f"{case_id}-upload"
        make_private(folder)
        return folder

    def drop_upload(self, case_id: str) -> None:
        """Erase an upload: what held patient names does not outlive reading."""
        shutil.rmtree(self._scratch / f"{case_id}-upload", ignore_errors=True)

    def drop_uploads(self) -> None:
        """Erase every upload and scratch folder; for a start, when nothing can be using them."""
        for folder in self._scratch.iterdir():
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> int:
        """Delete what was left unused too long, and uploads nobody chose from; returns how many cases went."""
        now, gone = time.time(), 0
        for folder in list(self._root.iterdir()):
            if now - _used_at(folder) > self._ttl_s:
                self.delete(folder.name)
                gone += 1
        for folder in list(self._scratch.iterdir()):
            if now - _used_at(folder) > min(_SCRATCH_TTL_S, self._ttl_s):
                shutil.rmtree(folder, ignore_errors=True)
                if folder.name.endswith("-upload"):
                    self.delete(folder.name.removesuffix("-upload"))
        return gone

    def _load(self, case_id: str) -> Case | None:
        if not _ID.match(case_id):
            return None
        with self._lock:
            held = self._cases.get(case_id)
        folder = self._root / case_id
        try:
            if time.time() - folder.stat().st_mtime > self._ttl_s:
                self.delete(case_id)
                return None
            case = held or Case.from_json(json.loads((folder / "case.json").read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError) as error:
            # Damaged, or of another version: no reason to keep everybody else's cases from them.
            _LOG.warning("a case cannot be read (%s); it is left to expire", type(error).__name__)
            return None
        with self._lock:
            _remember(self._cases, case_id, case)
        return case

    def _touch(self, case_id: str) -> None:
        folder = self._root / case_id
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > min(_TOUCH_EVERY_S, self._ttl_s / 10):
                os.utime(folder)

    def _make_room(self) -> None:
        """When full, the visitor with the most cases loses the one they left longest: nobody pushes others out."""
        cases = self.all()
        while len(cases) >= self._most_cases:
            by_owner = Counter(case.owner for case in cases)
            busiest = max(by_owner.values())
            candidates = [case for case in cases if by_owner[case.owner] == busiest]
            oldest = min(candidates, key=lambda case: _used_at(self.folder(case)))
            self.delete(oldest.id)
            cases.remove(oldest)


def make_private(folder: Path) -> None:
    """Make a folder that only this user can enter."""
    with telling_disk_full():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)


@contextlib.contextmanager
def telling_disk_full() -> Iterator[None]:
    """Turn the system's "no space left" into words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                "The disk is full; nothing of this step was kept.",
                hint="Free some space where the data folder lies, or set IMAGING_DATA_DIR to another disk.",
            ) from error
        raise


def link_or_copy(source: Path, target: Path) -> None:
    """Share the bytes where the file system can; neither file is ever written to again."""
    try:
        os.link(source, target)
    except OSError:
        with telling_disk_full():
            shutil.copyfile(source, target)


def _labels_name(revision: int) -> str:
    return f"labels-{revision}.npy"


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return time.time()


@contextlib.contextmanager
def _telling_deleted() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("This case was deleted.") from error


def _remember(held: OrderedDict[str, T], key: str, value: T) -> None:
    held[key] = value
    held.move_to_end(key)
    while len(held) > _OPEN_AT_ONCE:
        held.popitem(last=False)
