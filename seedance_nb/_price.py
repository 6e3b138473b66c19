"""What a request will cost, as far as the provider says so; never a guess."""

from seedance_nb._spec import Spec
from seedance_nb._task import Row


def price_before(*, simulated: bool) -> str:
    """What the button says before anything is sent. *pure*."""
    return "simulated, free" if simulated else "price not published"


def price_note(spec: Spec, *, simulated: bool) -> str:
    """The sentence beside the button. *pure*."""
    if simulated:
        return f"No {spec.key_env or 'key'} is set, so nothing is sent to {spec.provider} and nothing is charged."
    return f"{spec.price_note}; the ledger keeps what {spec.provider} reports after the task."


def price_after(row: Row) -> str:
    """What a task cost by the provider's own report. *pure*."""
    if row.simulated:
        return "simulated, free"
    if row.charged == "not charged":
        return "not charged"
    if row.credits is None:
        return "cost not reported" if row.charged == "charged" else "may have been charged"
    return f"{row.credits:g} credits"
