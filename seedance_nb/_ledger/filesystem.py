"""The file system of a file, and whether processes can share memory on it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_SHARED = re.compile(
    "9p|afs|beegfs|ceph|cifs|coda|davfs|drive|drivefs|drvfs|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs[34]?|ocfs2|orangefs"
    r"|prl_fs|pvfs2|smb3|smbfs|vboxsf|virtiofs|vmhgfs|fuse|fuse\.(?!fuse-overlayfs$).*"
)


def filesystem(path: Path, mounts: str) -> str:
    """The type of the file system of `path` (absolute, without links), "" if `mounts` (/proc/mounts) does not list it. *pure*."""
    kind, longest = "", -1
    for mount, its_kind in _mount_points(mounts):
        # Of two mounts at one path, the later one covers the earlier.
        if path.is_relative_to(mount) and len(mount.parts) >= longest:
            kind, longest = its_kind, len(mount.parts)
    return kind


def is_mount_point(path: Path, mounts: str) -> bool:
    """Whether `mounts` lists `path` itself, as for a single file that a container mounts. *pure*."""
    return any(path == mount for mount, _ in _mount_points(mounts))


def _mount_points(mounts: str) -> Iterator[tuple[Path, str]]:
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3:  # noqa: PLR2004 - device, mount point, type
            escaped = os.fsencode(fields[1])
            mount = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8) & 255]), escaped)
            yield Path(os.fsdecode(mount)), fields[2]


def is_remote(kind: str) -> bool:
    """Whether write-ahead logging, which needs shared memory, is unsafe on this type, as on most FUSE file systems. *pure*."""
    return _SHARED.fullmatch(kind) is not None


def mounts() -> str:
    """The text of /proc/mounts, "" if there is none. *reads files*."""
    try:
        return os.fsdecode(Path("/proc/mounts").read_bytes())
    except OSError:
        return ""
