"""The documentation site: `python -m sphinx -W -c notebooks/docs notebooks build/docs`, in seconds and without a network.

The pages beside this file include README and CONTRIBUTING where those say it already; the guides are the notebooks, which are
not run. Function texts are the docstrings, command texts are argparse's help.
"""

import contextlib
import inspect
import io
import os
import re
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[2]))

import seedance_nb as sd
from seedance_nb import _magics
from seedance_nb.__main__ import main

project = "seedance_nb"
version = release = sd.__version__
root_doc = "docs/index"
include_patterns = ["[0-9]*.ipynb", "docs/*.md"]
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"
myst_heading_anchors = 3
default_role = "literal"
add_module_names = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
pygments_style, pygments_dark_style = "sas", "monokai"
html_theme = "furo"
html_static_path = html_css_files = ["narrow.css"]
html_title = f"seedance_nb {release}"
html_copy_source = html_show_copyright = smartquotes = False  # "--execute" stays as it is

NAMES = re.compile(r"```\{names\}\n(.*?)```", re.DOTALL)
COMMANDS, MAGIC = (re.compile(rf"```\{{{name}\}}\n.*?```\n", re.DOTALL) for name in ("commands", "magic"))
SOURCE = re.compile(r"> \*\*You see the source of this page\.\*\*.*?\n\n", re.DOTALL)  # for readers of the file
PART = re.compile(r"The (?P<list>parameters|attributes):|(?P<field>Returns|Raises)(?P<more>[^:]{0,40}): (?P<text>.+)")


def help_of(*command: str) -> str:
    """What `python -m seedance_nb … --help` prints."""
    printed = io.StringIO()
    with (
        patch.dict(os.environ, COLUMNS="88", NO_COLOR="1"),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main([*command, "--help"])
    return printed.getvalue()


def commands() -> list[str]:
    """The names of all commands."""
    return re.findall(r"^ {4}(\w[\w-]*)", help_of(), re.MULTILINE)


def command_section(name: str) -> str:
    """The section about one command, as Markdown; those that take a model list its fields, so one of them is the example."""
    model = ["crun/seedance-1.0-pro-t2v"] if "--field value" in (text := help_of(name)) else []
    example = f"With `{model[0]}`, for example:\n\n```text\n{help_of(name, *model)}```\n" if model else ""
    return f"### {name}\n\n```text\n{text}```\n\n{example}"


def entries(text: str) -> str:
    """The entries for lines such as `Task wait resolve: …`: a name, those of its members that a person uses, and what it is."""
    entry = list[str]()
    for line in text.splitlines():
        name, *members = line.partition(":")[0].split()
        value = getattr(sd, name)
        kind = "function" if not isinstance(value, type) else "exception" if issubclass(value, Exception) else "class"
        entry += [f".. auto{kind}:: seedance_nb.{name}", *([f"   :members: {', '.join(members)}"] if members else [])]
    return "```{eval-rst}\n" + "\n".join(entry) + "\n```"


def generate(_: Any, page: str, source: list[str]) -> None:
    """Puts what is generated into a page, in place of the lists in its source: entries of names, and the help of commands."""
    if page.startswith("docs/"):
        text = NAMES.sub(lambda match: entries(match[1]), SOURCE.sub("", source[0]))
        text = MAGIC.sub(lambda _: inspect.getdoc(_magics.seedance) or "", text)
        sections = "\n".join(map(command_section, commands()))
        source[0] = COMMANDS.sub(lambda _: f"```text\n{help_of()}```\n\n{sections}", text)


def linked(text: str) -> str:
    """The text with links to the public names in it."""
    errors = "|".join(name for name in sd.__all__ if name[0].isupper())
    text = re.sub(r"`sd\.(\w+)(\(\))?`", lambda one: _link(one[0].strip("`"), one[1]), text)
    return re.sub(rf"(?<![\w.`<])`?({errors})`?(?![\w`>])", lambda one: _link(one[1], one[1]), text)


def _link(text: str, name: str) -> str:
    return f":py:obj:`{text} <seedance_nb.{name}>`" if name in sd.__all__ else f"`{text}`"


def write_fields(_app: Any, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Turns the parts of a docstring, which are written for `help()`, into reStructuredText's lists."""
    text, is_list = list[str](), False
    for line in lines:
        part = PART.fullmatch(line)
        is_item = is_list and re.match(r"  \w[\w, ]*: ", line)
        is_list = bool(part and part["list"]) or (is_list and line.startswith("  "))
        if line.startswith((">>>", "...")):
            text += [line]
        elif part and part["list"]:
            text += ["", f":{part['list'].capitalize()}:"]
        elif part:
            text += ["", f":{part['field']}{part['more']}: {linked(part['text'])}"]
        elif is_item:
            names, _, rest = line.strip().partition(": ")
            text += ["    " + ", ".join(f"``{one}``" for one in names.split(", ")), f"        {linked(rest)}"]
        elif is_list:
            text += [f"        {linked(line.strip())}"]
        else:
            is_continued = text and text[-1].startswith((":Returns", ":Raises", "    ")) and line.strip()
            text += [f"    {linked(line)}" if is_continued else linked(line)]
    lines[:] = [*text, ""]


def write_entrance(app: Any, error: Exception | None) -> None:
    """Writes the site's first page, which leads to Start: the root of the pages is the folder of the notebooks."""
    if not error and app.builder.format == "html":
        page = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html"><a href="docs/index.html">Start</a>'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Any) -> None:
    """Connects the above to Sphinx."""
    app.connect("source-read", generate)
    app.connect("autodoc-process-docstring", write_fields)
    app.connect("build-finished", write_entrance)
