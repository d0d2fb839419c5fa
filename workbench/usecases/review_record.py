"""Know which deployment made a result: the review record, its history, and what changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from workbench.cases.record_shelf import RecordShelf
from workbench.domain.clock import Clock
from workbench.domain.errors import NotFound
from workbench.domain.nim import ROUTED, NimStatus, Service, State
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.records import (
    FIELDS,
    UNKNOWN,
    Describe,
    Fact,
    Known,
    Operator,
    RecordNote,
    ReviewRecord,
    ServiceRecord,
    observed,
)

_PROBE = "the status probe"
_ANSWER = "the answer to a request"
_OPERATORS_FILE = "the operator's file"

Seen = Mapping[Service, tuple[NimStatus, Mapping[str, Fact]]]


class ReviewRecords:
    """The records as they stand, one for each mode in use, kept up with what the probes see.

    What was once observed at an endpoint is kept while that endpoint does not answer, with the time it was seen, so
    that a NIM that is down for an hour does not become another deployment.
    """

    def __init__(
        self,
        *,
        statuses: Callable[[str], tuple[NimStatus, ...]],
        describe: Describe,
        operator: Operator,
        shelf: RecordShelf,
        clock: Clock,
    ) -> None:
        """`statuses` looks at every service of a mode; `describe` at what one that is there says of itself."""
        self._statuses = statuses
        self._describe = describe
        self._operator = operator
        self._shelf = shelf
        self._clock = clock
        self._lock = threading.Lock()
        self._present: dict[str, ReviewRecord | None] = {}

    def current(self, mode: str) -> ReviewRecord:
        """Look at every service, side by side, and tell what is known; at most some seconds."""
        statuses = self._statuses(mode)
        with ThreadPoolExecutor(max_workers=len(statuses) or 1, thread_name_prefix="describe") as pool:
            described = list(pool.map(self._described, statuses))
        seen = {status.service: (status, facts) for status, facts in zip(statuses, described, strict=True)}
        return self._keep(mode, (*ROUTED, *(each for each in seen if each not in ROUTED)), seen)

    def under(self, mode: str, status: NimStatus, made: Provenance) -> str:
        """The id of the record under which the service with this status made a result.

        A NIM's own answer says which model and version made it, also where a probe came too late to see it.
        """
        if not self._shelf.latest(mode):  # the first result must not rest on a record that knows one service only
            self.current(mode)
        facts = dict(self._described(status))
        if made.origin in (Origin.LOCAL, Origin.CLOUD) and made.version != "unknown":
            at = self._clock.stamp()
            facts |= {
                "model_id": observed(made.model, by=_ANSWER, at=at),
                "model_version": observed(made.version, by=_ANSWER, at=at),
            }
        return self._keep(mode, None, {status.service: (status, facts)}).id

    def get(self, record_id: str) -> ReviewRecord:
        """A record by its id, of now or of the past.

        Raises:
            NotFound: no record with this id is kept.
        """
        found = self._shelf.get(record_id)
        if found is None:
            raise NotFound("There is no such review record.", hint="The history of the present record lists the ids.")
        return found

    def history(self, mode: str) -> tuple[RecordNote, ...]:
        """Which record of a mode began when, newest first."""
        return tuple(each for each in self._shelf.history() if each.mode == mode)

    def _described(self, status: NimStatus) -> Mapping[str, Fact]:
        return self._describe(status.service) if status.published_state is State.AVAILABLE else {}

    def _keep(self, mode: str, services: Sequence[Service] | None, seen: Seen) -> ReviewRecord:
        """Put what was seen into the record; where that makes another one, the old one stays on the shelf.

        `services` are those that the record holds, None for those that it held and those seen.
        """
        with self._lock:
            if mode not in self._present:
                self._present[mode] = self._shelf.latest(mode)
            before = self._present[mode]
            known = {each.service: each for each in before.services} if before else {}
            held = services or [each for each in Service if each in ROUTED or each in seen or each.value in known]
            parts = tuple(self._part(each, seen.get(each), known.get(each.value)) for each in held)
            record = ReviewRecord(
                mode=mode,
                made_at=before.made_at if before else self._clock.stamp(),
                services=parts,
                previous=before.previous if before else None,
                changes=before.changes if before else (),
            )
            if before is None or record.id != before.id:
                record = replace(
                    record,
                    made_at=self._clock.stamp(),
                    previous=before.id if before else None,
                    changes=tuple(
                        told
                        for each in parts
                        if each.service in known
                        for told in each.changes_since(known[each.service])
                    ),
                )
                self._shelf.add(record)
            self._present[mode] = record
            return record

    def _part(
        self, service: Service, seen: tuple[NimStatus, Mapping[str, Fact]] | None, before: ServiceRecord | None
    ) -> ServiceRecord:
        """One service: what is seen now, then what was seen before at the same endpoint, then what is declared."""
        kept = {name: fact for name, fact in before.fields.items() if fact.known is Known.OBSERVED} if before else {}
        now = self._observed(*seen) if seen else {}
        if seen and "endpoint" in kept and kept["endpoint"].value != now["endpoint"].value:
            kept = {}
        facts = self._operator.facts.get(service.value, {})
        fields = {name: _joined({**kept, **now}.get(name), facts.get(name)) for name in FIELDS}
        fields["allowed_purpose"] = Fact(
            value=[each.value for each in self._operator.purposes_of(service.value)],
            known=Known.DECLARED,
            by=_OPERATORS_FILE if service.value in self._operator.purposes else "the default of this program",
        )
        return ServiceRecord(service=service.value, fields=fields)

    def _observed(self, status: NimStatus, described: Mapping[str, Fact]) -> dict[str, Fact]:
        at = self._clock.stamp()
        facts = {**described, "endpoint": _endpoint(status.url, at)}
        if status.published_state in (State.AVAILABLE, State.CLOUD):
            if status.model:
                facts["model_id"] = observed(status.model, by=_PROBE, at=at)
            if status.version and status.version != "unknown":
                facts["model_version"] = observed(status.version, by=_PROBE, at=at)
        facts["health"] = observed(status.state.value, by=_PROBE, at=at)
        return facts


def _joined(seen: Fact | None, declared: Any) -> Fact:
    """What was observed, with what was declared otherwise beside it; else what was declared; else unknown."""
    if seen is not None and seen.known is Known.OBSERVED:
        return replace(seen, declared=None if declared in (None, seen.value) else declared)
    if declared is not None:
        return Fact(value=declared, known=Known.DECLARED, by=_OPERATORS_FILE)
    return UNKNOWN


def _endpoint(url: str | None, at: str) -> Fact:
    """Where requests go. A name and password in the address are left out, and so is a query."""
    if not url:
        return observed("none: nobody is asked", by="the mode table and the settings", at=at)
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return observed(f"{parts.scheme}://{host}{parts.path}", by="the settings", at=at)
