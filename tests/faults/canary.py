"""Looks for a key in bytes, however it is spelled; written without the product's own way of hiding one."""

import base64
import json
import urllib.parse

KEY = 'ak_canary_7Qx+/k"9zW&e~d%b5'
"""A key with signs that every encoding spells differently."""
SIGNATURE = "c4n4ry51gn4tur3c4n4ry"
"""What the query of a signed address contains."""


def spellings(key: str) -> dict[str, bytes]:
    """Each spelling of a key that is looked for, by name."""
    raw = key.encode()
    found = {
        "plain": raw,
        "json": json.dumps(key)[1:-1].encode(),
        "json-u": "".join(f"\\u{ord(sign):04x}" for sign in key).encode(),
        "json-u2": "".join(f"\\\\u{ord(sign):04x}" for sign in key).encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "percent": urllib.parse.quote(key, safe="").encode(),
        "percent-all": "".join(f"%{byte:02X}" for byte in raw).encode(),
        "percent-low": "".join(f"%{byte:02x}" for byte in raw).encode(),
        "html": key.replace("&", "&amp;").replace('"', "&quot;").encode(),
        "html-amp": key.replace("&", "&amp;").encode(),
        "html-u": key.replace("&", "&amp;").replace('"', "&#34;").encode(),
        "html-x": "".join(f"&#x{ord(sign):x};" for sign in key).encode(),
        "html-0": "".join(f"&#0{ord(sign)};" for sign in key).encode(),
        "python-x": "".join(f"\\x{byte:02x}" for byte in raw).encode(),
        "upper": key.upper().encode(),
        "swapped": key.swapcase().encode(),
        "repr": repr(raw)[2:-1].encode(),
    }
    for phase in range(3):
        found[f"base64-{phase}"] = base64_core(raw, phase)
        found[f"base64url-{phase}"] = base64_core(raw, phase).translate(bytes.maketrans(b"+/", b"-_"))
    return found


def base64_core(raw: bytes, phase: int) -> bytes:
    """What base64 makes of `raw` whatever is before and after it, beginning at one of the three phases."""
    zeros, ones = (base64.b64encode(fill * phase + raw + fill * 3) for fill in (b"\0", b"\xff"))
    same = bytes(one if one == other else 0 for one, other in zip(zeros, ones, strict=True))
    return max(same.split(b"\0"), key=len)


def hits(content: bytes, key: str = KEY) -> list[str]:
    """The names of the spellings of `key` that stand in `content`."""
    return [name for name, spelled in spellings(key).items() if spelled in content]
