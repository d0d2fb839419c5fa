"""What can go wrong, in words fit to show to a person.

A message says what happened and why; `hint` says what to do about it. Neither ever holds a
secret, a patient's name, a pixel or a path of this machine.
"""

from __future__ import annotations


class WorkbenchError(Exception):
    """Base of every error that a front end may show as it stands."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip from a worker process, keyword arguments included."""
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(kind: type[WorkbenchError], state: dict[str, object]) -> WorkbenchError:
    error = kind.__new__(kind)
    error.args = (state["message"],)
    error.__dict__.update(state)
    return error


class ConfigurationError(WorkbenchError):
    """The settings contradict each other, or name something that does not exist."""


class InputError(WorkbenchError):
    """What the person gave cannot be used."""


class UnreadableImage(InputError):
    """The file is damaged, or not of a kind that is read here."""


class UnknownFormat(UnreadableImage):
    """The file is of no kind that is read here."""


class UnsupportedVolume(InputError):
    """The file can be read, and is not a CT volume that can be used."""


class TooLarge(InputError):
    """More bytes, files or voxels than allowed."""


class InvalidRequest(InputError):
    """A field is missing, contradictory or out of range."""


class UnknownOrgan(InputError):
    """A structure that VISTA-3D does not know, or does not accept as a prompt."""

    def __init__(self, message: str, *, nearest: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.nearest = nearest


class OutsideInputFolders(InputError):
    """A path that leads outside the folders from which files may be read."""


class NotAllowedHere(WorkbenchError):
    """Only a person at the machine that runs the workbench may do this."""


class PurposeRefused(WorkbenchError):
    """The operator does not allow the service for this purpose."""


class NimError(WorkbenchError):
    """A NIM did not give a result."""


class NimUnavailable(NimError):
    """The NIM cannot be used; where the settings allow it, a mock stands in."""

    def __init__(self, message: str, *, timed_out: bool = False, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.timed_out = timed_out


class NimRejected(NimError):
    """The NIM answered, and refused the request."""


class NimReplyInvalid(NimError):
    """The NIM answered with something that cannot be used."""


class NotFound(WorkbenchError):
    """Unknown id, or someone else's: the two are told in the same words."""


class NotSignedIn(WorkbenchError):
    """No key or login, or a wrong one."""


class StateConflict(WorkbenchError):
    """The state of the case or job does not allow this now."""


class ConsentNeeded(StateConflict):
    """Something is about to leave this machine, and the person was not asked yet.

    `what` names it (text, case, image), `sent` says it in a sentence, `where` is the host it would go to.
    """

    def __init__(self, message: str, *, what: str, sent: str, where: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.what = what
        self.sent = sent
        self.where = where


class Busy(WorkbenchError):
    """A limit of this workbench is reached; trying again later works."""

    def __init__(self, message: str, *, retry_after_s: int = 10, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class StorageFull(WorkbenchError):
    """The disk has no room for what is to be written."""


class Cancelled(WorkbenchError):
    """A person stopped the work."""


class KnowledgeError(WorkbenchError):
    """The library cannot answer."""


class KnowledgeUnavailable(KnowledgeError):
    """The passage index cannot be reached."""
