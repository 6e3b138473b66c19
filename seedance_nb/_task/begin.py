"""Starts a task: claims its row in the ledger and, if the row is new, passes the request to the engine."""

import math
import os
import tempfile
from urllib.parse import urlsplit

from seedance_nb._base.errors import MediaError, SeedanceError, SpecError, argument_error
from seedance_nb._base.faults import FAULTS, LOG, lacks_files, local_error
from seedance_nb._base.html import shell_with_kernel
from seedance_nb._base.values import is_number
from seedance_nb._check.check import Approved, create_request
from seedance_nb._check.price import Estimate
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.row import Row, State
from seedance_nb._provider.transport import Endpoint
from seedance_nb._schema.formats import SIMULATED_ASSET, SIMULATED_HOST
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.follow import run
from seedance_nb._task.send import LOOPBACK, TaskRun
from seedance_nb._web.addresses import host_of


def require_sendable(spec: Spec, take: int, budget: float | None) -> None:
    """Check that the model can be sent to, and that take and budget are valid. *pure*. Raises: SpecError; InvalidInput."""
    if spec.unsendable:
        raise SpecError(spec.unsendable, file=spec.file)
    if type(take) is not int or take < 1:
        raise argument_error("take", f"must be a whole number, 1 or more, not {take!r}", take, 1)
    if budget is not None and not (is_number(budget) and 0 <= budget < math.inf):
        raise argument_error("budget", f"must be a number of {spec.price.unit}, 0 or more, not {budget!r}", budget, 0)


def require_consent(spec: Spec, endpoint: Endpoint, budget: float | None, *, simulated: bool | None = None,
                    interactive: bool = False, why: str = "") -> None:  # fmt: skip
    """Check that a request is free, has a budget, or someone is here to confirm; and `simulated`, if a screen showed whether it is. Reads the environment. Raises: SeedanceError."""
    is_free = endpoint.app is not None
    if simulated is not None and simulated is not is_free:
        shown, actual = (spec.provider, "the simulator") if is_free else ("the simulator", spec.provider)
        text = f"This form was set up for {shown}, but with the current keys the request would go to {actual}. Nothing was sent."
        raise SeedanceError(text, next_step="run its cell again to see where requests go and what they cost")
    if not is_free and not interactive and budget is None and (why := why or unattended_reason()):
        text = f"This would spend money and no one is here to confirm: {why}. Nothing was sent."
        step = "pass budget=..., the most that all tasks of this provider may cost, or simulate=True to spend nothing"
        raise SeedanceError(text, next_step=step)


def begin(flow: TaskRun, approved: Approved, take: int, price: Estimate, *, budget: float | None = None,
          replaces: int | None = None) -> tuple[Row, bool]:  # fmt: skip
    """The row of this request, and whether it is new; only a new one is sent. *writes ledger*, *network*, *spends credits*. Raises, before that: MediaError, LedgerError, OverBudget."""
    is_remote = flow.endpoint.app is None and urlsplit(flow.endpoint.base_url).hostname not in LOOPBACK
    if is_remote and (SIMULATED_HOST in approved.body or SIMULATED_ASSET in approved.body):
        message = "uses a file that exists only in the simulator, so the provider cannot reach it; upload it again with the key"
        raise argument_error("", message, rule="simulated")
    try:
        flow.folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=flow.folder).close()
    except OSError as error:
        if lacks_files(error):
            raise
        problem = f"Cannot write to {flow.folder} ({error.strerror}). Nothing was sent."
        step = "set SEEDANCE_OUTPUTS to a writable folder"
        raise MediaError(problem, next_step=step, charged="not charged") from None
    ENGINE.start()  # before there is a row that it could not send
    with ENGINE.claiming:  # until it is sent, no other flow may treat the row as abandoned
        row, is_new = flow.ledger.claim(
            approved, base_url=flow.endpoint.base_url, simulated=flow.endpoint.app is not None, take=take,
            fingerprint=flow.endpoint.secret.fingerprint() if flow.endpoint.secret else "", estimate=price,
            budget=budget, replaces=replaces,
        )  # fmt: skip
        if is_new:
            LOG.info("%s is submitted to %s for %s", row.name, host_of(row.base_url), row.spec)
            _send(flow, row, approved)
        elif row.state not in (State.UNKNOWN, State.FAILED):
            ENGINE.follow(flow.key(row), lambda: run(flow, row, None))
    return row, is_new


def _send(flow: TaskRun, row: Row, approved: Approved) -> None:
    try:
        request = create_request(approved, flow.endpoint.base_url)
        ENGINE.delay_exit(flow.delivery, flow.endpoint.total)
    except BaseException:  # the kernel was interrupted; nothing can have been sent yet
        flow.delivery.settled = True
        reason = "sending was stopped before it started"
        flow.ledger.update(row.seq, only_in=(State.WAITING,), state=State.UNSENT, error=reason)
        raise
    # From here on it may have been sent, so an interrupt must not mark the row as not sent.
    try:
        ENGINE.follow(flow.key(row), lambda: run(flow, row, request))
    except BaseException as error:
        flow.delivery.settled = True
        if isinstance(error, FAULTS):
            raise local_error(error, charged="not charged" if row.simulated else "unknown") from None
        raise


def unattended_reason() -> str:
    """The reason why no one seems to be here to confirm, "" if someone may be. Reads the environment."""
    if os.getenv("CI", "").casefold() not in ("", "0", "false", "no"):
        return "CI is set in the environment"
    # A person's front end lets a cell ask for input; papermill, nbclient and nbconvert do not.
    can_ask = getattr(getattr(shell_with_kernel(), "kernel", None), "_allow_stdin", True)
    return "" if can_ask else "the notebook is being run by a program that cannot answer questions"
