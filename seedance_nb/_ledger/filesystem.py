"""The file system of a file, and whether processes can share memory on it."""

import re
from pathlib import Path

_SHARED = re.compile(
    "9p|afs|beegfs|ceph|cifs|coda|davfs|drive|drivefs|drvfs|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs[34]?|ocfs2|orangefs"
    r"|prl_fs|pvfs2|smb3|smbfs|vboxsf|virtiofs|vmhgfs|fuse|fuse\.(?!fuse-overlayfs$).*"
)


def filesystem(path: Path, mounts: str) -> str:
    """The type of the file system of `path` (absolute, without links), "" if `mounts` (/proc/mounts) does not list it. *pure*."""
    kind, longest = "", -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, type
            continue
        mount = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        # Of two mounts at one path, the later one covers the earlier.
        if path.is_relative_to(mount) and len(mount.parts) >= longest:
            kind, longest = fields[2], len(mount.parts)
    return kind


def is_remote(kind: str) -> bool:
    """Whether write-ahead logging, which needs shared memory, is unsafe on this type, as on most FUSE file systems. *pure*."""
    return _SHARED.fullmatch(kind) is not None


def mounts() -> str:
    """The text of /proc/mounts, "" if there is none. *reads files*."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
