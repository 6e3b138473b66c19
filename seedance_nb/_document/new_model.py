"""A model from a provider's page: the file to keep, what was found in the page, and what is missing."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from seedance_nb._base.errors import SpecError
from seedance_nb._base.faults import typed
from seedance_nb._base.values import ABSENT, find, json_text, read_json, set_at
from seedance_nb._document.load import spec
from seedance_nb._document.reader import packaged, providers, read_document
from seedance_nb._document.spec import Spec, named_fields
from seedance_nb._document.tables import ROLES


@typed
def new_model(page: Path, target: Path, provider: str = "", operation: str | None = None) -> tuple[str, ...]:
    """Write a page with the name of its provider to `target`; the lines of a report. *reads files*, *writes files*. Raises: SpecError, also if `target` exists; SeedanceError if it cannot be written."""
    document, _ = read_document(page)
    urls = {find(packaged(f"_providers/{one}"), "/servers/0/url"): one for one in providers()}
    if name := provider or document.get("x-provider") or urls.get(str(find(document, "/servers/0/url"))):
        document |= {"x-provider": name}
    if operation:  # the file is one model
        chosen = spec(document, operation=operation)
        for one in chosen.operations:  # what is no request, such as the status call, stays
            if (one.path, one.method) != (chosen.path, chosen.method):
                document = set_at(document, ("paths", one.path, one.method), ABSENT)
    named_fields(spec(document))  # raises before anything is written
    if target.exists():
        raise SpecError("this file exists and stays as it is", file=str(target), next_step="choose another target")
    with target.open("x", encoding="utf-8") as file:
        yaml.safe_dump(read_json(json_text(document)), file, sort_keys=False, allow_unicode=True, width=120)
    return tuple(_report(spec(target), target))


def _report(model: Spec, target: Path) -> Iterator[str]:
    price = f"in {model.price.unit}" if model.price.per_second or model.price.sizes else model.price.note
    yield f"Model: {model.name}, {model.method.upper()} {model.server}{model.path}, {len(named_fields(model))} fields"
    known = f"{model.provider}; the key, the task table and the errors are known"
    no_task = f"none of {', '.join(providers())}. Forms and checks work; to send, add x-task and x-errors (see CONTRIBUTING.md)"
    yield f"Provider: {no_task if model.unsendable else known}"
    yield f"Roles: {', '.join(f'{role} is {field}' for role, field in model.roles.items()) or 'none'}"
    yield f"No field for: {', '.join(role for role in ROLES if role not in model.roles) or 'none'}. If there is one, mark it with x-role"
    yield f"Limits: {len(model.rules)} read from its sentences; {len(model.unchecked)} sentences were not understood"
    yield f"Price: {price}"
    yield from (f"Schema problem: {oddity}" for oddity in model.oddities)
    tries = f"python -m seedance_nb simulate --document {target}, or sd.panel({str(target)!r}) in a notebook"
    yield f"Written to {target}. Try it: {f'sd.form({str(target)!r}) in a notebook' if model.unsendable else tries}"
