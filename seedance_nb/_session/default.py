"""The sessions of the module's own functions."""

import functools
import os

from seedance_nb._base.secret import Secret
from seedance_nb._session.session import Session


@functools.lru_cache(maxsize=8)
def _made(
    given: Secret | None, base_url: str | None, simulate: bool | None, _ledger_name: str, _outputs: str
) -> Session:
    return Session(api_key=given, base_url=base_url, simulate=simulate, for_one=True)


def default(api_key: Secret | None = None, base_url: str | None = None, *, simulate: bool | None = None) -> Session:
    """The session of the module's own functions, one for each key, address, ledger and folder that is named.

    Reads the environment.
    """
    return _made(api_key, base_url, simulate, os.getenv("SEEDANCE_LEDGER", ""), os.getenv("SEEDANCE_OUTPUTS", ""))
