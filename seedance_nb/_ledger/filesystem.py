"""Which file system a file lies on, and whether the processes that use it can share memory there."""

import re
from pathlib import Path

_SHARED = re.compile(
    "9p|afs|beegfs|ceph|cifs|coda|davfs|drive|drivefs|drvfs|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs[34]?|ocfs2|orangefs"
    r"|prl_fs|pvfs2|smb3|smbfs|vboxsf|virtiofs|vmhgfs|fuse|fuse\.(?!fuse-overlayfs$).*"
)


def filesystem(path: Path, mounts: str) -> str:
    """The type of the file system that holds `path`, "" if `mounts`, the text of /proc/mounts, does not say. *pure*.

    `path` is absolute and free of links.
    """
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
    """Whether write-ahead logging, which needs memory shared by all users of a file, is unsafe on this type. *pure*.

    A file system in user space (FUSE) counts as such unless it is a local disk's: what it does with shared memory is not known.
    """
    return _SHARED.fullmatch(kind) is not None


def mounts() -> str:
    """The system's own list of what is mounted, "" where there is none. *reads files*."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
