"""HTTP requests to the provider, without the key."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from seedance_nb._base.errors import SpecError
from seedance_nb._check.check import Approved
from seedance_nb._document.spec import Spec
from seedance_nb._document.tables import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, without the key, so that no repr, log or ledger row can show it."""

    method: str
    url: str
    body: str = ""


def create_request(approved: Approved, base_url: str) -> Request:
    """The one request that spends credits; its body is the approved text itself. *pure*."""
    spec = approved.spec
    return Request(method=spec.method.upper(), url=base_url + spec.path, body=approved.body)


def call_request(call: Call, base_url: str, query: Mapping[str, str], body: str = "") -> Request:
    """The request of a free call, its query escaped. *pure*."""
    parameters = f"?{urlencode(query)}" if query else ""
    return Request(method=call.method.upper(), url=f"{base_url}{call.path}{parameters}", body=body)


def status_request(spec: Spec, base_url: str, task_id: str) -> Request:
    """The status request of a task; its id is escaped and cannot change the path. *pure*. Raises: SpecError without `x-task`."""
    task = spec.task
    if task is None:
        raise SpecError("the schema has no x-task table, so a task cannot be tracked", file=spec.file)
    safe = quote(task_id, safe="")
    if task.id_parameter:
        return Request(method="GET", url=f"{base_url}{task.status_path}?{task.id_parameter}={safe}")
    name = task.status_path[task.status_path.index("{") : task.status_path.index("}") + 1]
    return Request(method="GET", url=base_url + task.status_path.replace(name, safe))
