"""`%%seedance`: the prompt is the cell, the same cell costs nothing again, and braces are left alone."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import IPCompleter, provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from support.provider import Provider
from support.waiting import short
from traitlets.config import Config

import seedance_nb as sd
from seedance_nb import _api
from seedance_nb._document.reader import packaged
from seedance_nb._magics import seedance
from seedance_nb._notebook.completion import fields_by_name, proposals

MODEL = "crun/seedance-1.0-pro-t2v"
LINE = f"{MODEL} --resolution 480p --duration 4"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InteractiveShell]:
    defaults: Any = inspect.unwrap(sd.Session.__init__).__kwdefaults__
    for option, value in {"queue_s": 0, "run_s": 0, "sleep": short}.items():
        monkeypatch.setitem(defaults, option, value)
    _api._session.cache_clear()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "ipython").mkdir()
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_line_magic("load_ext", "seedance_nb")
    yield shell
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, line: str, cell: str = "A fox\n") -> Any:
    return shell.run_cell_magic("seedance", line, cell)


@pytest.fixture
def paid(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    monkeypatch.setenv("CRUN_API_KEY", "ak_canary_0123456789abcdefghijklmnop")
    return provider


def test_the_cell_is_the_prompt_and_the_result_its_video(shell: InteractiveShell) -> None:
    result = shell.run_cell(f"%%seedance {LINE} --name video\nA fox\n  runs\n")
    assert result.error_in_exec is None
    assert isinstance(result.result, sd.Video)
    assert result.result.prompt == "A fox\n  runs"
    assert shell.user_ns["video"] is result.result


def test_the_same_cell_again_costs_nothing_and_is_the_same_request_as_in_code(
    shell: InteractiveShell, paid: Provider
) -> None:
    first, again = run(shell, f"{LINE} --budget 100"), run(shell, f"{LINE} --budget 100")
    assert (first.path, len(paid.charges)) == (again.path, 1)
    assert sd.generate(MODEL, prompt="A fox", resolution="480p", duration=4).path == first.path
    assert run(shell, f"{LINE} --budget 100 --take 2").path != first.path
    assert len(paid.charges) == 2


def test_a_dry_run_shows_problems_and_price_and_sends_nothing(shell: InteractiveShell, paid: Provider) -> None:
    price = run(shell, f"{LINE} --dry-run")
    assert "12 credits" in repr(price)
    assert run(shell, f"{LINE} --dry-run --promt x") is None
    assert (paid.charges, len(sd.tasks())) == ([], 0)


def test_without_a_key_a_dry_run_says_that_it_is_free(shell: InteractiveShell) -> None:
    price = run(shell, "seedance2-pro/seedance-20-i2v --urls https://example.com/fox.png --duration 5s --dry-run")
    assert "nothing is charged. With a key: 200 credits ($1.00)" in repr(price)


BODY = 'A {fox} in {"a": {"b": 1}} and {0} {} {x!r} $fox {fox.name}'


def test_braces_and_dollars_are_sent_as_they_are(shell: InteractiveShell) -> None:
    shell.user_ns["fox"] = "vixen"
    result = shell.run_cell(f"%%seedance {LINE}\n{BODY}")
    assert result.result.prompt == BODY


def test_variables_are_put_in_where_that_is_wanted_and_other_braces_stay(shell: InteractiveShell) -> None:
    shell.user_ns |= {"fox": "vixen {size}", "length": 5}
    video = shell.run_cell(f"%%seedance {MODEL} --resolution 480p --duration {{length}} --expand\n{BODY}").result
    assert video.prompt == BODY.replace("{fox}", "vixen {size}")
    assert video.facts.seconds == 5
    with pytest.raises(UsageError, match="there is no variable 'wolf'"):
        run(shell, f"{LINE} --expand", "A {wolf}")
    assert len(sd.tasks()) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{LINE} --api-key sk-0123456789abcdef", "--help"),
        (f"{LINE} --name my-video", "not the name of a variable"),
        (f"{LINE} --take two", "--help"),
        (f'{LINE} "', "No closing quotation"),
    ],
)
def test_a_line_that_cannot_be_understood_is_a_usage_error(shell: InteractiveShell, line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        run(shell, line)
    assert len(sd.tasks()) == 0


def test_errors_are_those_of_code_and_show_no_generated_line(shell: InteractiveShell) -> None:
    with pytest.raises(sd.InvalidInput) as wrong:
        run(shell, f"{LINE} --promt x")
    with pytest.raises(sd.InvalidInput) as same:
        sd.generate(MODEL, prompt="A fox", resolution="480p", duration=4, promt="x")
    assert str(wrong.value) == str(same.value)
    result = shell.run_cell(f"%%seedance {LINE} --promt x\nA fox")
    assert isinstance(result.error_in_exec, sd.InvalidInput)
    assert "get_ipython" not in "".join(result.error_in_exec._render_traceback_())
    with pytest.raises(sd.SpecError, match="Did you mean"):
        run(shell, "crun/seedance-2.0")


def test_ci_without_a_budget_pays_for_nothing(
    shell: InteractiveShell, paid: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(sd.SeedanceError, match="no one is here to confirm"):
        run(shell, LINE)
    assert paid.charges == []


def test_alone_it_lists_the_models_and_with_help_the_fields_of_one(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert repr(shell.run_line_magic("seedance", "")) == repr(sd.models())
    assert shell.run_line_magic("seedance", f"{MODEL} --help") is None
    said = capsys.readouterr().out
    assert all(f"--{name}" in said for name in (*fields_by_name(sd.spec(MODEL)), *packaged("_commands")["magic"]))


@pytest.mark.parametrize("line", [LINE, f"{LINE} --prompt ''", f"{LINE} --prompt ' '", "vastnum/doubao-seedance-2.0"])
def test_without_a_prompt_nothing_is_sent_and_it_says_where_to_write_one(
    shell: InteractiveShell, paid: Provider, line: str
) -> None:
    for cell in ("", " \n"):
        with pytest.raises(UsageError, match="nothing was sent: write the prompt below %%seedance, or in --prompt"):
            seedance(line, cell)
    assert (paid.charges, len(sd.tasks())) == ([], 0)
    assert shell.run_line_magic("seedance", f"{LINE} --prompt fox --budget 100").prompt == "fox"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_without_a_model_is_that_of_the_magic(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert run(shell, word) is shell.run_line_magic("seedance", word) is None
    assert capsys.readouterr().out.count("%%seedance crun/seedance-2.0-i2v --duration 8") == 2


@pytest.mark.parametrize("opening", ["%%seedance ", "x = 1\n%seedance ", "  %seedance  "])
def test_the_line_completes_models_fields_and_values(opening: str) -> None:
    def found(words: str) -> list[str]:
        return proposals(opening.rstrip() + " " + words, {})[0]

    assert found("crun/seedance-2") == [name for name in sd.models() if name.startswith("crun/seedance-2")]
    fast = "crun/seedance-2.0-fast-r2v "
    assert found(f"{fast}--reference-im") == ["--reference-images"]
    assert found(f"{fast}--prompt x --pr") == ["--preflight"]
    assert found(f"{fast}--resolution ") == found(f"{fast}--resolution=") == ["480p", "720p"]
    assert found(f"{fast}--resolution 7") == ["720p"]
    assert found(f"{fast}--duration 1") == ["10", "11", "12", "13", "14", "15"]
    assert found(f"{fast}--audio ") == ["true", "false"]
    assert found(f"{fast}--audio --dur") == ["--duration"]
    assert {*found(fast)} >= {"--duration", "--budget", "--dry-run", "--expand"}
    assert proposals(f"%%seedance {fast}\nA --resolution ", {}) == ([], ""), "the prompt is nobody's line"


def test_ipython_puts_the_completion_where_the_word_was(shell: InteractiveShell) -> None:
    completer: IPCompleter = shell.Completer
    completer.custom_matchers.append(vars(sd)["_complete"])
    line = "%%seedance crun/seedance-2.0-fast-r2v --resolution=7"
    with provisionalcompleter():
        found = [one for one in completer.completions(line, len(line)) if one.text == "720p"]
    assert [line[: one.start] + one.text for one in found] == [line[:-1] + "720p"]
