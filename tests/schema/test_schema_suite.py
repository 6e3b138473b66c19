"""The official JSON-Schema-Test-Suite: draft 4 serves for OpenAPI 3.0 and 2020-12 for 3.1.

It is no part of the project and in no wheel; the source package of jsonschema brings it. Without it these tests are skipped:

    pip download --no-deps --no-binary :all: jsonschema && tar xf jsonschema-*.tar.gz
    JSON_SCHEMA_TEST_SUITE=$PWD/jsonschema-4.26.0/json/tests pytest tests/schema/test_schema_suite.py
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._check.check import check, warnings

SUITE = Path(os.environ.get("JSON_SCHEMA_TEST_SUITE", "nowhere"))
DRAFTS = {"draft4": "http://json-schema.org/draft-04/schema#", "draft2020-12": ""}

# What the suite calls invalid and is accepted here, by file, with the reason.
ACCEPTED = {
    "dynamicRef.json": "a document that is entered by its $id in `then`, not by a reference, is not on the way of a dynamic reference (1 case)",
    "optional/zeroTerminatedFloats.json": "1.0 and 1 are one number here, as they are in every later draft",
    "optional/format/ecmascript-regex.json": "a needless escape is read as the sign itself, as browsers do",
    "optional/format/idn-email.json": "this format is not known here, and no document of a video service has it",
    "optional/format/idn-hostname.json": "as idn-email",
    "optional/format/iri.json": "as idn-email",
    "optional/format/iri-reference.json": "as idn-email",
    "optional/format/relative-json-pointer.json": "as idn-email",
    "optional/format/uri-template.json": "as idn-email",
    "optional/format/time.json": "a time of day without an offset is what most documents with this format mean",
    "optional/unknownKeyword.json": "an $id is found wherever it stands, also under a keyword that nobody knows",
}
# Schemas that are refused as a whole, with file and pointer, or have a part that is told not to be checked: it is in another document.
REFUSED, UNREAD = ("must be an object", "neither an OpenAPI"), "any value is allowed here"
# What the suite calls valid and is refused here.
STRICTER = {
    "dynamicRef.json": ACCEPTED["dynamicRef.json"],
    "format.json": "a format is checked, where the standard leaves that open",
    "vocabulary.json": "a document cannot switch off checks by a metaschema of its own",
    "optional/unknownKeyword.json": ACCEPTED["optional/unknownKeyword.json"],
}

pytestmark = pytest.mark.skipif(not SUITE.is_dir(), reason="JSON_SCHEMA_TEST_SUITE names no folder")


def groups(draft: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((SUITE / draft).rglob("*.json")):
        for group in json.loads(file.read_text(encoding="utf-8")):
            yield file.relative_to(SUITE / draft).as_posix(), group


@pytest.mark.parametrize("draft", DRAFTS)
def test_nothing_crashes_and_nothing_invalid_is_accepted(draft: str) -> None:
    count: Counter[str] = Counter()
    wrong = []
    for file, group in groups(draft):
        schema = group["schema"]
        if not isinstance(schema, dict):
            continue
        if DRAFTS[draft]:
            schema = {"$schema": DRAFTS[draft], **schema}
        try:
            made = sd.spec(schema)
        except sd.SpecError as error:
            if not any(words in str(error) for words in REFUSED):
                wrong.append(f"{file}: {group['description']}: {error}")
            count["refused as a whole"] += len(group["tests"])
            continue
        if any(UNREAD in odd.message for odd in made.oddities):
            count["refused as a whole"] += len(group["tests"])
            continue
        for case in group["tests"]:
            found = check(made, case["data"])
            unchecked = warnings(made, case["data"])
            told = f"{file}: {group['description']}: {case['description']}"
            if not case["valid"] and not found and not unchecked and file not in ACCEPTED:
                wrong.append(f"accepted {told}")
            if case["valid"] and found and file not in STRICTER:
                wrong.append(f"refused {told}")
            count[f"valid is {case['valid']}, refused is {bool(found)}"] += 1
    assert wrong == []
    assert sum(count.values()) > 800
    assert count["refused as a whole"] < 100
