"""The magic `%%seedance`, which `%load_ext seedance_nb` adds to IPython."""

import re
import shlex
from dataclasses import replace
from typing import Any

from IPython import get_ipython
from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand
from IPython.display import display

import seedance_nb as sd
from seedance_nb._api import _default
from seedance_nb._check.check import values_by_role
from seedance_nb._check.price import price_note
from seedance_nb._notebook.completion import request_of


@no_var_expand
def seedance(line: str, cell: str = "") -> Any:
    """Generate the video of the prompt in this cell. *spends credits*, *network*, *writes ledger*, *writes files*.

        %%seedance crun/seedance-2.0-i2v --duration 8 --budget 100 --name video
        A fox runs through snow

    The same cell again shows the same video and costs nothing. `%seedance` lists the models, and
    `%seedance MODEL --help` the options and fields of one.
    """
    names = get_ipython().user_ns
    try:
        words = shlex.split(line)
        if not words:
            return sd.models()
        if words[0] in ("--help", "-h"):
            return help(seedance)
        if "--expand" in words:
            texts = (*words, cell)
            *words, cell = (re.sub(r"\{([^\W\d]\w*)\}", lambda found: str(names[found[1]]), text) for text in texts)
        if cell.strip():
            words.append(f"--{sd.spec(words[0]).roles.get('prompt', 'prompt').rpartition('/')[2]}={cell.strip()}")
        spec, chosen, fields = request_of("magic", "%%seedance", words)
    except KeyError as error:
        raise UsageError(f"--expand: there is no variable {error}") from None
    except ValueError as error:
        raise UsageError(f"{error}: {line}") from None
    except SystemExit as ended:  # argparse has shown the error, or the help
        if ended.code:
            raise UsageError(f"see %seedance {words[0]} --help") from None
        return None
    if chosen.name and not chosen.name.isidentifier():
        raise UsageError(f"--name: {chosen.name!r} is not the name of a variable")
    if chosen.dry_run:
        display(problems := sd.check(spec, **fields))
        if not all(problem.warns for problem in problems):
            return None
        price = sd.estimate(spec, **fields)
        note = price_note(spec, price, simulated=_default().is_simulated(spec), budget=chosen.budget)
        return replace(price, why=note.removesuffix("."))
    if (prompt := spec.roles.get("prompt")) and not str(values_by_role(spec, fields).get("prompt") or "").strip():
        raise UsageError(f"nothing was sent: write the prompt below %%seedance, or in --{prompt.rpartition('/')[2]}")
    options = {name: getattr(chosen, name) for name in ("take", "budget", "preflight", "timeout")}
    video = sd.generate(spec, **options, **fields)
    names.update({chosen.name: video} if chosen.name else {})
    return video
