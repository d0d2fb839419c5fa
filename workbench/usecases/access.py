"""Who is asking. One answer for the page, REST and everything else that this process serves."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.domain.case import Visitor
from workbench.domain.errors import Busy, NotSignedIn

VISIT_COOKIE = "workbench_visit"
LOGIN_COOKIE = "workbench_login"
LOGIN_LASTS_S = 12 * 3600
_FAILURES_ALLOWED = 5
_FAILURES_FORGOTTEN_S = 300.0
LOCAL = Visitor(owner="local")


@dataclass(frozen=True, kw_only=True)
class AccessRules:
    """What this process asks of a visitor.

    `secret` signs cookies. `process_token` lets a command on this machine act as the owner `local`.
    `trusts_this_machine`: REST without a cookie is the owner `local` (loopback, unshared, no key, no login).
    """

    secret: bytes
    process_token: str
    api_key: str
    logins: Mapping[str, str]
    trusts_this_machine: bool


class Access:
    """Answers who a request comes from, or refuses it."""

    def __init__(self, rules: AccessRules) -> None:
        self._rules = rules
        self._failures: deque[float] = deque(maxlen=100)

    @property
    def is_for_one(self) -> bool:
        """Whether everybody who reaches this workbench is its one user: on loopback, unshared, no key, no login."""
        return self._rules.trusts_this_machine

    @property
    def wants_login(self) -> bool:
        """Whether people sign in before they see the page."""
        return bool(self._rules.logins)

    def visitor(self, authorization: str | None, cookies: Mapping[str, str]) -> Visitor:
        """Who is asking.

        Args:
            authorization: the Authorization header, if any.
            cookies: the request's cookies.

        Raises:
            NotSignedIn: no key, login or visit, or a wrong one.
        """
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            return self._by_key(credentials.strip())
        user = self._user(scheme, credentials, cookies)
        if self.wants_login and user is None:
            raise NotSignedIn("Nobody is signed in.", hint="Sign in on the page, or send the API key.")
        visit = self._unsigned(cookies.get(VISIT_COOKIE, ""))
        if visit is not None:
            return Visitor(owner=_digest(f"visit:{visit}"))
        if user is not None:
            return Visitor(owner=_digest(f"user:{user}"))
        if self._rules.trusts_this_machine:
            return LOCAL
        raise NotSignedIn(
            "This request carries neither a key nor a visit.",
            hint="Send the header “Authorization: Bearer …” with the key of IMAGING_API_KEY, or open the page first.",
        )

    def has_visit(self, cookies: Mapping[str, str]) -> bool:
        """Whether the browser holds a visit of ours."""
        return self._unsigned(cookies.get(VISIT_COOKIE, "")) is not None

    def new_visit(self) -> str:
        """The cookie value of a new visit."""
        return self._signed(secrets.token_urlsafe(24))

    def may_see_page(self, authorization: str | None, cookies: Mapping[str, str]) -> bool:
        """Whether the page may be shown: to everybody without logins set, else to who signed in."""
        scheme, _, credentials = (authorization or "").partition(" ")
        return not self.wants_login or self._user(scheme, credentials, cookies) is not None

    def log_in(self, user: str, password: str) -> str:
        """The login cookie's value.

        Raises:
            NotSignedIn: wrong name or password.
            Busy: too many wrong tries in the last minutes.
        """
        self._refuse_guessing()
        if not self._knows(user, password):
            self._failures.append(time.monotonic())
            raise NotSignedIn("The name or the password is wrong.", hint="Try again, or ask who runs this workbench.")
        expires = int(time.time()) + LOGIN_LASTS_S
        return self._signed(f"{expires}:{_encode(user)}")

    def _by_key(self, token: str) -> Visitor:
        if self._rules.api_key and _same(token, self._rules.api_key):
            return Visitor(owner="api", reaches_all=True)
        if _same(token, self._rules.process_token):
            return LOCAL
        raise NotSignedIn("The key is wrong.", hint="Use the key that IMAGING_API_KEY holds.")

    def _user(self, scheme: str, credentials: str, cookies: Mapping[str, str]) -> str | None:
        """Who signed in, by cookie or by HTTP Basic."""
        content = self._unsigned(cookies.get(LOGIN_COOKIE, "")) or ""
        expires, _, encoded = content.partition(":")
        if expires.isdecimal() and int(expires) > time.time():
            user = _decode(encoded)
            return user if user in self._rules.logins else None
        if scheme.lower() != "basic":
            return None
        user, _, password = (_decode(credentials) or "").partition(":")
        self._refuse_guessing()
        if self._knows(user, password):
            return user
        self._failures.append(time.monotonic())
        return None

    def _knows(self, user: str, password: str) -> bool:
        expected = self._rules.logins.get(user)
        # Compare in any case, so that the time taken does not tell which names exist.
        return _same(password, expected if expected is not None else secrets.token_hex(8)) and expected is not None

    def _refuse_guessing(self) -> None:
        now = time.monotonic()
        recent = [at for at in self._failures if now - at < _FAILURES_FORGOTTEN_S]
        if len(recent) >= _FAILURES_ALLOWED:
            wait_s = int(_FAILURES_FORGOTTEN_S - (now - recent[-_FAILURES_ALLOWED])) + 1
            raise Busy("Too many wrong passwords.", retry_after_s=wait_s, hint="Wait a few minutes and try again.")

    def _signed(self, content: str) -> str:
        return f"{content}.{self._signature(content)}"

    def _unsigned(self, value: str) -> str | None:
        content, _, signature = value.rpartition(".")
        return content if content and _same(signature, self._signature(content)) else None

    def _signature(self, content: str) -> str:
        return hmac.new(self._rules.secret, content.encode(), hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> str | None:
    try:
        raw = text.replace("-", "+").replace("_", "/")
        return base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
