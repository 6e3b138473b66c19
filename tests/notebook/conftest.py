"""Sessions and providers for what stands in a cell: simulated ones, and ones that charge on loopback."""

from pathlib import Path

import pytest
from support.provider import Provider
from support.waiting import short

import seedance_nb as sd


@pytest.fixture
def session(tmp_path: Path) -> sd.Session:
    """A session with a ledger of its own and no key: simulated unless the test sets one."""
    return sd.Session(ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o", queue_s=0, run_s=0, sleep=short)


@pytest.fixture
def keyed_session(provider: Provider, tmp_path: Path) -> sd.Session:
    """A session whose requests the provider on loopback charges."""
    ledger, outputs = tmp_path / "l.sqlite3", tmp_path / "o"
    return sd.Session(api_key="a-key-of-tests", base_url=provider.url, ledger=ledger, outputs=outputs, sleep=short)


@pytest.fixture
def paying(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The provider on loopback, with crun's key and URL in the environment."""
    monkeypatch.setenv("CRUN_API_KEY", "a-key-of-crun")
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    return provider
