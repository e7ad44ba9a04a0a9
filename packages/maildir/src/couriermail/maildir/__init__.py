"""Maildir++: durable delivery, folders, quota, and mbox files.

Other names that callers may want live in the modules: `names` (file names), `folders` and
`encodings` (folder names), `delivery` (how a message becomes durable).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.maildir.acl import Acl, AclEntry, identities_of
    from couriermail.maildir.acl_store import AclStore
    from couriermail.maildir.autoresponses import AutoresponseQuota, Autoresponses
    from couriermail.maildir.clientlock import ClientLock, MailboxLock
    from couriermail.maildir.conversion import Conversion, plan_conversion
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
    from couriermail.maildir.filterrecipe import FilterRecipe, ForeignRecipeError
    from couriermail.maildir.filterrules import FilterRule, RuleError, RuleKind, RuleProblem
    from couriermail.maildir.filterstore import FilterConfig, FilterStore, read_filter_config
    from couriermail.maildir.hierarchy import remove_folders, rename_folders
    from couriermail.maildir.keyword_list import format_keyword_list, parse_keyword_list
    from couriermail.maildir.keyword_store import KeywordStore
    from couriermail.maildir.listing import Listing, list_messages
    from couriermail.maildir.locks import LockPolicy
    from couriermail.maildir.maildir import Maildir, deliver_all
    from couriermail.maildir.mbox import deliver_mbox
    from couriermail.maildir.names import MaildirKey
    from couriermail.maildir.pop3list import Pop3List, Pop3Message, list_for_pop3
    from couriermail.maildir.quota import Quota, Usage
    from couriermail.maildir.quotareport import (
        FolderUsage,
        QuotaRecount,
        QuotaReport,
        recalculate_quota,
        report_quota,
    )
    from couriermail.maildir.quotarules import QuotaRules
    from couriermail.maildir.scanning import Snapshot, find_entry, scan
    from couriermail.maildir.sharedfolders import SharedFolders
    from couriermail.maildir.sharedindex import SharedAccount, SharedGroup, SharedIndex, SharedNames
    from couriermail.maildir.sharedpaths import FolderKind, ResolvedFolder, resolve_folder
    from couriermail.maildir.subscriptions import Subscriptions
    from couriermail.maildir.textsearch import TextSearch
    from couriermail.maildir.uiddb import (
        NumberedFolder,
        NumberedMessage,
        UidDatabase,
        number_messages,
    )
    from couriermail.maildir.watching import Watcher, watch
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "acl": ("Acl", "AclEntry", "identities_of"),
            "acl_store": ("AclStore",),
            "autoresponses": ("AutoresponseQuota", "Autoresponses"),
            "clientlock": ("ClientLock", "MailboxLock"),
            "conversion": ("Conversion", "plan_conversion"),
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
            "filterrecipe": ("FilterRecipe", "ForeignRecipeError"),
            "filterrules": ("FilterRule", "RuleError", "RuleKind", "RuleProblem"),
            "filterstore": ("FilterConfig", "FilterStore", "read_filter_config"),
            "hierarchy": ("remove_folders", "rename_folders"),
            "keyword_list": ("format_keyword_list", "parse_keyword_list"),
            "keyword_store": ("KeywordStore",),
            "listing": ("Listing", "list_messages"),
            "locks": ("LockPolicy",),
            "maildir": ("Maildir", "deliver_all"),
            "mbox": ("deliver_mbox",),
            "names": ("MaildirKey",),
            "pop3list": ("Pop3List", "Pop3Message", "list_for_pop3"),
            "quota": ("Quota", "Usage"),
            "quotareport": (
                "FolderUsage",
                "QuotaRecount",
                "QuotaReport",
                "recalculate_quota",
                "report_quota",
            ),
            "quotarules": ("QuotaRules",),
            "scanning": ("Snapshot", "find_entry", "scan"),
            "sharedfolders": ("SharedFolders",),
            "sharedindex": ("SharedAccount", "SharedGroup", "SharedIndex", "SharedNames"),
            "sharedpaths": ("FolderKind", "ResolvedFolder", "resolve_folder"),
            "subscriptions": ("Subscriptions",),
            "textsearch": ("TextSearch",),
            "uiddb": ("NumberedFolder", "NumberedMessage", "UidDatabase", "number_messages"),
            "watching": ("Watcher", "watch"),
        },
    )

__all__ = [
    "Acl",
    "AclEntry",
    "AclMinimumError",
    "AclStore",
    "AutoresponseQuota",
    "Autoresponses",
    "ClientLock",
    "Conversion",
    "DeliveryResult",
    "Entry",
    "FilterConfig",
    "FilterRecipe",
    "FilterRule",
    "FilterStore",
    "FolderKind",
    "FolderUsage",
    "ForeignRecipeError",
    "InvalidNameError",
    "KeywordStore",
    "Listing",
    "LockPolicy",
    "MailboxLock",
    "Maildir",
    "MaildirError",
    "MaildirExistsError",
    "MaildirKey",
    "MaildirLockedError",
    "MaildirMissingError",
    "MaildirStorageError",
    "NumberedFolder",
    "NumberedMessage",
    "Pop3List",
    "Pop3Message",
    "PreparedMessage",
    "Quota",
    "QuotaExceeded",
    "QuotaLedger",
    "QuotaRecount",
    "QuotaReport",
    "QuotaRules",
    "QuotaTextError",
    "ResolvedFolder",
    "RuleError",
    "RuleKind",
    "RuleProblem",
    "SharedAccount",
    "SharedFolders",
    "SharedGroup",
    "SharedIndex",
    "SharedNames",
    "Snapshot",
    "Subscriptions",
    "TextSearch",
    "UidDatabase",
    "Usage",
    "Watcher",
    "commit_all",
    "deliver_all",
    "deliver_mbox",
    "find_entry",
    "format_keyword_list",
    "identities_of",
    "list_for_pop3",
    "list_messages",
    "number_messages",
    "parse_keyword_list",
    "plan_conversion",
    "read_filter_config",
    "recalculate_quota",
    "remove_folders",
    "rename_folders",
    "report_quota",
    "resolve_folder",
    "scan",
    "watch",
]
