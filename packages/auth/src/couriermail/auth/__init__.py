"""Mail accounts: who is this name, where is their mail, does this password fit.

`Account` is the answer, `Directory` the question; `UserdbDirectory`, `PasswdDirectory` and
`ChainDirectory` answer it.  `verify_password` checks a password against a stored hash.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.account import Account, AccountOptions, Directory
    from couriermail.auth.authdaemonrc import (
        AuthdaemonSettings,
        ClientTimeouts,
        daemon_directory,
        parse_authdaemonrc,
        read_authdaemonrc,
    )
    from couriermail.auth.chain import ChainDirectory
    from couriermail.auth.client import AuthDaemonClient
    from couriermail.auth.daemon import AuthDaemon, DaemonLimits
    from couriermail.auth.daemon_socket import PidFile, activated_socket, listen_on, make_directory
    from couriermail.auth.errors import (
        AuthError,
        DaemonUnavailableError,
        DirectoryError,
        DuplicateNameError,
        InvalidLoginError,
        PasswordError,
        SaslAbortedError,
        SaslError,
        SaslMechanismError,
        UserdbError,
        UserdbInputError,
        UserdbLinkError,
        WireError,
    )
    from couriermail.auth.hmac_context import HMAC_ALGORITHMS, HmacContext
    from couriermail.auth.homes import create_home
    from couriermail.auth.module import AccountLister, AuthModule, CramResponse, PasswordChanger
    from couriermail.auth.passwd import PasswdDirectory
    from couriermail.auth.passwords import (
        SCHEMES,
        PasswordVerifier,
        default_scheme,
        hash_password,
        make_like,
        verify_password,
    )
    from couriermail.auth.privileges import (
        account_environment,
        become_account,
        drop_privileges,
    )
    from couriermail.auth.records import UserdbRecord, UserdbSource
    from couriermail.auth.sasl import DomainRule, decode_line, encode_line
    from couriermail.auth.sasl_client import (
        CLIENT_MECHANISMS,
        ClientPolicy,
        SaslClient,
        choose_mechanism,
        start_client,
    )
    from couriermail.auth.sasl_server import (
        SERVER_MECHANISMS,
        Challenge,
        ExternalLogin,
        PasswordLogin,
        SaslAnswer,
        SaslServer,
        SaslSettings,
        ScramLogin,
        ScramQuery,
        start_sasl,
    )
    from couriermail.auth.scram import ScramSecret
    from couriermail.auth.scram_accounts import ScramSecrets
    from couriermail.auth.throttle import LoginThrottle
    from couriermail.auth.userdb import UserdbDirectory
    from couriermail.auth.userdb_compile import compile_userdb
    from couriermail.auth.userdb_edit import UserdbDocument, edit_userdb, read_userdb_document
    from couriermail.auth.userdb_import import ImportRules, passwd_records, read_shadow
    from couriermail.auth.userdb_module import UserdbModule
    from couriermail.auth.userdb_tables import UserdbTables
    from couriermail.auth.userdb_text import UserdbText
    from couriermail.auth.wire import (
        AuthRequest,
        EnumerateRequest,
        PasswdRequest,
        PreRequest,
        Request,
        RequestLimits,
        RequestParser,
        cram_request,
        login_request,
    )
    from couriermail.auth.wire_replies import AccountFields, ListReader, ReplyReader
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "account": ("Account", "AccountOptions", "Directory"),
            "authdaemonrc": (
                "AuthdaemonSettings",
                "ClientTimeouts",
                "daemon_directory",
                "parse_authdaemonrc",
                "read_authdaemonrc",
            ),
            "chain": ("ChainDirectory",),
            "client": ("AuthDaemonClient",),
            "daemon": ("AuthDaemon", "DaemonLimits"),
            "daemon_socket": ("PidFile", "activated_socket", "listen_on", "make_directory"),
            "errors": (
                "AuthError",
                "DaemonUnavailableError",
                "DirectoryError",
                "DuplicateNameError",
                "InvalidLoginError",
                "PasswordError",
                "SaslAbortedError",
                "SaslError",
                "SaslMechanismError",
                "UserdbError",
                "UserdbInputError",
                "UserdbLinkError",
                "WireError",
            ),
            "hmac_context": ("HMAC_ALGORITHMS", "HmacContext"),
            "homes": ("create_home",),
            "module": ("AccountLister", "AuthModule", "CramResponse", "PasswordChanger"),
            "passwd": ("PasswdDirectory",),
            "passwords": (
                "PasswordVerifier",
                "SCHEMES",
                "default_scheme",
                "hash_password",
                "make_like",
                "verify_password",
            ),
            "privileges": ("account_environment", "become_account", "drop_privileges"),
            "records": ("UserdbRecord", "UserdbSource"),
            "sasl": ("DomainRule", "decode_line", "encode_line"),
            "sasl_client": (
                "CLIENT_MECHANISMS",
                "ClientPolicy",
                "SaslClient",
                "choose_mechanism",
                "start_client",
            ),
            "sasl_server": (
                "Challenge",
                "ExternalLogin",
                "PasswordLogin",
                "SERVER_MECHANISMS",
                "SaslAnswer",
                "SaslServer",
                "SaslSettings",
                "ScramLogin",
                "ScramQuery",
                "start_sasl",
            ),
            "scram": ("ScramSecret",),
            "scram_accounts": ("ScramSecrets",),
            "throttle": ("LoginThrottle",),
            "userdb": ("UserdbDirectory",),
            "userdb_compile": ("compile_userdb",),
            "userdb_edit": ("UserdbDocument", "edit_userdb", "read_userdb_document"),
            "userdb_import": ("ImportRules", "passwd_records", "read_shadow"),
            "userdb_module": ("UserdbModule",),
            "userdb_tables": ("UserdbTables",),
            "userdb_text": ("UserdbText",),
            "wire": (
                "AuthRequest",
                "EnumerateRequest",
                "PasswdRequest",
                "PreRequest",
                "Request",
                "RequestLimits",
                "RequestParser",
                "cram_request",
                "login_request",
            ),
            "wire_replies": ("AccountFields", "ListReader", "ReplyReader"),
        },
    )

__all__ = [
    "CLIENT_MECHANISMS",
    "HMAC_ALGORITHMS",
    "SCHEMES",
    "SERVER_MECHANISMS",
    "Account",
    "AccountFields",
    "AccountLister",
    "AccountOptions",
    "AuthDaemon",
    "AuthDaemonClient",
    "AuthError",
    "AuthModule",
    "AuthRequest",
    "AuthdaemonSettings",
    "ChainDirectory",
    "Challenge",
    "ClientPolicy",
    "ClientTimeouts",
    "CramResponse",
    "DaemonLimits",
    "DaemonUnavailableError",
    "Directory",
    "DirectoryError",
    "DomainRule",
    "DuplicateNameError",
    "EnumerateRequest",
    "ExternalLogin",
    "HmacContext",
    "ImportRules",
    "InvalidLoginError",
    "ListReader",
    "LoginThrottle",
    "PasswdDirectory",
    "PasswdRequest",
    "PasswordChanger",
    "PasswordError",
    "PasswordLogin",
    "PasswordVerifier",
    "PidFile",
    "PreRequest",
    "ReplyReader",
    "Request",
    "RequestLimits",
    "RequestParser",
    "SaslAbortedError",
    "SaslAnswer",
    "SaslClient",
    "SaslError",
    "SaslMechanismError",
    "SaslServer",
    "SaslSettings",
    "ScramLogin",
    "ScramQuery",
    "ScramSecret",
    "ScramSecrets",
    "UserdbDirectory",
    "UserdbDocument",
    "UserdbError",
    "UserdbInputError",
    "UserdbLinkError",
    "UserdbModule",
    "UserdbRecord",
    "UserdbSource",
    "UserdbTables",
    "UserdbText",
    "WireError",
    "account_environment",
    "activated_socket",
    "become_account",
    "choose_mechanism",
    "compile_userdb",
    "cram_request",
    "create_home",
    "daemon_directory",
    "decode_line",
    "default_scheme",
    "drop_privileges",
    "edit_userdb",
    "encode_line",
    "hash_password",
    "listen_on",
    "login_request",
    "make_directory",
    "make_like",
    "parse_authdaemonrc",
    "passwd_records",
    "read_authdaemonrc",
    "read_shadow",
    "read_userdb_document",
    "start_client",
    "start_sasl",
    "verify_password",
]
