"""Checks of URLs for providers."""

import re
from urllib.parse import urlsplit

STRAY = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})")
"""Characters that RFC 3986 does not allow: all but unreserved, reserved and percent-encoded ones."""
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
_ASSET = re.compile(r"^asset://[A-Za-z0-9][A-Za-z0-9._-]*$")
_BARE_ASSET = re.compile(r"^asset[-_][A-Za-z0-9._-]+$")
SIMULATED_HOST = ".simulator.invalid"
SIMULATED_ASSET = "asset://simulated-"
LOCAL = "looks like a local file"
_LOCAL = re.compile(r"^(?:file:|~|\.{0,2}[/\\]|[A-Za-z]:[/\\]|[^:/?#\s]+\.[A-Za-z0-9]{2,4}$)")


def uri_error(text: str) -> str:
    """Why `text` is not an absolute URI by RFC 3986, "" if it is one. *pure*."""
    scheme, stray = _SCHEME.match(text), STRAY.search(text)
    if not text:
        return "is empty"
    if text != text.strip():
        return "has a space before or after the URL"
    if not scheme:
        return "is not a URL: it has no scheme such as https://"
    if stray:
        return f"is not a URL: {stray.group()!r} must be percent-encoded"
    if scheme.end() == len(text):
        return "is not a URL"
    if not text.lower().startswith(("http:", "https:")):
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL: the host or port is malformed"
    return "" if host and text.lower().startswith(f"{parts.scheme}://") else "is not a URL: it has no host"


def media_error(text: str, schemes: list[str]) -> str:
    """Why `text` is not a media URL with one of these schemes, "" if it is; AssetIds, local files and Base64 are explained. *pure*."""
    if not text:
        return "is empty"
    if text.lower().startswith("data:"):
        return "is Base64 data; use a public URL instead"
    if "asset" in schemes and _BARE_ASSET.match(text):
        return f"is an AssetId without its scheme; write asset://{text}"
    if _LOCAL.match(text):
        return f"{LOCAL}, but this provider accepts only public URLs; upload it to a web host and pass its URL"
    scheme = _SCHEME.match(text)
    if scheme and scheme.group(1).lower() not in schemes:
        return f"starts with {scheme.group()}; allowed: {', '.join(f'{name}://' for name in schemes)}"
    if text.lower().startswith("asset:"):
        return "" if _ASSET.match(text) else "is not an asset URL; write asset:// and the AssetId"
    error = uri_error(text)
    if not error and urlsplit(text).username is not None:
        return "has a user name before the host, which the provider would see"
    return error
