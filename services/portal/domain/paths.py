"""Where a browser may be sent: only to pages of our own."""

import re

_LOCAL = re.compile(r"/(?![/\\])[\w\-./?=&%~:,+#]*", re.ASCII)


def local_path(told: str) -> str:
    """*told* when it is a path of this site, else `/`: never another host, never a script."""
    return told if len(told) <= 500 and _LOCAL.fullmatch(told) else "/"
