"""Maildir++: durable delivery, folders, quota, and mbox files.

Other names that callers may want live in the modules: `names` (file names), `folders` and
`encodings` (folder names), `delivery` (how a message becomes durable).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.maildir.acl import Acl, AclEntry, identities_of
    from couriermail.maildir.acl_store import AclStore
    from couriermail.maildir.delivery import (
        DeliveryResult,
        PreparedMessage,
        QuotaLedger,
        commit_all,
    )
    from couriermail.maildir.entries import Entry
    from couriermail.maildir.errors import (
        AclMinimumError,
        InvalidNameError,
        MaildirError,
        MaildirExistsError,
        MaildirLockedError,
        MaildirMissingError,
        MaildirStorageError,
        QuotaExceeded,
        QuotaTextError,
    )
    from couriermail.maildir.keyword_list import format_keyword_list, parse_keyword_list
    from couriermail.maildir.keyword_store import KeywordStore
    from couriermail.maildir.locks import LockPolicy
    from couriermail.maildir.maildir import Maildir, deliver_all
    from couriermail.maildir.mbox import deliver_mbox
    from couriermail.maildir.names import MaildirKey
    from couriermail.maildir.quota import Quota, Usage
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "acl": ("Acl", "AclEntry", "identities_of"),
            "acl_store": ("AclStore",),
            "delivery": ("DeliveryResult", "PreparedMessage", "QuotaLedger", "commit_all"),
            "entries": ("Entry",),
            "errors": (
                "AclMinimumError",
                "InvalidNameError",
                "MaildirError",
                "MaildirExistsError",
                "MaildirLockedError",
                "MaildirMissingError",
                "MaildirStorageError",
                "QuotaExceeded",
                "QuotaTextError",
            ),
            "keyword_list": ("format_keyword_list", "parse_keyword_list"),
            "keyword_store": ("KeywordStore",),
            "locks": ("LockPolicy",),
            "maildir": ("Maildir", "deliver_all"),
            "mbox": ("deliver_mbox",),
            "names": ("MaildirKey",),
            "quota": ("Quota", "Usage"),
        },
    )

__all__ = [
    "Acl",
    "AclEntry",
    "AclMinimumError",
    "AclStore",
    "DeliveryResult",
    "Entry",
    "InvalidNameError",
    "KeywordStore",
    "LockPolicy",
    "Maildir",
    "MaildirError",
    "MaildirExistsError",
    "MaildirKey",
    "MaildirLockedError",
    "MaildirMissingError",
    "MaildirStorageError",
    "PreparedMessage",
    "Quota",
    "QuotaExceeded",
    "QuotaLedger",
    "QuotaTextError",
    "Usage",
    "commit_all",
    "deliver_all",
    "deliver_mbox",
    "format_keyword_list",
    "identities_of",
    "parse_keyword_list",
]
