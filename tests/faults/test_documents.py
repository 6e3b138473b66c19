"""A hostile document is refused or shown at once, whatever it holds, and nothing that it names is fetched."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.hostile_documents import DOCUMENTS
from support.isolated import Ended, Isolated
from support.shelf import Shelf

SECONDS = 3.0  # what is not bounded takes minutes; how fast it is, the benchmarks measure
MOST_TO_FILL = 6.0  # for a body of hostile values on top: five checks and all that a form asks
MEGABYTES = 200
BLOWS_UP = (
    "laughs",
    "a bomb of merge keys",
    "oneOf nested 18 deep",
    "anyOf of 4 to the power of 9",
    "conditions in conditions",
)
FETCHED = ("a remote $ref", "a remote $id and a $ref below it")


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    with Isolated("support.hostile_documents") as made:
        yield made


@pytest.fixture(scope="module")
def listener() -> Iterator[Shelf]:
    shelf = Shelf()
    yield shelf
    shelf.stop()


@pytest.fixture(scope="module")
def ends(isolated: Isolated, listener: Shelf) -> dict[str, Ended]:
    """What became of every document, each in a child process of its own."""

    def show(by: Isolated, name: str) -> Ended:
        for _ in range(3):  # on a busy machine even processor time grows: noise is tried again, slow work stays slow
            end = by.run("support.hostile_documents:show", name, listener.origin)
            if not isinstance(end.answer, dict) or (
                end.answer["showing"] < SECONDS and end.answer["filling"] < MOST_TO_FILL
            ):
                break
        return end

    def shown(by: Isolated, names: list[str]) -> dict[str, Ended]:
        return {name: show(by, name) for name in names}

    names = list(DOCUMENTS)
    with Isolated("support.hostile_documents") as second, ThreadPoolExecutor(2) as pool:
        halves = [pool.submit(shown, isolated, names[::2]), pool.submit(shown, second, names[1::2])]
        return {name: end for half in halves for name, end in half.result().items()}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_is_refused_or_shown_at_once(name: str, ends: dict[str, Ended]) -> None:
    end = ends[name]
    assert end.answer, f"its process was ended by {end.signal}"
    assert end.answer["end"] in ("refused", "shown"), end.answer
    assert end.answer["showing"] < SECONDS  # of processor time, so that it is stable on a busy machine
    assert end.answer["filling"] < MOST_TO_FILL
    assert end.grown < MEGABYTES


def test_nothing_that_a_document_names_is_fetched(ends: dict[str, Ended], listener: Shelf) -> None:
    assert len(ends) == len(DOCUMENTS)
    assert (listener.connections, listener.asked) == (0, [])


SAYS = {
    "a $ref to a file": ("shown", ""),
    "laughs": ("refused", "more than 500,000 values"),
    "a bomb of merge keys": ("refused", "neither an OpenAPI document nor a JSON Schema"),
    "merge keys that grow": ("refused", "more than 500,000 values"),
    "a dict that holds itself": ("refused", "nested deeper than 100 levels"),
    "YAML 100,000 deep": ("refused", "nested deeper than 100 levels"),
    "JSON 100,000 deep": ("refused", "nested too deeply"),
    "an enum of 300,000 objects": ("refused", "more than 500,000 values"),
    "bounds beyond every float": ("refused", "not a number that JSON can store"),
    "YAML bounds beyond every float": ("refused", "not a number that JSON can store"),
    "bounds that are no numbers": ("refused", "not a number that JSON can store"),
    "whole numbers of 5,000 digits": ("refused", "4300 digits"),
    "oneOf nested 18 deep": ("shown", "unchecked: could not be fully checked"),
    "unevaluated all the way down": ("shown", "unchecked: could not be fully checked"),
    "9,000 required fields": ("shown", "required: is required"),
    "Python in tags": ("refused", "the tag tag:yaml.org,2002:python/object/apply:os.system is not supported"),
    "a link to /dev/zero": ("refused", "not a regular file"),
    "a pipe": ("refused", "not a regular file"),
    "UTF-16": ("refused", "the file cannot be read"),
    "UTF-8 with a mark": ("shown", ""),
}


@pytest.mark.parametrize("name", SAYS)
def test_what_is_refused_or_left_unchecked_says_why(name: str, ends: dict[str, Ended]) -> None:
    end, words = SAYS[name]
    assert ends[name].answer["end"] == end
    assert words in ends[name].answer["said"]


@pytest.mark.parametrize("name", BLOWS_UP)
def test_the_libraries_below_blow_up_on_them_when_left_as_they_come(name: str, isolated: Isolated) -> None:
    end = isolated.run("support.hostile_documents:naive", name, "http://127.0.0.1:9")
    assert end.signal or end.answer[0] == "MemoryError" or end.cpu > SECONDS, end


@pytest.mark.parametrize("name", FETCHED)
def test_the_libraries_below_fetch_when_left_as_they_come(name: str, isolated: Isolated) -> None:
    other = Shelf()
    isolated.run("support.hostile_documents:naive", name, other.origin)
    assert other.connections
    other.stop()
