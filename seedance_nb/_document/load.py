"""Read a schema into a `Spec`: a packaged model by name, a file, text or a dict; its problems and the limits that only sentences state; write a model of a page."""

import difflib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import replace
from os.path import commonpath
from pathlib import Path
from typing import Any

import yaml

from seedance_nb._base.errors import SpecError
from seedance_nb._base.faults import typed
from seedance_nb._base.problem import Oddity
from seedance_nb._base.values import ABSENT, find, json_text, read_json, safe_name, set_at, shorten, to_path, to_pointer
from seedance_nb._document import operations as _operations
from seedance_nb._document import reader, tables
from seedance_nb._document.operations import Operation
from seedance_nb._document.prose import Rule, read_rules
from seedance_nb._document.reader import SPECS, check_size, merged, packaged, providers, read_document, with_shared
from seedance_nb._document.spec import Spec, named_fields, plain_of, values_in, with_roles
from seedance_nb._document.tables import MEDIA_RULES, ROLES, Table
from seedance_nb._document.vocabulary import MAX_LENGTH, WORDS, normalised, pattern
from seedance_nb._schema import dialect
from seedance_nb._schema.applicators import UNCHECKED
from seedance_nb._schema.formats import pattern_error
from seedance_nb._schema.library import MOST, bounded
from seedance_nb._schema.normalise import Normaliser
from seedance_nb._schema.validator import errors_of, metavalidator, problem_of, validator_of


@functools.cache
def model_names() -> tuple[str, ...]:
    """The names of the packaged models, sorted. *reads files*."""
    folders = (folder for folder in SPECS.iterdir() if folder.is_dir() and not folder.name.startswith("_"))
    return tuple(sorted(f"{one.name}/{file.name.removesuffix('.yaml')}" for one in folders for file in one.iterdir()))


@typed
def spec(source: "str | Path | Mapping[str, Any] | Spec | Operation", /, *, operation: str | None = None,
         media_type: str | None = None, roles: Mapping[str, str | None] | None = None) -> "Spec":  # fmt: skip
    """Read a model or an OpenAPI or JSON Schema of your own. *reads files*, never the network.

    The parameters:
      source: a name from `sd.models()`, the path of a YAML or JSON file, its text, a dict, or one of `.operations`.
      operation: which of several operations, by its operationId or by method and path ("POST /videos").
      media_type: which of the operation's media types; without it JSON, else form data, else the first.
      roles: the fields of roles that the schema does not mark and `.roles` shows guessed wrongly, by name or JSON Pointer; None for no field.
    Returns: the `Spec`; without `operation`, no one of several is chosen.
    Raises: SpecError with the file and a JSON Pointer for a schema that cannot be used or has no such operation, role or field.

    >>> sd.spec("crun/seedance-2.0-i2v").title
    'Seedance 2.0'
    """
    found = _find(source, operation)
    if media_type is not None:
        chosen = [one for one in found.operations if (one.method, one.path) == (found.method, found.path)]
        kinds = [kind for one in chosen for kind in one.content_types]
        if media_type not in kinds:
            raise SpecError(f"no media type {media_type!r} here, only {', '.join(kinds) or 'JSON'}", file=found.file)
        found = _find(replace(chosen[0], content_type=media_type), None)
    body = with_roles(deepcopy(found.body), roles, found.file) if roles else {}
    return replace(found, **with_limits(body, found.oddities)) if roles else found


def _find(source: "str | Path | Mapping[str, Any] | Spec | Operation", operation: str | None) -> "Spec":
    if isinstance(source, Operation):
        return _guarded(dict(source.document), source.file, source)
    if isinstance(source, Spec):
        if operation is None:
            return source
        return _find(_operations.find_operation(source.operations, operation, source.file), None)
    if not isinstance(source, str | Path | Mapping):
        raise SpecError(f"expected a model's name, a file, YAML or JSON text, or a dict, not {type(source).__name__}")
    if isinstance(source, str) and "\n" not in source and not source.lstrip().startswith("{"):
        if source in model_names():
            return _find(_packaged(source), operation)
        with suppress(OSError, ValueError):  # too long for a file name, or with invalid characters
            source = Path(source) if Path(source).exists() else source
        if isinstance(source, str) and ": " not in source:  # one line of YAML
            if Path(source).suffix in (".yaml", ".yml", ".json"):
                problem = f"There is no file {safe_name(source)!r}."
                raise SpecError(problem, next_step="check the path of the schema file")
            ids = {find(_packaged(name).example, "/model"): name for name in model_names()}
            if source in ids:
                return _find(_packaged(ids[source]), operation)
            close = difflib.get_close_matches(source, model_names(), 3, 0.3)
            hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise SpecError(f"No model called {safe_name(source)!r}.{hint}", next_step="sd.models() lists all models")
    document, file = read_document(source)
    return _guarded(document, file, operation)


@functools.cache
def _packaged(name: str) -> Spec:
    return _guarded(packaged(name), f"{name}.yaml")


def _guarded(document: dict[str, Any], file: str, operation: Operation | str | None = None) -> Spec:
    try:
        return _read(document, file, operation)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise SpecError(f"the schema cannot be read ({type(error).__name__}: {str(error)[:120]})", file=file) from None


def _read(document: dict[str, Any], file: str, operation: Operation | str | None) -> Spec:
    tables.check_extensions(document, file)
    document = _operations.upgraded(document) if str(document.get("swagger", "")).startswith("2") else document
    root = Table(value=with_shared(document, file), file=file, pointer="")
    if "openapi" not in document:
        if isinstance(operation, str):
            raise root.error("a JSON Schema has no operations to choose from")
        if not {*dialect.KEYWORDS - dialect.ANNOTATIONS, "$schema", "$id", "$defs"} & set(root.value):
            raise root.error("neither an OpenAPI document nor a JSON Schema")
        body, found = body_schema(root, root.value, "")
        return _spec_of(root, **with_limits(with_roles(body, {}, root.file), found), content_type="application/json")
    version = str(root.value["openapi"])
    if not version.startswith(("3.0", "3.1", "3.2")):
        raise root.error(f"OpenAPI {version} is not supported, only 2.0 and 3.0 to 3.2", "openapi")
    operations = _operations.operations_of(root)
    if not operations:  # each component is the body of an operation of its own name
        names = root.table("components", optional=True).table("schemas", optional=True).value
        bodies = {name: {"schema": {"$ref": f"#/components/schemas{to_pointer((name,))}"}} for name in names}
        paths = {body["schema"]["$ref"]: {"post": {"operationId": name, "requestBody": {"content": {"application/json": body}}}}
                 for name, body in bodies.items()}  # fmt: skip
        root = replace(root, value=root.value | {"paths": paths}) if names else root
        operations = _operations.operations_of(root)
    if not operations:
        raise root.error("no operation takes a request body or parameters", "paths")
    if isinstance(operation, str):
        operation = _operations.find_operation(operations, operation, file)
    elif operation is None and len(operations) == 1:
        operation = operations[0]
    return _chosen(root, operations, operation) if operation else _spec_of(root, operations=operations)


def _chosen(root: Table, operations: tuple[Operation, ...], chosen: Operation) -> Spec:
    item = tables.resolve_reference(root, root.table("paths").table(chosen.path))
    operation = (item if chosen.method in item.value else item.table("additionalOperations")).table(chosen.method)
    content = replace(operation, value={"schema": {"type": "object", "properties": {}}})  # of parameters alone
    request = tables.resolve_reference(root, operation.table("requestBody", optional=True))
    if "requestBody" in operation.value:
        contents = request.table("content")
        if not chosen.content_type:
            raise contents.error("the request body has no media type")
        content = contents.table(chosen.content_type)
    file = {"type": "string", "format": "binary"} if dialect.FILE.match(chosen.content_type) else {}
    body, oddities = body_schema(root, content.value.get("schema") or file, f"{content.pointer}/schema")
    example = content.value.get("example", ABSENT)
    if example is not ABSENT and (error := value_error(validator_of(body), body, example)):
        message = f"the example {shorten(example, 30)} is invalid: {error}"
        oddities.append(Oddity(pointer=f"{content.pointer}/example", message=message))
    styles = {name: find(how, "/style") for name, how in content.table("encoding", optional=True).value.items()}
    oddities += [Oddity(pointer=f"{content.pointer}/encoding", message=f"the style {style} of {name} is not read")
                 for name, style in styles.items() if style not in (ABSENT, "form")]  # fmt: skip
    inputs = tuple(name for name, child in body.get("properties", {}).items() if find(child, "/x-inputs") is True)[:1]
    has_task, env, calls = "x-task" in root.value, root.value.get("x-env", {}), root.table("x-calls", optional=True)
    if not has_task:  # in the URL and the headers, and fields like the body's
        own = {str(path[0]) for path, _ in values_in(body) if len(path) == 1} - {"*"}
        try:
            is_any = not body and _operations.is_json(chosen.content_type)  # an object of any fields then
            taken = own if own or is_any or dialect.is_object(body) else "the body is not an object"
            listed = _operations.parameters_of(root, taken, oddities, item, operation)
            parameters, _ = body_schema(root, listed, operation.pointer)
            names, required = parameters["properties"], [*parameters["required"], *body.get("required", ())]
            body |= {"properties": names | body.get("properties", {}), "required": required} if names else {}
            body |= {"additionalProperties": True} if names and is_any else {}
            body |= {dialect.DEFINED_NAMES: known} if (known := dialect.defined_names(body)) else {}
            every = [body]
            for part in every:  # and theirs: none forbids a parameter, which is no field of the body
                inner = [find(body, part["$ref"][1:])] if "$ref" in part else [one for one, _ in dialect.parts(part)]
                every += [one for one in inner if isinstance(one, dict)]
                if not {"additionalProperties", "unevaluatedProperties"}.isdisjoint(part):
                    part["properties"] = dict.fromkeys(names, True) | part.get("properties", {})
        except SpecError as error:  # a bad parameter does not block the body
            oddities.append(Oddity(pointer=error.pointer, message=f"no parameter is in the form: {error.args[0]}"))
    else:
        _operations.parameters_of(root, "with x-task only the body and the key are sent", oddities, item, operation)
        if names := re.findall(r"\{[^{}]*\}", _operations.server_of(root, is_sent=True) + chosen.path):
            raise operation.error(f"nothing fills in {', '.join(names)}: write the value into the path", "parameters")
    texts = [one.value.get(key) for one in (item, operation, request) for key in ("summary", "description")]
    more = {"x-notes": "".join(f"\n\n{text}" for text in texts if isinstance(text, str)),
            "examples": [*body.get("examples", ()), *_example_values(root.value, content.value.get("examples"))]}  # fmt: skip
    body |= {key: value for key, value in more.items() if value}
    responses = operation.table("responses", optional=True)
    task, replies = tables.task_table(root, responses) if has_task else (None, {})
    oddities += tables.unmatched(task, replies, root.file) if task else ()
    auth = None
    with nullcontext() if has_task else suppress(SpecError):  # how a key is sent matters only where a request is
        auth = _operations.auth_of(root, operation, oddities)
    return _spec_of(
        root, operations=operations, method=chosen.method, path=chosen.path, **with_limits(with_roles(body, {}, root.file), oddities), example=example, auth=auth,
        content_type=chosen.content_type, server=_operations.server_of(root, is_sent=has_task), inputs=inputs,
        key_env=env.get("key", ""), base_env=env.get("base_url", ""), task=task, errors=tables.error_table(root, responses) if task else None,
        replies=replies, calls={name: tables.call_of(root, calls.table(name)) for name in calls.value}, **tables.callback_of(operation),
    )  # fmt: skip


def _example_values(document: Any, named: Any) -> list[Any]:
    listed = [*named.values()] if isinstance(named, dict) else []  # some only refer to those of components
    found = [find(document, str(one["$ref"])[1:]) if find(one, "/$ref") is not ABSENT else one for one in listed]
    return [find(one, "/value") for one in found if find(one, "/value") is not ABSENT]


def _spec_of(root: Table, **parts: Any) -> Spec:
    document, name, body = root.value, Path(root.file).stem or "document", parts.get("schema", {})
    provider, price = document.get("x-provider", ""), document.get("x-price", {})
    quotes = [rule.quote for rule in parts.get("rules", ()) if rule.kind == "price"]
    if quotes and not {"per_second", "tokens"} & price.keys():
        texts = (f"{one.get('title')}\n{one.get('description')}\n{one.get('x-notes')}" for _, one in values_in(body))
        words = normalised("\n\n".join(texts))[0]
        formula = pattern("{per_second}").search(words) if len(words) < MAX_LENGTH else None
        price = {"note": f'the page says "{"; ".join(quotes)}"'} | price
        if formula and not pattern("{pricing}").search(words[: formula.start()] + words[formula.end() :]):
            unit, number = formula["unit"] or formula["label"], formula["number"].replace(",", "")
            price |= {"per_second": float(number), "unit": unit.lower(), "source": root.file or "the schema"}
    keys = [*re.findall(r"\]\((https://[^\s()]{1,300})\)", str(find(document, "/components/securitySchemes"))), ABSENT]
    links = {"get a key": keys[0], "support": find(document, "/info/contact/email")}
    titles = (document.get("x-title"), find(document, "/info/title"), document.get("title"), name)
    return Spec(
        name=f"{provider}/{name}" if provider else name, file=root.file, vouched=bool(provider), price=tables.PriceTable(**tables.arguments(price, "tokens", "quote"), **price.get("tokens", {})),
        title=next(title for title in titles if isinstance(title, str)), mode=document.get("x-mode", ""),
        source=document.get("x-source", root.file), evidence=document.get("x-evidence", "schema"), **parts,
        links={name: text for name, text in links.items() if isinstance(text, str)},
    )  # fmt: skip


def body_schema(root: Table, schema: Any, pointer: str) -> tuple[dict[str, Any], list[Oddity]]:
    """A request's schema as JSON Schema 2020-12, without invalid defaults and examples, and its problems. Raises: SpecError."""
    normaliser = Normaliser(root.value, root.file)
    body, pointers = normaliser.root(schema, pointer), normaliser.pointers
    if error := next(metavalidator().iter_errors(body), None):
        at, nearest = body, pointer  # the innermost schema in the document on the way, with the rest of the path
        for step in error.absolute_path:
            at = at[step]
            nearest = pointers.get(id(at), nearest + to_pointer((step,)))
        raise SpecError(error.message[:300], file=root.file, pointer=nearest)
    if not isinstance(body, dict):
        raise SpecError("the schema of a request body must be an object", file=root.file, pointer=pointer)
    keys, every = {"default", "examples", "pattern", "patternProperties"}, [body]
    for part in every:
        inner = [child for key in dialect.LISTS for child in part.get(key, ())] + [
            part.get(key) for key in dialect.ONES
        ]
        inner += [child for key in (*dialect.MAPS, "$defs") for child in part.get(key, {}).values()]
        every += [child for child in inner if isinstance(child, dict)]
    check_size([part.get("enum") for part in every], root.file)  # to show and to check them takes much longer
    pairs = [(part, pointers.get(id(part), pointer)) for part in every if not keys.isdisjoint(part)]
    whole = validator_of(body) if pairs else None
    with bounded(most=5 * MOST):  # for all defaults and examples together
        oddities = [oddity for part, at in pairs for oddity in _problems(part, whole, at)]
    return body, [*normaliser.oddities, *oddities]


def value_error(whole: Any, schema: Any, value: Any) -> str:
    try:
        problems = map(problem_of, errors_of(whole.evolve(schema=schema), value))
        found = (one for one in problems if one.rule not in (UNCHECKED, "unknown"))
        return next((f"{one.path} {one.message}".strip() for one in found), "")
    except RecursionError:
        return ""


def _problems(schema: dict[str, Any], whole: Any, pointer: str) -> Iterator[Oddity]:
    if "default" in schema and (error := value_error(whole, schema, schema["default"])):
        default = schema.pop("default")
        schema |= {} if value_error(whole, schema, dialect.alike(default)) else {"default": dialect.alike(default)}
        use = f"{shorten(schema['default'], 30)} is used" if "default" in schema else "ignored"
        text = f"the default {shorten(default, 30)} is invalid: {error}; {use}"
        yield Oddity(pointer=f"{pointer}/default", message=text)
    errors = [(example, value_error(whole, schema, example)) for example in schema.get("examples", ())]
    wrong = ((shorten(example, 30), error) for example, error in errors if error)
    yield from (Oddity(pointer=pointer, message=f"the example {one} is invalid: {why}; ignored") for one, why in wrong)
    if "examples" in schema:
        schema["examples"] = [example for example, error in errors if not error]
    for regex in (*([schema["pattern"]] if "pattern" in schema else []), *schema.get("patternProperties", ())):
        if error := pattern_error(regex):
            yield Oddity(pointer=pointer, message=f"the pattern {regex} is invalid ({error}); it is not checked")


MAX_READ = 20_000  # characters of the descriptions of one request
_UNKNOWN: dict[str, Any] = {"any": []}  # the schemes of addresses where no sentence names them


def with_limits(body: dict[str, Any], oddities: Iterable[Oddity]) -> dict[str, Any]:
    """The parts of a Spec that its descriptions state: the same schema with their certain limits, all rules, what is not checked, and the `oddities`. *reads files*."""
    rules, unchecked, left, shared = list[Rule](), list[Rule](), MAX_READ, body.get("$defs", {})
    whole = functools.cache(lambda: validator_of(body))
    fields = sorted(values_in(body), key=lambda one: not one[0])  # and what is said of them all
    names = {str(name) for path, _ in fields for name in path[-1:]}
    for path, field in fields:
        view, at = plain_of(field, shared), to_pointer(path)
        name = next((str(step) for step in reversed(path) if step != "*"), "")
        title = f"\n\n{view['title']}" if re.search(r"\d", str(view.get("title"))) else ""  # else it is only a name
        text = f"{view.get('description', '')}{title}{view.get('x-notes', '')}"
        media, left = view.get("x-media", {}), left - len(text)
        if media.get("kind", "") not in name.lower():  # a role says it, not the name
            name = f"{media['kind']}_{name}"
        read = read_rules(name, str(view.get("type")), text) if text and left >= 0 else ()
        words = {rule.kind: rule.limit | {"quote": rule.quote} for rule in read}
        own = {key: rule for key, rule in media.items() if rule not in (_UNKNOWN, words.get(key))}  # keys win
        for key in own.keys() - {"kind"}:
            limit = {bound: value for bound, value in own[key].items() if bound != "quote"}
            rules.append(Rule(kind=key, quote=own[key]["quote"], limit=limit, path=at, origin="x-media"))
        found = [replace(rule, path=at) for rule in read if rule.kind not in own
                 and (path or rule.kind != "unclear" or not names.isdisjoint(re.findall(r"\w+", rule.quote)))]  # fmt: skip
        rules += [rule for rule in found if rule.kind != "unclear"]
        certain = {rule.kind: rule for rule in found if not (rule.hint or rule.when)}
        between = {dialect.AT_LEAST_ONE, "anyOf", "oneOf", "dependentRequired"} & view.keys()
        bound = _bind(name, field, view, own, certain, whole()) if certain or own else set()
        tested = {*WORDS["harmless"], *(WORDS["relations"] if between else ()), *bound}
        unchecked += [rule for rule in found if not rule.hint and (rule.when or rule.kind not in tested)]
    unchecked += _bind_names(fields, [rule for rule in rules if rule.kind == "placeholder"], shared)
    message = f"the descriptions have {MAX_READ - left:,} characters; only the first {MAX_READ:,} are read for limits"
    more = dict.fromkeys([*oddities, *([Oddity(pointer="", message=message)] if left < 0 else [])])
    return {"schema": body, "rules": (*rules,), "unchecked": (*unchecked,), "oddities": (*more,)}


def _bind(name: str, field: dict[str, Any], view: dict[str, Any], own: dict[str, Any], rules: dict[str, Rule], whole: Any,
          lists: Sequence[Any] = ()) -> set[str]:  # fmt: skip
    """Put the limits of rules into the schema of a field with this view, unless its examples (or those of `lists`) break them. Returns the kinds of rules that are tested then."""
    examples = [*lists, *view.get("examples", ()), *(view[word] for word in ("default", "const") if word in view)]
    new, tested = dict[str, Any](), set[str]()
    for kind, words in WORDS["keywords"].get(str(view.get("type")), {}).items():
        limit = rules[kind].limit if kind in rules else {}
        stated = dict(_keyword(words.get(bound, ""), value, view["type"]) for bound, value in limit.items())
        if stated.get("enum") and not errors_of(whole.evolve(schema=field), None):
            stated["enum"].append(None)
        if stated and "" not in stated and None not in stated.values():
            new |= {word: value for word, value in stated.items() if word not in view}
            equal = [word for word, value in stated.items() if view.get(word, value) == value]
            new["x-quotes"] = new.get("x-quotes", {}) | dict.fromkeys(equal, " ".join(rules[kind].quote.split()))
            tested |= {kind} if len(equal) == len(stated) else set()
    found = {kind: rule.limit | {"quote": rule.quote} for kind, rule in rules.items() if kind in MEDIA_RULES}
    kinds = {own["kind"]} if "kind" in own else {*re.findall("image|video|audio", name.lower())}
    items = view["items"] if name and isinstance(view.get("items"), dict) else {}
    entry = plain_of(items, whole.schema.get("$defs", {}))
    if found and len(kinds) == 1:
        unknown = {} if {"schemes", "base64"} & (found.keys() | own.keys()) else {"schemes": _UNKNOWN}
        new["x-media"] = {"kind": kinds.pop()} | unknown | found | own
        tested |= found.keys() if (entry or view).get("type") == "string" else set()
    if any(errors_of(whole.evolve(schema=new), example) for example in examples):
        return set()  # the document knows better
    field.update(new)
    values = [value for example in examples if isinstance(example, list) for value in example]
    return tested | (_bind("", items, entry, {}, rules, whole, values) if items else set())


def _bind_names(fields: Sequence[tuple[Any, Any]], rules: Sequence[Rule], shared: Any) -> Iterator[Rule]:
    """Put the names of files in a prompt into its schema, for the files beside it. Yields the rules that are not tested then."""
    beside, tables = dict[Any, dict[str, Any]](), dict[Any, dict[str, Any]]()
    for path, field in fields if rules else ():
        beside.setdefault(path[:-1], {})["".join(map(str, path[-1:]))] = plain_of(field, shared)
    for rule in rules:
        *parent, name = to_path(rule.path.removesuffix("/*")) or ("",)
        views, mention = beside[(*parent,)], rule.limit["any"][0]
        media = {one: find(view, "/x-media/kind") for one, view in views.items() if "x-media" in view}
        texts = (mention, str(media.get(name)), rule.quote)  # of which the first that names one kind says it
        said = ([one for one, word in WORDS["named"].items() if re.search(word, text, re.IGNORECASE)] for text in texts)
        kind = next((kinds[0] for kinds in said if len(kinds) == 1), "")
        near = [one for one in media if media[one] == kind]
        prompts = [one for one in views if views[one].get("x-role") == "prompt"]
        prompts = [name] if name not in media and views[name].get("type") == "string" else prompts
        form = re.sub(r"(?i)^([\[@<].*? ?|[a-z]+)(\d+|\(n\))", r"\1{n}", mention).replace(" {", "{")  # no image 1
        if prompts and "{n}" in form and any(views[one].get("type") == "array" for one in near):
            table = tables.setdefault((*parent, prompts[0]), {"quote": {}})
            table["quote"] = dict.fromkeys(near, rule.quote) | table["quote"]
            table |= {one: [*dict.fromkeys([*table.get(one, ()), form])] for one in near}
        else:
            yield rule
    for field, table in [(field, tables[path]) for path, field in fields if path in tables]:
        field.setdefault("x-placeholders", table)


def _keyword(text: str, value: Any, kind: str) -> tuple[str, Any]:
    """The keyword for a bound of a rule about a field of this type and its value, "" or None if there is none."""
    word, _, step = text.partition(" ")
    if kind == "string" or not isinstance(value, list):
        return word, [*value] if isinstance(value, list) else value + int(step or 0)
    numbers = [read_json(one) for one in value if re.fullmatch(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?", one)]
    if word == "multipleOf":
        return word, numbers[0] if len(value) == 1 and numbers > [0] else None
    return word, numbers if len(numbers) == len(value) > 1 else None  # one alone is seldom a list


@typed
def new_model(page: Path, target: Path, provider: str = "", operation: str | None = None) -> tuple[str, ...]:
    """Write a page with the name of its provider, and commented all that it lacks, to `target`; the lines of a report. *reads files*, *writes files*. Raises: SpecError, also if `target` exists; SeedanceError if it cannot be written."""
    document, _ = read_document(page)
    if str(document.get("swagger", "")).startswith("2"):  # all that it lacks is said as in OpenAPI
        document = {key: one for key, one in _operations.upgraded(document).items() if key != "swagger"}
    urls = {find(packaged(f"_providers/{one}"), "/servers/0/url"): one for one in providers()}
    if name := provider or document.get("x-provider") or urls.get(str(find(document, "/servers/0/url"))):
        document |= {"x-provider": name}
    if operation:  # the file is one model
        chosen = spec(document, operation=operation)
        for one in chosen.operations:  # what is no request, such as the status call, stays
            if (one.path, one.method) != (chosen.path, chosen.method):
                document = set_at(document, ("paths", one.path, one.method), ABSENT)
    document, call, missing = _completed(document)
    if "x-task" in document and (others := [name for name in missing if name != "the price"]):
        raise SpecError(f"to follow a task, x-task needs {', '.join(others)}", file=str(page), next_step="add them")
    named_fields(spec(document))  # raises before anything is written
    if target.exists():
        raise SpecError("this file exists and stays as it is", file=str(target), next_step="choose another target")
    with target.open("x", encoding="utf-8") as file:
        yaml.safe_dump(read_json(json_text(document)), file, sort_keys=False, allow_unicode=True, width=120)
        file.writelines(f"# {line}\n" for name, text in missing.items() for line in (f"# {name}", *text.splitlines()))
    return tuple(_report(spec(target), target, call, missing))


def _completed(document: dict[str, Any]) -> tuple[dict[str, Any], str, dict[str, str]]:
    """A page with the response to its request at the end, its status call in words, and all that it lacks to be sent and priced, by name, as YAML to follow it. *reads files*."""
    model = spec({name: value for name, value in document.items() if name != "x-task"})
    paths = dict(sorted(reader.objects(document.get("paths")), key=lambda one: (  # the nearest, with a state or else an id at its end
        -len(commonpath([f"/{one[0]}", f"/{model.path}"])), not one[0].endswith("/status"), not one[0].endswith("}"))))  # fmt: skip
    gets = {at: _operations.parameters_in(document, item, item["get"]) for at, item in paths.items() if "get" in item}
    ids = {path: [one["name"] for one in listed if one["in"] in ("path", "query")] for path, listed in gets.items()}
    path = next(filter(ids.get, ids), "")
    calls = {at: name for at, name in ((path.removesuffix("/status"), "getResult"), (path, "getTask")) if at in gets}
    names = {"path": model.path, "parameter": next(iter(ids.get(path, ())), "id"), "getTask": "getTask", "result": ""}
    told = f"GET {path}" if path else "none"
    has: dict[str, Any] = {"x-price": "x-price" in document or model.price.per_second or model.price.sizes}
    if model.task is None and "openapi" in document:
        place = ("paths", model.path, model.method, "responses", "200")
        replies = {"create": _replies(document, place[:4]), "getTask": {}}
        for path, name in calls.items():
            own, get = dict(reader.objects(paths[path])).get("get", {}), ("paths", path, "get")
            replies[name], names[name] = _replies(document, (*get, "responses")), str(own.get("operationId", name))
            linked = {"operationId": names[name], "parameters": gets[path], "responses": replies[name]}
            document = set_at(document, get, own | linked)
            told += f"; GET {path} has no operationId and is called {name} now" * ("operationId" not in own)
        answer = next(filter(None, map(replies["create"].get, ("200", "201", "202"))), {"description": "OK"})
        for name, (one, *how) in packaged("_skeleton")["pointers"].items():
            names[name] = _shown(document, replies.get(one, replies["getTask"]), *how)
        with suppress(SpecError):  # what cannot be read shows no words
            root, usual = Table(value=document, file="", pointer=""), [*packaged("_words").values()]
            states = tables.documented(tables.reply_of(root, replace(root, value=replies["getTask"])), names["state"])
            if new := [word for word in states or () if not any(tables.plain_word(word) in known for known in usual)]:
                names["words"] = json_text({"running": new})
        if "getResult" in replies:
            names["output"] = f"/result{names['output']}"
            names["result"] = f"\n  result: {{operation: {names['getResult']}, item: /result}}"
        has |= {name: name in answer for name in ("content", "links")}
        has |= {name: name in document for name in ("x-task", "x-errors")}
        has |= {"status": path, "security": model.auth or "security" in document}
        document = set_at(merged({"components": packaged("_skeleton")["components"]}, document), place, answer)
        for at in [place[:end] for end in range(1, len(place) + 1)]:
            document = set_at(set_at(document, at, ABSENT), at, find(document, to_pointer(at)))
    parts = [part for name, part in packaged("_skeleton")["parts"].items() if not has.get(name, True)]
    lacks = {one["name"]: re.sub("<([^<>]+)>", lambda name: names.get(name[1], "{}"), one["text"]) for one in parts}
    return document, told, lacks


def _shown(document: dict[str, Any], replies: Any, statuses: str, usual: str, *patterns: str) -> str:
    """The JSON Pointer to the value in documented responses of these statuses that fits the first pattern, else `usual`. *pure*."""
    found, root = list[str](), Table(value=document, file="", pointer="")
    for reply in [reply for status, reply in replies.items() if re.fullmatch(statuses, status)]:
        with suppress(SpecError):  # what cannot be read shows nothing
            body, _ = body_schema(root, find(reply, "/content/application~1json/schema"), "")
            kinds = {to_pointer(at): plain_of(one, {}).get("type") for at, one in values_in(body)}
            found += [at for at, kind in kinds.items() if kind not in ("object", "array") and not at[200:]]
    return next((at for like in patterns for at in found if re.fullmatch(like, at.lower())), usual)


def _replies(document: dict[str, Any], at: Sequence[str]) -> dict[str, Any]:
    """The responses at a place by their status, with the schema of an example where there is no other. *pure*."""
    found, root = dict[str, Any](), Table(value=document, file="", pointer="")
    for status, reply in reader.objects(find(document, to_pointer(at))):
        with suppress(SpecError):  # what cannot be read shows nothing
            one = tables.resolve_reference(root, replace(root, value=reply)).value  # with a schema in Swagger 2.0
            found[status] = one | {"content": {"application/json": one}} if "schema" in one else one
            content = find(found[status], "/content/application~1json")
            named = [find(one, "/value") for _, one in reader.objects(find(content, "/examples"))]
            values = [find(content, "/example"), find(content, "/schema/example"), *named]
            says = dict(reader.objects(content)).get("schema", {}).keys() - {"type", "description", "example"}
            for value in [one for one in values if one is not ABSENT and not says][:1]:
                found[status] = set_at(found[status], ("content", "application/json", "schema"), _schema_of(value))
    return found


def _schema_of(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"type": "object", "properties": {name: _schema_of(item) for name, item in value.items()}}
    return {"type": "array", "items": _schema_of(value[0])} if isinstance(value, list) and value else {"example": value}


def _report(model: Spec, target: Path, call: str, missing: Mapping[str, str]) -> Iterator[str]:
    yield f"Model: {model.name}, {model.method.upper()} {model.server}{model.path}, {len(named_fields(model))} fields; status call: {call}"
    none = f"none of {', '.join(providers())}. Forms and checks work; to send, add what is missing"
    yield f"Provider: {none if model.unsendable else f'{model.provider}; the key, the task table and the errors are known'}"
    yield f"Roles: {', '.join(f'{role} is {field}' for role, field in model.roles.items()) or 'none'}"
    yield f"No field for: {', '.join(role for role in ROLES if role not in model.roles) or 'none'}. If there is one, mark it with x-role"
    yield f"Limits: {len(model.rules)} read from its sentences; {len(model.unchecked)} sentences were not understood"
    price = f"{model.price.per_second:g} {model.price.unit} for each second" if model.price.per_second else ""
    yield f"Price: {price or (f'in {model.price.unit}' if model.price.sizes else model.price.note)}"
    yield f"Missing: {', '.join(missing) or 'nothing'}{'; each is at the end of the file, to be corrected and uncommented' * bool(missing)}"
    yield from (f"Schema problem: {oddity}" for oddity in model.oddities)
    tries = f"python -m seedance_nb simulate --document {target}, or sd.panel({str(target)!r}) in a notebook"
    yield f"Written to {target}. Try it: {f'sd.form({str(target)!r}) in a notebook' if model.unsendable else tries}"
