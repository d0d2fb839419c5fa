import base64

import pytest

from workbench.domain.errors import Busy, NotSignedIn
from workbench.usecases.access import LOGIN_COOKIE, VISIT_COOKIE, Access, AccessRules


def access(**changes):
    rules = {
        "secret": b"s" * 32,
        "process_token": "process-token",
        "api_key": "",
        "logins": {},
        "trusts_this_machine": True,
    }
    return Access(AccessRules(**(rules | changes)))


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_without_key_and_login_this_machine_is_one_owner():
    assert access().visitor(None, {}).owner == "local"


def test_where_strangers_may_come_a_request_without_a_visit_is_refused():
    with pytest.raises(NotSignedIn):
        access(trusts_this_machine=False).visitor(None, {})


def test_two_visits_are_two_owners_and_one_visit_stays_the_same():
    guard = access(trusts_this_machine=False)
    anna, ben = guard.new_visit(), guard.new_visit()
    assert guard.visitor(None, {VISIT_COOKIE: anna}) == guard.visitor(None, {VISIT_COOKIE: anna})
    assert guard.visitor(None, {VISIT_COOKIE: anna}) != guard.visitor(None, {VISIT_COOKIE: ben})


def test_a_visit_outlives_a_restart_and_a_made_up_one_does_not_count():
    visit = access().new_visit()
    again = access(trusts_this_machine=False)
    assert again.visitor(None, {VISIT_COOKIE: visit}).owner != "local"
    with pytest.raises(NotSignedIn):
        again.visitor(None, {VISIT_COOKIE: visit[:-1] + ("0" if visit[-1] != "0" else "1")})


def test_the_owner_is_not_the_cookie():
    guard = access()
    visit = guard.new_visit()
    assert guard.visitor(None, {VISIT_COOKIE: visit}).owner not in visit


def test_the_api_key_reaches_everything_and_a_wrong_one_nothing():
    guard = access(api_key="right", trusts_this_machine=False)
    assert guard.visitor("Bearer right", {}).reaches_all
    with pytest.raises(NotSignedIn):
        guard.visitor("Bearer wrong", {})


def test_an_empty_key_is_no_key():
    with pytest.raises(NotSignedIn):
        access().visitor("Bearer ", {})


def test_with_logins_a_visit_alone_is_not_enough():
    guard = access(logins={"anna": "pw"}, trusts_this_machine=False)
    visit = guard.new_visit()
    with pytest.raises(NotSignedIn):
        guard.visitor(None, {VISIT_COOKIE: visit})
    login = guard.log_in("anna", "pw")
    assert guard.visitor(None, {VISIT_COOKIE: visit, LOGIN_COOKIE: login}).owner
    assert guard.visitor(basic("anna", "pw"), {}).owner
    with pytest.raises(NotSignedIn):
        guard.visitor(basic("anna", "no"), {})


def test_a_login_whose_name_was_taken_away_no_longer_counts():
    login = access(logins={"anna": "pw"}).log_in("anna", "pw")
    guard = access(logins={"ben": "pw"}, trusts_this_machine=False)
    assert not guard.may_see_page(None, {LOGIN_COOKIE: login})


def test_guessing_passwords_is_slowed_down():
    guard = access(logins={"anna": "pw"})
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            guard.log_in("anna", "no")
    with pytest.raises(Busy) as refused:
        guard.log_in("anna", "pw")
    assert refused.value.retry_after_s > 0


def test_a_password_that_is_not_ascii_works():
    guard = access(logins={"jürgen": "schlüssel"})
    assert guard.may_see_page(basic("jürgen", "schlüssel"), {})
