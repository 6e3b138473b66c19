"""The command line: what it prints and where, with which exit code, and that it pays for nothing that nobody agreed to."""

import concurrent.futures
import inspect
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import short

import seedance_nb as sd
from seedance_nb import _api
from seedance_nb.__main__ import in_a_terminal, main
from seedance_nb._base.values import json_text
from seedance_nb._document.reader import packaged
from seedance_nb._notebook.completion import fields_by_name, request_of

MODEL = "crun/seedance-1.0-pro-t2v"
FOX = [MODEL, "--prompt", "A fox", "--resolution", "480p", "--duration", "4"]
KEY = "ak_canary_0123456789abcdefghijklmnop"
Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults: Any = inspect.unwrap(sd.Session.__init__).__kwdefaults__
    for option, value in {"queue_s": 0, "run_s": 0, "sleep": short}.items():
        monkeypatch.setitem(defaults, option, value)
    _api._session.cache_clear()


@pytest.fixture
def paid(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    monkeypatch.setenv("CRUN_API_KEY", KEY)
    return provider


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_console_script_is_this_command() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, name = project["scripts"]["seedance"].partition(":")
    assert getattr(import_module(module), name) is main


def test_python_runs_it_as_a_module_and_says_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seedance_nb", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"seedance {sd.__version__}\n"


def test_help_names_every_command_and_exit_code_and_its_examples_are_understood(capsys: Out) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(name in text for name in packaged("_commands")["commands"])
    assert max(map(len, packaged("_commands")["help"].splitlines())) <= 80
    assert re.findall(r"^  (\d+) ", text, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "130"]
    for kind, words in re.findall(r"^  seedance (check|submit) (.+?)(?:   .*)?$", text, re.MULTILINE):
        if "--help" not in words:
            request_of(kind, "seedance", [word.strip('"') for word in re.findall(r'"[^"]+"|\S+', words)])


def test_without_a_command_its_help_is_shown(capsys: Out) -> None:
    assert main([]) == 2
    assert "list every problem of a request" in capsys.readouterr().err


def test_a_request_is_sent_once_and_its_file_is_the_only_output(capsys: Out) -> None:
    assert main(["submit", *FOX, "--wait"]) == 0
    first = capsys.readouterr()
    assert Path(first.out.strip()).read_bytes()[4:8] == b"ftyp"
    assert "SIMULATED" in first.err
    assert main(["submit", *FOX, "--wait"]) == 0
    assert capsys.readouterr().out == first.out
    assert len(sd.tasks()) == 1
    assert sd.submit(MODEL, prompt="A fox", resolution="480p", duration=4).is_new is False, "code knows it as the same"


def test_a_submitted_task_can_be_watched_by_its_name(capsys: Out) -> None:
    assert main(["submit", *FOX, "--json"]) == 0
    task = json.loads(capsys.readouterr().out)
    assert (task["model"], task["simulated"], task["charged"]) == (MODEL, True, "not charged")
    assert re.fullmatch(r"crun:task_\w+", task["task"])
    assert main(["watch", task["task"], "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["task"], done["state"], Path(done["file"]).is_file()) == (task["task"], "done", True)
    assert main(["tasks", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [done]
    assert (done["prompt"], done["cost"]) == ("A fox", "simulated (free)")
    assert datetime.fromisoformat(done["created"]) == datetime.fromtimestamp(int(sd.tasks()[0].created), UTC)
    assert main(["tasks"]) == 0
    assert capsys.readouterr().out == f"{sd.tasks()}\n"


def test_models_are_listed_as_in_python(capsys: Out) -> None:
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert (text, "seedance new-model" in text) == (f"{in_a_terminal(str(sd.models()))}\n", True)
    assert main(["models", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == [*sd.models()]


def test_the_check_lists_what_python_lists(capsys: Out) -> None:
    words = [MODEL, "--promt", "A fox", "--camera-fixed", "perhaps", "--duration=99"]
    assert main(["check", *words]) == 3
    assert capsys.readouterr().out == f"{sd.check(MODEL, promt='A fox', camera_fixed='perhaps', duration=99)}\n"
    assert main(["check", *words, "--json"]) == 3
    problems = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in problems if not one["warns"]] == ["/input/camera_fixed", "/input/promt"]
    assert main(["check", *FOX, "--duration", "99"]) == 3, "a field that is given twice is a list"
    assert main(["check", *FOX]) == 0
    assert capsys.readouterr().out.endswith("No problems.\n")


def test_values_have_the_types_of_their_fields() -> None:
    words = [
        "crun/seedance-2.0-fast-r2v", "--prompt", "12", "--duration", "5", "--audio", "--return-last-frame", "false",
        "--reference-images", "https://a.example/1.png", "--reference-images", '["https://a.example/2.png"]',
    ]  # fmt: skip
    _, _, body = request_of("check", "seedance", words)
    assert body["input"] == {
        "prompt": "12", "duration": 5, "audio": True, "return_last_frame": False,
        "reference_images": ["https://a.example/1.png", "https://a.example/2.png"],
    }  # fmt: skip


@pytest.mark.parametrize("name", [*sd.models()])
def test_help_of_a_model_lists_its_fields(name: str, capsys: Out) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["submit", name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{field}" in text for field in fields_by_name(sd.spec(name)))


USAGE: tuple[list[str], ...] = (["fly"], [], ["submit"], ["submit", "--prompt", "x"], ["submit", *FOX, "--budget", "much"], ["submit", *FOX, "lost"],
         ["tasks", "--limit", "x"], ["check", "none.json\0"], ["models", "--js"])  # fmt: skip


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_words_of_no_use_end_with_2_or_an_error_and_never_a_traceback(words: list[str], capsys: Out) -> None:
    try:
        code: Any = main(words)
    except SystemExit as ended:
        code = ended.code
    assert code in (1, 2)
    assert capsys.readouterr().err
    assert len(sd.tasks()) == 0


@pytest.mark.parametrize("option", ["--api-key", "--api_key", "--key", "--token", "--authorization", "--api-key="])
def test_a_key_is_never_an_option_and_is_not_repeated(option: str, capsys: Out) -> None:
    words = [f"{option}{KEY}"] if option.endswith("=") else [option, KEY]
    with pytest.raises(SystemExit) as ended:
        main(["submit", *FOX, *words])
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert "environment variable" in said.err
    assert KEY not in said.out + said.err
    table = packaged("_commands")
    names = {*table["request"], *(option for command in table["commands"].values() for option in command)}
    assert not {name for name in names if re.search("key|token|secret|auth", name)}


@pytest.mark.parametrize("name", ["extra", "base_url", "progress", "api_url"])
def test_a_parameter_of_python_that_is_no_option_is_an_unknown_field(name: str, paid: Provider, capsys: Out) -> None:
    assert main(["submit", *FOX, "--budget", "100", f"--{name}", "x"]) == 3
    assert f"/input/{name}: unknown field" in capsys.readouterr().err
    assert paid.charges == []


@pytest.mark.parametrize("stdin", [io.StringIO("y\n"), Terminal("n\n"), Terminal(""), Terminal("\n")])
def test_nothing_is_paid_without_a_budget_or_a_yes_in_a_terminal(
    stdin: io.StringIO, paid: Provider, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["submit", *FOX, "--wait"]) == 1
    assert "othing was sent" in capsys.readouterr().err
    assert (paid.charges, len(sd.tasks())) == ([], 0)


def test_a_yes_in_a_terminal_pays_once_after_the_price_was_shown(
    paid: Provider, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["submit", *FOX, "--wait"]) == 0
    said = capsys.readouterr()
    assert "12 credits" in said.err
    assert f"at {paid.url}. Send it? [y/N]" in said.err
    assert (len(paid.charges), Path(said.out.strip()).is_file()) == (1, True)


def test_where_ci_is_set_even_a_terminal_cannot_agree(
    paid: Provider, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["submit", *FOX]) == 1
    assert "CI is set" in capsys.readouterr().err
    assert main(["submit", *FOX, "--budget", "5"]) == 1
    assert "with --budget 12 or more" in capsys.readouterr().err
    assert paid.charges == []
    assert main(["submit", *FOX, "--budget", "50"]) == 0
    assert len(paid.charges) == 1


def test_the_simulator_is_used_when_it_is_wanted_whatever_keys_are_set(paid: Provider, capsys: Out) -> None:
    assert main(["submit", *FOX, "--simulate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["simulated"] is True
    assert (paid.charges, paid.estimates) == ([], [])


def test_files_are_checked_unless_that_is_not_wanted() -> None:
    chosen = [
        request_of("submit", "seedance", [*FOX, *more])[1].preflight
        for more in ([], ["--preflight"], ["--no-preflight"])
    ]
    assert chosen == [None, True, False]


def test_a_lost_answer_ends_with_4_and_is_not_sent_again(paid: Provider, capsys: Out) -> None:
    paid.on_create = ["close"]
    for _ in range(2):
        assert main(["submit", *FOX, "--budget", "50", "--json"]) == 4
        said = capsys.readouterr()
        assert json.loads(said.out)["charged"] == "unknown"
        assert "It is not known whether crun accepted this request" in said.err
    assert len(paid.charges) == 1


def test_an_unknown_outcome_is_settled_by_the_command_that_its_error_names(paid: Provider, capsys: Out) -> None:
    paid.on_create = ["close"]
    assert main(["submit", *FOX, "--budget", "50"]) == 4
    (name,) = [task.name for task in sd.tasks()]
    assert f"what you can do with seedance resolve '{name}'" in capsys.readouterr().err
    assert main(["resolve", name]) == 4
    said = capsys.readouterr().err
    commands = [line.strip().split("   ")[0] for line in said.splitlines() if line.startswith("  seedance")]
    assert commands == [f"seedance resolve '{name}' --id 'its task id'", f"seedance resolve '{name}' --not-taken"]
    assert main(["resolve", name, "--not-taken"]) == 0
    assert sd.task(name).state == "not sent"
    assert len(paid.charges) == 1


TROUBLE = (Path(__file__).parents[1] / "notebooks" / "docs" / "troubleshooting.md").read_text("utf-8")
MESSAGES = re.findall(r"```text\n(.+?)```", TROUBLE, re.DOTALL)


SIXTH = """
openapi: 3.0.0
paths: {/a: {post: {operationId: a, requestBody: {content: {application/json: {schema: {type: object}}}}}},
        /b: {post: {operationId: b, requestBody: {content: {application/json: {schema: {type: object}}}}}}}
"""


def test_a_page_with_several_operations_leads_to_the_command_that_takes_one(tmp_path: Path, capsys: Out) -> None:
    page = tmp_path / "page.yaml"
    page.write_text(SIXTH, encoding="utf-8")
    assert main(["submit", str(page), "--prompt", "A fox"]) == 1
    said = capsys.readouterr().err
    assert "write one to a file with seedance new-model PAGE FILE --operation NAME: " in said
    assert "sd." not in said


@pytest.mark.parametrize("message", MESSAGES, ids=[one.partition(":")[0] for one in MESSAGES])
def test_what_a_terminal_says_names_commands_that_exist_or_says_that_it_is_python(
    message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("watch", "tasks", "models", "resolve", "ledger"):
        monkeypatch.setattr(f"seedance_nb.__main__._{name}", lambda _: 0)
    text = in_a_terminal(message)
    assert not re.search(r"\bcells?\b|[a-z_]+=(?![\w\"'])", text)
    assert ("sd." in text) == (packaged("_commands")["only_in_python"] in text) == (".resubmit(" in message)
    for words in re.findall(
        r"(?<!`)\bseedance ((?:watch|tasks|models|resolve|ledger)\b(?: ?'[^']+'| --\S+| \w+(?=:))*)", text
    ):
        assert main(shlex.split(words)) == 0, words


def test_the_tables_of_a_terminal_name_commands(paid: Provider, capsys: Out) -> None:
    paid.on_create = ["close"]
    assert main(["submit", *FOX, "--budget", "50", "--json"]) == 4
    (task,) = sd.tasks()
    error = json.loads(capsys.readouterr().out)
    assert error["next_step"] == f"see what is known and what you can do with seedance resolve '{task.name}'"
    assert main(["submit", *FOX, "--take", "2", "--simulate"]) == 0
    capsys.readouterr()
    assert main(["tasks", "--limit", "1"]) == 0
    text = capsys.readouterr().out
    assert f"may have been charged: seedance resolve '{task.name}' shows what to do" in text
    assert "Showing 1 of 2 tasks; seedance tasks --limit 2 shows all." in text
    assert "sd." not in text


def test_the_file_of_a_video_is_printed_as_it_is(capsys: Out, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEEDANCE_OUTPUTS", str(tmp_path / "take=2 of sd.tasks()"))
    assert main(["submit", *FOX, "--wait"]) == 0
    assert Path(capsys.readouterr().out[:-1]).is_file()


@pytest.mark.parametrize("name", ["prompt", "textPrompt", "text_prompt", "promptText", "input_prompt"])
def test_a_task_of_a_model_that_is_not_built_in_has_its_prompt_in_the_list(name: str) -> None:
    body = json_text({"input": {"negative_prompt": "cats", name: 'A "red" fox, "prompt":"no"'}, "prompt_id": "1"})
    assert sd.Session().prompt_of("own/model", body) == 'A "red" fox, "prompt":"no"'
    assert sd.Session().prompt_of("own/model", '{"prompt":"\\x"}') == ""
    assert sd.Session().prompt_of("own/model", '""') == "", "as of a forgotten task"


@pytest.mark.filterwarnings("default")
def test_a_budget_that_the_simulator_cannot_check_is_named(capsys: Out) -> None:
    assert main(["submit", *FOX, "--budget", "5"]) == 0
    assert "SIMULATED: the budget of 5 credits is not checked, because" in capsys.readouterr().err
    assert len(sd.tasks()) == 1


def test_a_ledger_is_moved_to_a_server_that_is_named(capsys: Out) -> None:
    assert main(["ledger", "move"]) == 1
    assert "Next: seedance ledger move postgresql://user@host/database" in capsys.readouterr().err


def test_tasks_are_found_by_their_words_and_their_day(capsys: Out) -> None:
    session = sd.Session(simulate=True, queue_s=0, run_s=0)
    for prompt in ("A red fox", "A fox in red", "A cat"):
        session.submit("crun/seedance-1.0-pro-t2v", prompt=prompt, resolution="480p", duration=2).wait()
    found = {row.name for row in sd.tasks(find="fox red")}
    assert len(found) == 2
    today = datetime.fromtimestamp(sd.tasks()[0].created).astimezone().date()
    assert len(sd.tasks(day=today)) == 3
    assert len(sd.tasks(find="cat", day=today - timedelta(days=1))) == 0
    assert main(["tasks", "--find", "red fox", "--day", str(today), "--json"]) == 0
    assert {task["task"] for task in json.loads(capsys.readouterr().out)} == found
    for word, count in (("today", 3), ("yesterday", 0)):
        capsys.readouterr()
        assert main(["tasks", "--day", word, "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == count
    assert main(["tasks", "--find", "zebra"]) == 0
    assert capsys.readouterr().out.startswith("No tasks.\n")
    assert main(["tasks", "--day", "tomorrow"]) == 3
    assert "'2026-11-30', 'today' or 'yesterday', not 'tomorrow'" in capsys.readouterr().err
    assert [len(sd.tasks(day=day)) for day in (str(today), "today", "yesterday")] == [3, 3, 0]
    day: Any = 7
    with pytest.raises(sd.InvalidInput, match="or 'yesterday', not 7"):
        sd.tasks(day=day)


def test_a_refusal_ends_with_1_and_names_the_command_not_the_cell(paid: Provider, capsys: Out) -> None:
    paid.on_create = [(200, {"code": 402, "message": "Insufficient Credits"})]
    assert main(["submit", *FOX, "--budget", "50", "--wait"]) == 1
    assert "top up the account, then run the command again" in capsys.readouterr().err


def test_a_task_that_outlasts_its_timeout_ends_with_5(paid: Provider, capsys: Out) -> None:
    paid.on_status = ["processing"]
    assert main(["submit", *FOX, "--budget", "50", "--wait", "--timeout", "0.2"]) == 5
    assert "Next: wait for it again with seedance watch 'crun:task_" in capsys.readouterr().err


def test_ctrl_c_ends_the_waiting_in_one_line_that_says_how_to_go_on(
    paid: Provider, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    paid.on_status = ["processing"]
    assert main(["submit", *FOX, "--budget", "50"]) == 0
    name = sd.tasks()[0].name
    capsys.readouterr()

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(concurrent.futures, "wait", interrupted)
        assert main(["watch", name]) == 130
    *_, last = capsys.readouterr().err.splitlines()
    assert last == f"Stopped waiting; the task is still running. Wait for it again with seedance watch '{name}'"
    paid.on_status = ["success"]
    assert main(["watch", name]) == 0
    assert len(paid.charges) == 1


@pytest.mark.filterwarnings("default")
def test_warnings_are_one_line_each_without_a_place_in_the_code(capsys: Out) -> None:
    assert main(["submit", *FOX[:-1], "99", "--json"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "99 s is too large" in line]
    assert line == "warning: /input/duration: 99 s is too large; at most 12 s is allowed"


def test_a_reader_that_ends_early_is_no_error() -> None:
    program = f"{sys.executable} -c 'import sys; from seedance_nb.__main__ import main; sys.exit(main([\"models\"]))'"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; (sleep 0; {program}) | true"], capture_output=True, text=True, check=False,
        env=dict(os.environ),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
