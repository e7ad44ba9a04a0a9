"""What agents use only sometimes, imported once in their parent.

Rooms import rarely used modules where they are needed, so that commands start fast.  An agent
is forked for every burst of mail: what its parent has not imported, each of them would import
again (`ctypes`, for the sync that a batch shares, takes 10 ms).  And an agent that became its
user may not be allowed to read the interpreter's library at all.
"""

from __future__ import annotations

import contextlib
import gc
import importlib

__all__ = ["PRELOADED", "preload"]

OPTIONAL = ("idna", "idna.uts46data")  # extras that may not be installed

PRELOADED = (
    "ctypes",
    "regex",
    "encodings.idna",
    "encodings.punycode",
    "couriermail.filter.actions",
    "couriermail.filter.commands",
    "couriermail.filter.delivery_log",
    "couriermail.filter.forwarding",
    "couriermail.filter.functions",
    "couriermail.filter.locking",
    "couriermail.filter.search",
    "couriermail.maildir.create",
    "couriermail.maildir.folders",
    "couriermail.maildir.keywords",
    "couriermail.maildir.maildirsize",
    "couriermail.maildir.syncing",
    "couriermail.rfc822",
    "couriermail.rfc822.address",
)


def preload() -> None:
    """Import it all, and keep the collector from touching it: forks share its memory then."""
    for name in PRELOADED:
        importlib.import_module(name)
    for name in OPTIONAL:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
