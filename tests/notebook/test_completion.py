"""Tab completes names of models, fields and values inside our calls, and nothing anywhere else."""

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, get_args, get_origin

import pytest

import seedance_nb as sd
from seedance_nb._base.values import ABSENT, find, to_pointer
from seedance_nb._check.check import build_body
from seedance_nb._notebook.completion import complete, fields_by_name, proposals

NAMES = sd.models().names
VERBS = ["check", "estimate", "generate", "preflight", "submit", "panel"]
SCOPE = {
    "sd": sd, "generate": sd.generate, "session": sd.Session(), "name": NAMES[1], "spec": sd.spec(NAMES[1]), "other": json,
    "sweep": lambda document, **fields: (document, fields),
}  # fmt: skip


def prefixes(words: list[str]) -> list[str]:
    return sorted({word[:length] for word in words for length in range(len(word) + 1)} | {"zz"})


@pytest.mark.parametrize(
    "opening", ["sd.panel(", "sd.form(\n    ", "x = [sd.model(", "session.check(", "sd.spec( 'a'); generate("]
)
def test_the_models_proposed_are_those_that_begin_with_what_is_typed(opening: str) -> None:
    for typed in prefixes([*NAMES]):
        for quote in ("'", '"'):
            assert proposals(f"{opening}{quote}{typed}", SCOPE) == (
                [one for one in NAMES if one.startswith(typed)],
                typed,
            )
    assert proposals(opening, SCOPE) == ([repr(name) for name in NAMES], "")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verb", VERBS)
def test_the_fields_proposed_are_those_that_begin_with_what_is_typed_and_are_not_given_yet(
    name: str, verb: str
) -> None:
    parameters = inspect.signature(getattr(sd, verb)).parameters.items()
    options = sorted(option for option, one in parameters if one.kind is one.KEYWORD_ONLY)
    every = [*dict.fromkeys([*fields_by_name(sd.spec(name)), *options])]
    for typed in prefixes(every):
        wanted = [f"{one}=" for one in every if one.startswith(typed) and one != "prompt"]
        before = f"sd.{verb}({name!r}, prompt=\"a, (b) 'c\",  # don't (\n    "
        assert proposals(before + typed, SCOPE) == (wanted, typed)
    assert proposals(f"sd.{verb}({name!r}, ", SCOPE) == ([f"{one}=" for one in every], "")


@pytest.mark.parametrize("name", NAMES)
def test_the_values_proposed_are_valid_and_begin_with_what_is_typed(name: str) -> None:
    for key in fields_by_name(sd.spec(name)):
        texts, _ = proposals(f"sd.model({name!r})({key}=", SCOPE)
        values = [ast.literal_eval(text) for text in texts]
        for value in values:
            assert [one for one in sd.check(name, **{key: value}) if one.path.endswith(key)] == []
        words = [value for value in values if isinstance(value, str)]
        for typed in prefixes(words):
            found = [word for word in words if word.startswith(typed)]
            assert proposals(f'sd.check("{name}", {key}="{typed}', SCOPE) == (found, typed)
    assert proposals('sd.check("crun/seedance-2.0-i2v", resolution="', SCOPE)[0] == ["480p", "720p", "1080p"]


def test_a_model_in_a_variable_and_a_models_function_are_known() -> None:
    scope = SCOPE | {"fox": sd.model(NAMES[1])}
    for opening in ("sd.generate(name, ", "sd.generate(spec, ", "fox("):
        assert proposals(f"{opening}dur", scope) == (["duration="], "dur")


@pytest.mark.parametrize(
    "code",
    [
        "", "sd.", 'sd.panel("crun/seedance-2.0-i2v")', 'sd.panel("crun/seedance-2.0-i2v"); x(', 'open("', "other.dumps(", "unknown.panel('",
        "sd.panel(unknown, ", "sweep('", 'sd.check("crun/seedance-2.0-i2v", img_urls=["', "sd.panel(f(", "sd.nothing('", "sd.models(",
        "sd.tasks('", 'sd.check("crun/seedance-2.0-i2v", prompt="',
    ],
)  # fmt: skip
def test_nothing_is_proposed_elsewhere(code: str) -> None:
    context = SimpleNamespace(full_text=code, cursor_line=code.count("\n"), cursor_position=len(code), token="")
    assert complete(context)["completions"] == []
    assert complete(context)["suppress"] is False, "so that other completions are shown"


ASKED = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.completer import provisionalcompleter
shell = InteractiveShell.instance()
shell.run_cell("import seedance_nb as sd")
assert not any(name.startswith(("ipywidgets", "seedance_nb._")) for name in sys.modules), "nothing is loaded before Tab"
for code in sys.argv[1:]:
    with provisionalcompleter():
        print([code[:one.start] + one.text for one in shell.Completer.completions(code, len(code))])
"""


def test_ipython_shows_the_proposals_alone(tmp_path: Path) -> None:
    codes = [
        "sd.panel('crun/seedance-2",
        "sd.panel('crun/seedance-2.0-i2v', resolution=\"4",
        "sd.submit('vastnum/doubao-seedance-2.0', wat",
    ]
    answer = subprocess.run(
        [sys.executable, "-c", ASKED, *codes], env=os.environ | {"IPYTHONDIR": str(tmp_path)}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert list(map(ast.literal_eval, answer.stdout.splitlines())) == [
        ["sd.panel('crun/seedance-2.0-fast-r2v", "sd.panel('crun/seedance-2.0-i2v"],
        ["sd.panel('crun/seedance-2.0-i2v', resolution=\"480p"],
        ["sd.submit('vastnum/doubao-seedance-2.0', watermark="],
    ]
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_models_signature_has_the_fields_that_a_request_takes(name: str) -> None:
    spec, function = sd.spec(name), sd.model(name)
    parameters = inspect.signature(function).parameters
    assert [*parameters] == [*fields_by_name(spec)]
    for key, parameter in parameters.items():
        field = fields_by_name(spec)[key]
        body = build_body(spec, {key: "x"})
        assert find(body, to_pointer(field.path)) == "x", "the value arrives in its place"
        assert not [one for one in sd.check(name, extra=None, **{key: "x"}) if one.rule == "unknown"]
        assert parameter.default == (inspect.Parameter.empty if field.required else field.default)
        if field.choices:
            assert (get_origin(parameter.annotation), get_args(parameter.annotation)) == (Literal, field.choices)
        assert f"  {key}: " in str(function.__doc__)
        if field.help:
            assert field.help in str(function.__doc__)
    with pytest.raises(sd.InvalidInput):
        function(prompt=5)
    untouched = dict.fromkeys(parameters, ABSENT)
    assert build_body(spec, untouched) == build_body(spec, {}), "a default that is passed on changes nothing"
