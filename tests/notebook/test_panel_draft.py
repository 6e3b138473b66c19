"""A panel starts with the values that it is given, and offers what was typed before the kernel was restarted."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from support.waiting import until

import seedance_nb as sd
from seedance_nb._form.exchange import save_preset
from seedance_nb._form.form import Form
from seedance_nb._notebook import panel as draft_module
from seedance_nb._notebook import panel as panel_module
from seedance_nb._notebook.panel import Draft, Panel

T2V, R2V = "crun/seedance-1.0-pro-t2v", "crun/seedance-2.0-fast-r2v"
SECRET = {
    "type": "object",
    "properties": {"prompt": {"type": "string"}, "token": {"type": "string", "format": "password"}},
}


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook that the kernel knows."""
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "fox.ipynb"))
    (tmp_path / "fox.ipynb").write_text("{}")
    return tmp_path / "fox.ipynb"


def panel(ledger: Path, name: str = T2V, **fields: Any) -> Panel:
    return Panel(sd.spec(name), sd.Session(ledger=ledger, queue_s=0, run_s=0), None, **fields)


def every(widget: Any) -> list[Any]:
    return [widget, *(inner for child in getattr(widget, "children", ()) for inner in every(child))]


def restore(made: Panel) -> Any:
    """The button that restores the draft, None if no draft is offered."""
    buttons = [one for one in every(made.widget) if getattr(one, "description", "") == "Restore draft"]
    return buttons[0] if buttons else None


def test_a_panel_starts_with_the_values_that_it_is_given(tmp_path: Path) -> None:
    made = sd.panel(T2V, prompt="A fox", duration=4)
    assert made.form.values["input"] == {"prompt": "A fox", "duration": 4}
    assert not made.form.history, "there is nothing to undo yet"
    assert panel(tmp_path / "l", R2V, prompt="A [Image1]").form.values["input"] == {"prompt": "A [Image1]"}, (
        "other fields may be missing"
    )
    made.form.reset()
    assert "prompt" not in made.form.values["input"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"promt": "A fox"}, "did you mean 'prompt'?"),
        ({"resolution": 5}, "resolution"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"duration": float("nan")}, "not a JSON number"),
    ],
)
def test_a_wrong_name_or_value_is_refused_before_there_is_a_panel(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(sd.InvalidInput) as refused:
        sd.panel(T2V, **fields)
    assert said in str(refused.value)


@pytest.mark.usefixtures("book")
def test_what_was_typed_is_offered_after_a_restart_and_not_just_put_back(tmp_path: Path) -> None:
    first = panel(tmp_path / "l.sqlite3")
    first.form.values = {"prompt": "A fox in the snow", "duration": 4}
    first._draft.save()
    second = panel(tmp_path / "l.sqlite3")
    assert "prompt" not in second.form.values["input"]
    assert any("A fox in the snow" in getattr(one, "value", "") for one in every(second.widget))
    restore(second).click()
    assert second.form.values == first.form.values


@pytest.mark.usefixtures("book")
def test_the_arguments_of_a_panel_win_over_its_draft(tmp_path: Path) -> None:
    first = panel(tmp_path / "l.sqlite3")
    first.form.values = {"prompt": "A fox", "duration": 4}
    first._draft.save()
    second = panel(tmp_path / "l.sqlite3", prompt="A crow")
    restore(second).click()
    assert second.form.values["input"] == {"prompt": "A crow", "duration": 4}
    assert restore(panel(tmp_path / "l.sqlite3", prompt="A crow", duration=4)) is None, "it would change nothing"


def test_a_draft_belongs_to_one_notebook_and_one_model(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = panel(tmp_path / "l.sqlite3")
    first.form.values = {"prompt": "A fox"}
    first._draft.save()
    assert restore(panel(tmp_path / "l.sqlite3", R2V)) is None
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    assert restore(panel(tmp_path / "l.sqlite3")) is None, "other people may look at the same notebook there"
    monkeypatch.delenv("SERVER_SOFTWARE")
    (other := tmp_path / "other.ipynb").write_text("{}")
    monkeypatch.setenv("JPY_SESSION_NAME", str(other))
    assert restore(panel(tmp_path / "l.sqlite3")) is None
    monkeypatch.setenv("JPY_SESSION_NAME", str(book))
    assert restore(panel(tmp_path / "l.sqlite3")) is not None


def test_an_unknown_notebook_has_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    made = panel(tmp_path / "l.sqlite3")
    made.form.values = {"prompt": "A fox"}
    made._draft.save()
    assert made._draft.file is None
    assert not [*tmp_path.glob("*-drafts")]


@pytest.mark.usefixtures("book")
def test_a_draft_has_no_secret_no_signed_url_and_no_embedded_file(tmp_path: Path) -> None:
    urls = [
        "https://a.example/f.png?X-Amz-Signature=abc",
        "https://me:pass@a.example/f.png",
        "data:image/png;base64,AAAA",
    ]
    for form, values in (
        (Form(sd.spec(SECRET)), {"prompt": f"See {urls[0]} there", "token": "hidden-token"}),
        (Form(sd.spec(R2V)), {"prompt": "x", "reference_images": urls}),
    ):
        draft = Draft(form, tmp_path / "l.sqlite3")
        form.values = values
        draft.save()
        assert draft.file
        text = draft.file.read_text()
        assert not [word for word in ("Signature", "pass", "base64", "hidden-token") if word in text]
        assert stat.S_IMODE(draft.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(draft.file.parent.stat().st_mode) == 0o700
    assert "Signature" in json.dumps(form.values), "only the draft lacks it"


@pytest.mark.usefixtures("book")
def test_a_burst_of_changes_is_one_write_and_the_last_values_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[str] = []

    def counted(path: Path, spec: sd.Spec, values: dict[str, Any]) -> Path:
        if path.is_relative_to(tmp_path):  # a panel of another test may still save its own
            writes.append(values["input"]["prompt"])
        return save_preset(path, spec, values)

    monkeypatch.setattr(draft_module, "save_preset", counted)
    made = panel(tmp_path / "l.sqlite3")
    for length in range(1, 40):
        made.form._controls["/input/prompt"].widget.value = "x" * length
    assert writes == [], "nothing is written while a person types"
    until(lambda: bool(writes))
    assert writes == ["x" * 39]


@pytest.mark.usefixtures("book")
def test_a_draft_goes_when_the_form_is_empty(tmp_path: Path) -> None:
    form = sd.form(T2V)
    draft = Draft(form, tmp_path / "l.sqlite3")
    assert draft.file
    form.values = {"prompt": "A fox"}
    draft.save()
    form.reset()
    draft.save()
    assert not draft.file.exists()


@pytest.mark.parametrize("content", [b"", b"{", b'{"document": "x", "values": {}}', b"[1]"])
@pytest.mark.usefixtures("book")
def test_a_broken_draft_is_no_hindrance_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    draft = Draft(sd.form(T2V), tmp_path / "l.sqlite3")
    assert draft.file
    draft.file.parent.mkdir()
    draft.file.write_bytes(content)
    made = panel(tmp_path / "l.sqlite3")
    assert restore(made) is None
    made.form.values = {"prompt": "A fox"}
    made._draft.save()
    assert restore(panel(tmp_path / "l.sqlite3")) is not None


@pytest.mark.usefixtures("book")
def test_a_draft_that_cannot_be_written_stops_no_form(tmp_path: Path) -> None:
    (tmp_path / "l.sqlite3-drafts").write_text("a file is in the way")
    made = panel(tmp_path / "l.sqlite3")
    made.form.values = {"prompt": "A fox"}
    made._draft.save()
    assert made.form.is_valid


def test_an_empty_prompt_is_asked_about_once_also_where_nothing_is_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.01)
    made = panel(tmp_path / "l.sqlite3", duration=4, resolution="480p")
    made._go.click()
    until(lambda: not made._busy.locked())
    assert made.task is None
    assert "The prompt is empty." in made._status.value
    assert "Press Generate again to send it anyway." in made._status.value
    assert made._go.description == "Generate · free · 1 warning"
    made._go.click()
    until(lambda: not made._busy.locked())
    assert made.task is not None


def test_blanks_are_an_empty_prompt_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.01)
    made = panel(tmp_path / "l.sqlite3", "vastnum/doubao-seedance-2.0", prompt="  \n")
    made._go.click()
    until(lambda: not made._busy.locked())
    assert (made.task, "The prompt is empty." in made._status.value) == (None, True)


def test_the_button_counts_the_warnings_of_what_is_filled_in(tmp_path: Path) -> None:
    made = panel(tmp_path / "l.sqlite3")
    assert "warning" not in made._go.description, "an untouched form has nothing to warn about"
    made.form.values = {"prompt": "x", "duration": 40}
    assert made._go.description.endswith(" · 1 warning")
    made.form.values = {"prompt": "x", "duration": 40, "resolution": "999p"}
    assert made._go.description.endswith(" · 2 warnings")
    made.form.values = {"prompt": "x", "duration": 4}
    assert "warning" not in made._go.description
