"""A key is taken where it is meant to be, and shows itself nowhere."""

import copy
import getpass
import json
import pickle
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyring
import keyring.errors
import pytest
from faults.canary import KEY, hits, spellings
from IPython.core.error import StdinNotImplementedError
from keyring.backend import KeyringBackend
from support.provider import Provider
from support.waiting import short

import seedance_nb as sd
from seedance_nb._base import secret as secret_module
from seedance_nb._base.secret import Secret, as_secret
from seedance_nb._provider.key_sources import find_key

pytestmark = pytest.mark.usefixtures("real_children")

CANARY = "ak_canary_0123456789abcdefghijklmnop"


def test_the_argument_comes_before_the_environment(crun: sd.Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUN_API_KEY", "other")
    found = find_key(crun, as_secret(CANARY))
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
        find_key(crun, as_secret(key))
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
    assert Secret(CANARY, "x").mask(f"your key {CANARY} is wrong") == "your key ••• is wrong"
    assert Secret("any", "x").mask("not for any company") == "not for any company"


@pytest.mark.parametrize("key", [KEY, CANARY, 'ak/"+\\\\=?&quoted>~', "0123456789", "\\" * 9 + '"a', "\\u00\\x41"])
@pytest.mark.parametrize("name", list(spellings(KEY)))
def test_an_echoed_key_is_masked_in_every_spelling(key: str, name: str) -> None:
    text = f"your key is {spellings(key)[name].decode()} today"
    assert hits(text.encode(), key), "the control"
    shown = Secret(key, "x").mask(text)
    assert not hits(shown.encode(), key)
    assert shown == "your key is ••• today"


@pytest.mark.parametrize("key", [CANARY, 'ak/"+\\\\=?&quoted>~'])
@pytest.mark.parametrize("run", [1, 2, 15, 16, 17, 63, 64, 65, 1000])
def test_a_key_is_masked_behind_runs_of_any_length(key: str, run: int) -> None:
    codes = [f"{ord(char):04x}" for char in key]
    for spelling in (
        "".join("\\" * run + "u" + code for code in codes),
        "".join(f"&#x{'0' * run}{code};" for code in codes),
        "".join(f"&#{'0' * run}{ord(char)};" for char in key),
    ):
        shown = Secret(key, "x").mask(f"<{spelling}>")
        assert shown.removeprefix("<").lstrip("\\") == "•••>"


def test_an_answer_is_masked_in_every_text_name_and_number() -> None:
    secret = Secret("0123456789", "x")
    assert secret.mask({"a 0123456789": ["0123456789!", 1, True, None, {"b": 1.5}]}) == {
        "a •••": ["•••!", 1, True, None, {"b": 1.5}]
    }
    assert Secret("9123456789", "x").mask([9123456789, 91234567890]) == ["•••", "•••"]


class Ring(KeyringBackend):
    """A keyring that tells what it was asked."""

    priority = 1.0

    def __init__(self, trouble: Exception | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []
        self.trouble = trouble

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append(username)
        if self.trouble:
            raise self.trouble
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.trouble:
            raise self.trouble
        self.kept[service, username] = password


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    made = Ring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: made)
    return made


class Userdata(types.ModuleType):
    """Colab's secrets, as far as the product knows them."""

    class SecretNotFoundError(Exception):
        """No such secret."""

    class NotebookAccessError(Exception):
        """The person has not allowed this notebook to have it."""

    def __init__(self) -> None:
        super().__init__("google.colab.userdata")
        self.kept: dict[str, str] = {}
        self.asked = 0
        self.denied = False

    def get(self, name: str) -> str:
        self.asked += 1
        if self.denied:
            raise self.NotebookAccessError(name)
        if name not in self.kept:
            raise self.SecretNotFoundError(name)
        return self.kept[name]


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch) -> Userdata:
    made = Userdata()
    module = types.ModuleType("google.colab")
    module.userdata = made  # type: ignore[attr-defined]
    for name, what in (("google", types.ModuleType("google")), ("google.colab", module)):
        monkeypatch.setitem(sys.modules, name, what)
    return made


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person types when asked, one after the other."""
    answers: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda _: answers.pop(0))
    return answers


def test_the_places_stand_in_their_order(
    crun: sd.Spec, ring: Ring, colab: Userdata, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_key(crun, None) is None
    typed[:] = ["key-entered"]
    assert repr(sd.ask_key("crun")) == "<key from sd.ask_key>"
    assert told(crun) == ("key-entered", "sd.ask_key")
    ring.kept["seedance_nb", "CRUN_API_KEY"] = "key-ringed"
    assert told(crun) == ("key-ringed", "the keyring")
    colab.kept["CRUN_API_KEY"] = "colabbed"
    assert told(crun) == ("colabbed", "Colab's secrets")
    monkeypatch.setenv("CRUN_API_KEY", "key-around")
    assert told(crun) == ("key-around", "CRUN_API_KEY")
    assert told(crun, "key-given") == ("key-given", "api_key=")


SHORT = "zq-7+_K"


def with_short_key(way: str, ring: Ring, colab: Userdata, typed: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Looks for a key of seven characters that is in one place only."""
    match way:
        case "the environment":
            monkeypatch.setenv("CRUN_API_KEY", SHORT)
        case "Colab":
            colab.kept["CRUN_API_KEY"] = SHORT
        case "the keyring":
            ring.kept["seedance_nb", "CRUN_API_KEY"] = SHORT
        case "sd.ask_key":
            typed[:] = [SHORT]
            return sd.ask_key("crun")
    return sd.balance("crun/seedance-2.0-i2v", api_key=SHORT if way == "the argument" else None)


@pytest.mark.parametrize("way", ["the argument", "the environment", "Colab", "the keyring", "sd.ask_key"])
def test_a_key_too_short_to_be_masked_is_refused_wherever_it_is(
    way: str, ring: Ring, colab: Userdata, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(sd.Unauthorized) as refused:
        with_short_key(way, ring, colab, typed, monkeypatch)
    assert "cannot be sent: it has 7 characters; a key has 8 to 512." in str(refused.value)
    assert SHORT not in str(refused.value)


def test_every_key_that_may_be_sent_is_masked(crun: sd.Spec) -> None:
    for size in (8, 512):
        found = find_key(crun, as_secret("k" * size))
        assert found is not None
        assert found.mask(f"<{'k' * size}>") == "<•••>"
    with pytest.raises(sd.Unauthorized, match="it has 513 characters; a key has 8 to 512"):
        find_key(crun, as_secret("k" * 513))
    assert Secret(SHORT, "a test").mask(SHORT) == SHORT, "the control: this one would be shown"


def told(spec: sd.Spec, given: str | None = None) -> tuple[str, str]:
    found = find_key(spec, as_secret(given))
    assert found is not None
    return found.reveal(), found.source


def test_a_person_is_asked_only_where_no_other_place_has_a_key(
    ring: Ring, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring.kept["seedance_nb", "CRUN_API_KEY"] = "key-ringed"
    assert sd.ask_key("crun").source == "the keyring"
    monkeypatch.setenv("CRUN_API_KEY", "key-around")
    assert sd.ask_key("crun/seedance-2.0-i2v", keep=True).source == "CRUN_API_KEY"
    assert typed == []
    with pytest.raises(IndexError):  # the control: here somebody is asked
        sd.ask_key("vastnum")


def test_a_key_that_was_mistyped_can_be_typed_again(crun: sd.Spec, typed: list[str]) -> None:
    typed[:] = ["key-wrong", "key-right", " \n", "a b"]
    sd.ask_key("crun")
    sd.ask_key("crun")
    for message in ("No key entered", "cannot be sent"):
        with pytest.raises(sd.Unauthorized, match=message):
            sd.ask_key("crun")
    assert told(crun)[0] == "key-right"


def test_a_key_is_saved_in_the_keyring_when_that_is_said(crun: sd.Spec, ring: Ring, typed: list[str]) -> None:
    ring.kept["seedance_nb", "CRUN_API_KEY"] = "key-oldest"
    assert told(crun) == ("key-oldest", "the keyring")
    typed[:] = ["key-newest"]
    sd.ask_key("crun", keep=True)
    assert ring.kept == {("seedance_nb", "CRUN_API_KEY"): "key-newest"}
    assert told(crun)[0] == "key-newest"


@pytest.mark.parametrize(
    "trouble", [keyring.errors.NoKeyringError("x"), keyring.errors.KeyringLocked("x"), OSError("x")]
)
def test_a_keyring_that_fails_is_none_and_is_asked_once(
    crun: sd.Spec, ring: Ring, typed: list[str], trouble: Exception
) -> None:
    ring.trouble = trouble
    assert find_key(crun, None) is None
    assert find_key(crun, None) is None
    assert ring.asked == ["CRUN_API_KEY"]
    typed[:] = [CANARY]
    with pytest.raises(sd.SeedanceError, match="available until this Python process ends") as failed:
        sd.ask_key("crun", keep=True)
    assert CANARY not in str(failed.value)
    assert failed.value.__context__ is None
    assert told(crun)[0] == CANARY


@pytest.mark.parametrize("module", ["keyrings.alt.file", "keyring.backends.fail", "keyring.backends.null"])
def test_a_keyring_that_keeps_plain_files_or_nothing_is_not_used(
    crun: sd.Spec, ring: Ring, typed: list[str], monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    plain = type("PlaintextKeyring", (Ring,), {"__module__": module})()
    plain.kept["seedance_nb", "CRUN_API_KEY"] = "key-plain"
    monkeypatch.setattr(keyring, "get_keyring", lambda: plain)
    assert find_key(crun, None) is None
    with pytest.raises(sd.SeedanceError, match="No secure keyring is available, so the key was not requested"):
        sd.ask_key("crun", keep=True)
    assert typed == []
    chain = type("Chain", (Ring,), {"backends": [plain, ring]})()
    monkeypatch.setattr(keyring, "get_keyring", lambda: chain)
    typed[:] = ["key-safe"]
    sd.ask_key("crun", keep=True)
    assert ring.kept == {("seedance_nb", "CRUN_API_KEY"): "key-safe"}
    assert plain.asked == []


def test_without_the_keyring_library_there_is_just_none(crun: sd.Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert find_key(crun, None) is None
    with pytest.raises(sd.SeedanceError, match="pip install 'seedance_nb"):
        sd.ask_key("crun", keep=True)


def test_colab_is_asked_in_the_cells_own_thread_only_and_once_it_said_no_never_again(
    crun: sd.Spec, colab: Userdata
) -> None:
    found: list[Any] = []

    def other(work: Callable[[], Any]) -> Any:
        thread = threading.Thread(target=lambda: found.append(work()))
        thread.start()
        thread.join()
        return found[-1]

    colab.kept["CRUN_API_KEY"] = "colabbed"
    assert other(lambda: find_key(crun, None)) is None
    assert colab.asked == 0
    assert told(crun)[0] == "colabbed"
    assert other(lambda: told(crun))[0] == "colabbed"
    assert colab.asked == 1
    colab.denied = True
    other_provider = sd.spec("vastnum/doubao-seedance-2.0")
    assert find_key(other_provider, None) is None
    assert find_key(other_provider, None) is None
    assert colab.asked == 2


@pytest.mark.parametrize(
    "trouble", [EOFError(), StdinNotImplementedError("x"), OSError("x"), getpass.GetPassWarning("x")]
)
def test_where_nobody_can_be_asked_it_is_said_so(monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    def fail(_: str) -> str:
        raise trouble

    monkeypatch.setattr(getpass, "getpass", fail)
    with pytest.raises(sd.SeedanceError, match="Cannot prompt for a key here") as failed:
        sd.ask_key("crun")
    assert failed.value.__context__ is None


def test_a_terminal_that_would_show_the_key_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def echoing(_: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return CANARY

    monkeypatch.setattr(getpass, "getpass", echoing)
    with pytest.raises(sd.SeedanceError, match="Cannot prompt for a key here"):
        sd.ask_key("crun")


def test_a_document_that_names_no_place_for_its_key_is_reported(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"type": "object", "properties": {"prompt": {"type": "string"}}}')
    with pytest.raises(sd.SeedanceError, match="pass the key as api_key="):
        sd.ask_key(own)
    with pytest.raises(sd.SpecError):
        sd.ask_key("nobody")


def test_without_a_key_nobody_is_asked_and_the_simulator_is_used(typed: list[str]) -> None:
    assert sd.Session().is_simulated("crun/seedance-2.0-i2v")
    assert typed == []


def test_an_entered_key_goes_to_the_provider(
    provider: Provider, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    typed[:] = [CANARY]
    sd.ask_key("crun")
    fields: dict[str, Any] = {"prompt": "x", "reference_images": ["https://example.com/a.png"]}
    sd.Session(sleep=short).generate("crun/seedance-2.0-fast-r2v", **fields)
    assert [headers["x-api-key"] for headers in provider.headers] == [CANARY]


class Shell:
    """What the product asks of IPython."""

    def __init__(self, *cells: str) -> None:
        self.user_ns = {"In": list(cells)}


def test_a_key_in_a_cell_is_warned_of_once_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython

    monkeypatch.setattr(secret_module, "_WARNED", set())
    monkeypatch.setattr(IPython, "get_ipython", lambda: Shell("", f"sd.balance('crun', api_key='{CANARY}')"))
    with pytest.warns(sd.KeyWarning, match="sd.ask_key") as seen:
        sd.Session(api_key=CANARY)
    shown = warnings.formatwarning(str(seen[0].message), sd.KeyWarning, seen[0].filename, seen[0].lineno)
    assert CANARY not in shown
    assert seen[0].filename == secret_module.__file__, "the person's own line would be shown with it"
    sd.Session(api_key=CANARY)  # warnings are errors in these tests
    sd.Session(api_key="ak_from_a_file_or_a_vault")
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    sd.Session(api_key=CANARY + "2")


def test_no_variable_or_slot_of_a_secret_has_the_key() -> None:
    key = CANARY + "_of_its_own"
    secret = Secret(key, "api_key=")
    slots = [getattr(secret, name, None) for name in ("source", "_Secret__number", "_Secret__key")]
    assert key not in repr(slots)
    assert key in secret_module._KEYS.values(), "the control: here it is"
    del secret
    assert key not in secret_module._KEYS.values(), "and it goes with its object"


def test_a_key_that_is_in_a_cell_for_the_environment_is_warned_of_too(
    crun: sd.Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    import IPython

    monkeypatch.setattr(secret_module, "_WARNED", set())
    monkeypatch.setenv("CRUN_API_KEY", CANARY)
    monkeypatch.setattr(IPython, "get_ipython", lambda: Shell(f"import os; os.environ['CRUN_API_KEY'] = '{CANARY}'"))
    with pytest.warns(sd.KeyWarning, match="The key from CRUN_API_KEY is in a cell") as seen:
        find_key(crun, None)
    assert CANARY not in str(seen[0].message)
    find_key(crun, None)  # once: warnings are errors in these tests
    monkeypatch.setenv("CRUN_API_KEY", "ak_from_a_file_or_a_vault")
    find_key(crun, None)


def test_an_interrupted_keyring_leads_to_no_variable_with_the_key(ring: Ring, typed: list[str]) -> None:
    ring.trouble = None
    seen: list[str] = []

    def wait(*told: str) -> None:
        seen.append(told[-1])
        raise KeyboardInterrupt

    typed[:] = [CANARY]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ring, "set_password", wait)
        with pytest.raises(KeyboardInterrupt) as stopped:
            sd.ask_key("crun", keep=True)
    assert seen == [CANARY], "the control: the keyring had it"
    shown = "".join(traceback.TracebackException.from_exception(stopped.value, capture_locals=True).format())
    assert "_save" in shown
    assert CANARY not in "".join(line for line in shown.splitlines() if "typed =" not in line and "seen =" not in line)
    assert stopped.value.__context__ is None


@pytest.mark.parametrize("key", [CANARY.encode(), bytearray(CANARY.encode())], ids=["bytes", "bytearray"])
def test_a_key_in_bytes_is_a_key(provider: Provider, key: Any) -> None:
    assert sd.balance("crun/seedance-2.0-i2v", api_key=key, base_url=provider.url) == provider.balance
    assert repr(as_secret(key)) == "<key from api_key=>"


@pytest.mark.parametrize("key", [[CANARY], {CANARY: 1}, 12345678901234])
def test_a_key_of_another_type_is_refused_without_showing_it(provider: Provider, key: Any) -> None:
    with pytest.raises(sd.Unauthorized, match="and not text, cannot be sent") as refused:
        sd.balance("crun/seedance-2.0-i2v", api_key=key, base_url=provider.url)
    inside = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    frames = [repr(frame.locals) for frame in inside.stack if frame.filename != __file__]
    assert frames
    assert not [one for one in frames if CANARY in one or "12345678901234" in one]


@pytest.mark.parametrize("name", ["api_key", "apikey", "x-api-key", "Authorization", "token"])
@pytest.mark.parametrize("key", [CANARY, CANARY.encode()], ids=["text", "bytes"])
def test_a_key_among_the_fields_is_a_problem_that_does_not_show_it(name: str, key: Any) -> None:
    model = "crun/seedance-2.0-fast-r2v"
    found = sd.check(model, prompt="x", **{name: key})
    form = sd.form(model)
    form.values = {"prompt": "x", name: CANARY}
    for problems in (found, form.problems):
        assert [problem for problem in problems if problem.path == f"/input/{name}"]
        assert CANARY not in repr([*problems])
    numbers = {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}}
    fields: dict[str, Any] = {name: 5}
    assert sd.check(numbers, **fields) == (), "a name that any name may stand for is a field like others"
    shown = sd.check(model, prompt="x", colour=CANARY)
    assert CANARY in repr([*shown]), "the control: what is no key is shown"


@pytest.mark.parametrize("key", [CANARY, "sk-live-0123456789", "a1b2c3d4e5f6a7b8c9d0e1f2", f"Bearer {CANARY}"])
def test_a_key_in_the_place_of_a_name_is_not_said_back(key: str) -> None:
    for call in (sd.ask_key, sd.spec, sd.panel, sd.form, sd.task):
        with pytest.raises(sd.SeedanceError) as failed:
            call(key)
        assert key not in str(failed.value)
    for name in ("crun/seedance-9", "my-model-of-2026-with-a-long-name.yaml", "seedance"):
        with pytest.raises(sd.SpecError, match=name):
            sd.spec(name)


def test_a_key_is_nowhere_once_nobody_uses_it_and_masked_as_long_as_it_is_there(
    crun: sd.Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = CANARY + "_for_a_while"
    monkeypatch.setenv("CRUN_API_KEY", key)
    find_key(crun, None)
    assert secret_module.mask_keys(f"<{key}>") == "<•••>", "nobody holds what was found, and it is still the key"
    assert key in repr(vars(secret_module)), "the control: here it is"
    monkeypatch.setenv("CRUN_API_KEY", "another-key")
    find_key(crun, None)
    assert key not in repr(vars(secret_module))
    assert not [call for call in vars(secret_module).values() if hasattr(call, "cache_info")], (
        "nothing keeps keys by itself"
    )


def test_a_key_that_another_begins_with_leaves_nothing_of_that_one() -> None:
    held = [Secret(CANARY + "_and_more" * length, "a test") for length in range(5)]
    for secret in held:
        assert secret_module.mask_keys(f"<{secret.reveal()}>") == "<•••>"
        assert secret_module.mask_keys({"said": secret.reveal()}) == {"said": "•••"}
