"""Rows in a ledger, claimed for a request as a session would."""

from typing import Any

from seedance_nb import spec
from seedance_nb._check.check import Approved, approve
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row

MODEL = "crun/seedance-2.0-fast-r2v"
BASE = "https://api.crun.ai"


def approved(prompt: str = "x") -> Approved:
    return approve(spec(MODEL), {"prompt": prompt, "reference_images": ["https://example.com/a.png"], "duration": 5})


def claim(ledger: Ledger, prompt: str = "x", **options: Any) -> tuple[Row, bool]:
    chosen: dict[str, Any] = {"base_url": BASE, "simulated": False} | options
    return ledger.claim(approved(prompt), **chosen)


def backend(ledger: Ledger) -> Any:
    """What has the ledger's rows, with what only its kind has."""
    return ledger._store
