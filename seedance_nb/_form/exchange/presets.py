"""Save a form's values as a file and load them: the model's name and the values, without keys and secrets."""

import json
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.values import ABSENT, json_text, read_json
from seedance_nb._check.secrets import masked
from seedance_nb._document.spec import Spec
from seedance_nb._web.regular_files import write

MOST_BYTES = 50_000_000


def save_preset(path: str | Path, spec: Spec, values: dict[str, Any]) -> Path:
    """Write the values as JSON in UTF-8 and return the file's path. *writes files*: the whole preset, or nothing.

    Secrets (`password`, `writeOnly`) are not saved. Raises: SeedanceError if it cannot be written or would replace another file.
    """
    file = Path(path).expanduser()
    if not isinstance(values, dict):
        raise SeedanceError("Only a request that is an object can be saved as a preset.")
    try:
        json_text(values).encode()
        preset = {"document": spec.name, "values": masked(spec, values, ABSENT)}
        if file.exists():
            _read(file)
        write(file, (json.dumps(preset, ensure_ascii=False, indent=2) + "\n").encode())
    except (ValueError, TypeError) as error:
        problem = f"These values cannot be saved: {error}."
    except SeedanceError:
        problem = f"{file} exists and is not a preset, so it was not replaced."
    except OSError as error:
        problem = f"The preset {file} could not be written ({error.strerror})."
    else:
        return file
    raise SeedanceError(problem, next_step="save it under another name", charged=None)


def load_preset(path: str | Path, spec: Spec) -> dict[str, Any]:
    """The values of a preset. *reads files*. Raises: SeedanceError if it cannot be read, is no preset, or is for another model."""
    file = Path(path).expanduser()
    preset = _read(file)
    if (name := preset["document"]) != spec.name:
        problem = f"The preset {file} is for {name}, but this form is for {spec.name}."
        next_step = f"load it into sd.form({name!r}), or set the values that fit here with form.values"
        raise SeedanceError(problem, next_step=next_step, charged=None)
    return dict(preset["values"])


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MOST_BYTES:
            problem = f"has more than {MOST_BYTES:,} bytes"
        else:
            preset = read_json(file.read_bytes().decode("utf-8-sig"))
            is_preset = isinstance(preset, dict) and set(preset) == {"document", "values"}
            if is_preset and isinstance(preset["document"], str) and isinstance(preset["values"], dict):
                return {**preset}
            problem = 'is not {"document": name, "values": {…}}'
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except ValueError as error:
        problem = f"is not JSON in UTF-8 ({error})"
    next_step = "load a file that form.save(path) wrote"
    raise SeedanceError(f"{file} is not a preset: it {problem}.", next_step=next_step, charged=None)
