"""Whether threads may be daemons here, which never keep the interpreter from ending.

In a sub-interpreter they may not: there, threads of ours that a task leaves are waited for.
"""

from __future__ import annotations

import threading


def _allowed() -> bool:
    try:
        threading.Thread(daemon=True)
    except RuntimeError:
        return False
    return True


DAEMON = _allowed()
