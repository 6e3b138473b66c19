"""What a document names for people is shown where they need it, as a link only where a link is safe."""

import getpass
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._base.html import links_html
from seedance_nb._document.load import spec
from seedance_nb._document.reader import read_document
from seedance_nb._notebook.panel import Panel
from seedance_nb._provider.outcome import refusal
from seedance_nb._session.session import Models

R2V, PRO, KEYS = "crun/seedance-2.0-fast-r2v", "seedance2-pro/seedance-20-i2v", "https://crun.ai/user-api-key"


def test_the_key_page_and_the_support_address_are_read_from_the_document() -> None:
    assert sd.spec(R2V).links == {"get a key": KEYS, "support": "support@crun.ai"}
    assert sd.spec(PRO).links == {}, "its pages name neither"


def test_they_are_shown_in_the_list_of_models_and_in_the_panel() -> None:
    link, session = f'<a href="{KEYS}" target="_blank" rel="noopener">get a key</a>', sd.Session()
    for html in (Models(session)._repr_html_(), Panel(sd.spec(R2V), session)._top.value):
        assert link in html
        assert "support: support@crun.ai" in html
    assert KEYS not in Panel(sd.spec(PRO), session)._top.value


@pytest.mark.parametrize(("code", "is_shown"), [("401", True), ("402", False), ("422", False)])
def test_a_key_that_is_not_accepted_names_the_page_that_has_another(code: str, is_shown: bool) -> None:
    assert (KEYS in str(refusal(spec(R2V), code, "No.", simulated=False))) is is_shown
    assert "https://" not in str(refusal(spec(PRO), code, "No.", simulated=False))


def test_the_prompt_for_a_key_names_that_page(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda text: asked.append(text) or "a-key-for-tests-1234")  # type: ignore[func-returns-value]
    sd.ask_key("crun")
    sd.ask_key("vastnum")
    assert asked == [f"Key for crun ({KEYS}): ", "Key for vastnum: "]


@pytest.mark.parametrize(
    "text",
    ["javascript:alert(1)", "data:text/html,x", "mailto:a@b.example", "http://a.example", "//a.example", "HTTPS\t://x"],
)
def test_only_an_https_address_becomes_a_link(text: str) -> None:
    html = str(links_html({"support": text}))
    assert "<a" not in html
    assert html.startswith("support: ")
    assert "<a" in str(links_html({"support": "https://a.example"}))


@pytest.mark.parametrize("contact", [None, 5, [], {"email": 7}, {"email": None}])
def test_a_document_without_such_words_has_no_links(contact: Any) -> None:
    document, _ = read_document(
        "openapi: 3.1.0\ninfo: {title: t}\npaths: {/a: {post: {requestBody: {content: {application/json: {schema: {}}}}}}}"
    )
    document["info"]["contact"] = contact
    assert sd.spec(document).links == {}
