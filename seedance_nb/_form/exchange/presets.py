"""A form's values as a file that can be given to somebody else: the document's name and the values, never a key or a secret."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.values import ABSENT, json_text, read_json
from seedance_nb._document.spec import Spec
from seedance_nb._form.model.secrets import masked

MOST_BYTES = 50_000_000


def save_preset(path: str | Path, spec: Spec, values: dict[str, Any]) -> Path:
    """Where the preset lies now, as JSON in UTF-8. *writes files*: the whole preset under its name, or nothing.

    Values that the document calls secret (`format: password`, `writeOnly`) are left out.
    Raises: SeedanceError where it cannot be written, or would replace a file that is no preset.
    """
    file = Path(path).expanduser()
    if not isinstance(values, dict):
        raise SeedanceError("Only a request that is an object is saved as a preset.")
    try:
        json_text(values).encode()
        text = (
            json.dumps({"document": spec.name, "values": masked(spec, values, ABSENT)}, ensure_ascii=False, indent=2)
            + "\n"
        )
        if file.exists():
            _read(file)
        _write(file, text.encode())
    except (ValueError, TypeError) as error:
        problem = f"These values cannot be saved: {error}."
    except SeedanceError:
        problem = f"{file} is there already and is no preset, so it is not replaced."
    except OSError as error:
        problem = f"The preset {file} cannot be written ({error.strerror})."
    else:
        return file
    raise SeedanceError(problem, next_step="save it under another name")


def load_preset(path: str | Path, spec: Spec) -> dict[str, Any]:
    """The values of a preset of this document. *reads files*.

    Raises: SeedanceError for a file that cannot be read, is no preset, or is one of another document.
    """
    file = Path(path).expanduser()
    preset = _read(file)
    if preset["document"] != spec.name:
        raise SeedanceError(
            f"The preset {file} is of {preset['document']}, and this form is of {spec.name}.",
            next_step=f"load it into sd.form({preset['document']!r}); what fits here can be set with form.values",
        )
    values: dict[str, Any] = preset["values"]
    return values


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MOST_BYTES:
            problem = f"has more than {MOST_BYTES:,} bytes"
        else:
            preset = read_json(file.read_bytes().decode("utf-8-sig"))
            is_one = isinstance(preset, dict) and set(preset) == {"document", "values"}
            if is_one and isinstance(preset["document"], str) and isinstance(preset["values"], dict):
                return {**preset}
            problem = 'is not {"document": name, "values": {…}}'
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except ValueError as error:
        problem = f"is not JSON in UTF-8 ({error})"
    raise SeedanceError(f"{file} is no preset: it {problem}.", next_step="give a file that form.save(path) has made")


def _write(file: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
