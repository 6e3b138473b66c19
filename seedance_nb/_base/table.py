"""The tables that come with the package, as YAML beside the module that uses them."""

from pathlib import Path
from typing import Any

import yaml


def packaged_table(module: str, name: str = "") -> Any:
    """The values of `name`.yaml beside a module's `__file__`, else of the table with the module's own name. *reads files*."""
    path = Path(module).with_name(f"{name}.yaml") if name else Path(module).with_suffix(".yaml")
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # the first is eight times as fast
    return loader(path.read_text(encoding="utf-8")).get_single_data()
