"""A key is taken where it is meant to be, and shows itself nowhere."""

import copy
import json
import pickle
import traceback

import pytest

import seedance_nb as sd
from seedance_nb._keys import Secret, hidden
from seedance_nb._sources import find_key

CANARY = "ak_canary_0123456789abcdefghijklmnop"


def test_the_argument_stands_before_the_environment(crun: sd.Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUN_API_KEY", "other")
    found = find_key(crun, hidden(CANARY))
    assert found is not None
    assert (found.reveal(), found.source) == (CANARY, "api_key=")
    monkeypatch.setenv("CRUN_API_KEY", f" {CANARY}\n")
    found = find_key(crun, None)
    assert found is not None
    assert (found.reveal(), found.source) == (CANARY, "CRUN_API_KEY")
    monkeypatch.setenv("CRUN_API_KEY", "  ")
    assert find_key(crun, None) is None
    monkeypatch.delenv("CRUN_API_KEY")
    assert find_key(crun, None) is None


@pytest.mark.parametrize("key", ["ak_one\nak_two", "ak_…", "ak\0b", "ключ", "a b", "", "  "])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(crun: sd.Spec, key: str) -> None:
    with pytest.raises(sd.Unauthorized) as refused:
        find_key(crun, hidden(key))
    assert not key.strip() or key not in str(refused.value)
    assert "cannot be sent: " in str(refused.value)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(CANARY, "api_key=")
    texts = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>50}",
        repr([secret]),
        repr({"key": secret}),
        secret.fingerprint(),
    ]
    assert not [text for text in texts if CANARY in text]
    assert CANARY in secret.reveal(), "the search above would find it"
    for take in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars):
        with pytest.raises(TypeError) as refused:
            take(secret)
        assert CANARY not in str(refused.value)


def test_a_traceback_with_locals_does_not_show_a_secret() -> None:
    def refuse(secret: Secret) -> None:
        raise ValueError(secret)

    try:
        refuse(Secret(CANARY, "api_key="))
    except ValueError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret = <key from api_key=>" in told
    assert f"= Secret({CANARY!r}" not in told


def test_an_echoed_key_is_masked() -> None:
    assert Secret(CANARY, "x").hide(f"your key {CANARY} is wrong") == "your key ••• is wrong"
    assert Secret("any", "x").hide("not for any company") == "not for any company"
