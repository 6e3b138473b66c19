"""What is installed is named by version and hash, and what runs on the way to a release by its commit."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = {
    "requirements.txt": ("lab", "build"),
    "dev.txt": ("dev",),
    "release.txt": ("release",),
    "follow.txt": ("follow",),
}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
USES = re.compile(r"uses:\s*(\S+)(?:\s+#\s*(\S+))?")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def group(name: str) -> list[str]:
    """What a dependency group asks for, those that it includes among them."""
    asked: list[str] = []
    for item in project()["dependency-groups"][name]:
        asked += [item] if isinstance(item, str) else group(item["include-group"])
    return asked


def locked(name: str) -> dict[str, str]:
    """Version by package, of what a lock names."""
    found: dict[str, str] = {}
    for line in entries(name):
        asked = Requirement(re.split(r"\s\\?\s*--hash", line)[0].strip())
        found[canonicalize_name(asked.name)] = str(asked.specifier).removeprefix("==")
    return found


def entries(name: str) -> list[str]:
    text = (ROOT / "binder" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@pytest.mark.parametrize("name", LOCKS)
def test_everything_that_a_lock_names_has_one_version_and_hashes(name: str) -> None:
    lines = entries(name)
    assert len(lines) > 30
    assert [line for line in lines if not re.match(r"[A-Za-z0-9._-]+==[^ ]+ ", line) or not HASH.search(line)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_the_project_asks_for_now(name: str) -> None:
    asked = [
        Requirement(text)
        for text in [*project()["project"]["dependencies"], *(one for part in LOCKS[name] for one in group(part))]
    ]
    has = locked(name)
    missing = [
        str(one)
        for one in asked
        if not one.specifier.contains(has.get(canonicalize_name(one.name), "0.dev0"), prereleases=True)
    ]
    assert missing == [], "python binder/lock.py writes the locks anew"


def test_two_locks_never_name_two_versions_of_the_same() -> None:
    lab, dev = locked("requirements.txt"), locked("dev.txt")
    assert {name: (lab[name], dev[name]) for name in lab.keys() & dev.keys() if lab[name] != dev[name]} == {}
    assert lab.keys() <= dev.keys()


def workflows() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")}


@pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="the workflows are no part of this copy")
def test_every_action_is_named_by_its_commit_and_has_its_version_beside_it() -> None:
    used = [match.groups() for text in workflows().values() for match in USES.finditer(text)]
    assert len(used) > 8
    assert [
        name
        for name, version in used
        if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) or not re.fullmatch(r"v\d+\.\d+\.\d+", version or "")
    ] == []
    versions = {name.partition("@")[0]: name for name, _ in used}
    assert {name for name, _ in used} == set(versions.values()), "one action, one commit"


@pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="the workflows are no part of this copy")
def test_only_the_jobs_that_sign_or_publish_may_say_who_they_are() -> None:
    texts = workflows()
    assert all("\npermissions: {}\n" in text for text in texts.values())
    assert "id-token" not in texts["ci.yml"]
    assert not any("secrets." in text for text in texts.values())
    assert texts["release.yml"].count("id-token: write") == 2
