"""Files of one program each: `courierd`, `esmtpd`, `module.NAME` and `bofh`."""

from __future__ import annotations

import attrs

from couriermail.mta.config import Bofh, EsmtpdSettings, ModuleLimits
from couriermail.mta.controlfiles import ControlFiles, list_entries, parse_count
from couriermail.mta.envfile import read_environment
from couriermail.mta.errors import MtaConfigError
from couriermail.mta.settings import suggestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from couriermail.mta.config import PeerCertificate

__all__ = [
    "COURIERD_DEFAULTS",
    "MODULE_DEFAULTS",
    "read_bofh",
    "read_courierd",
    "read_modules",
    "read_servers",
]

MODULE_DEFAULTS: Mapping[str, ModuleLimits] = {
    limits.name: limits
    for limits in (
        ModuleLimits(name="uucp", priority=5, max_deliveries=4, max_per_host=4, max_recipients=16),
        ModuleLimits(name="local", priority=10, max_deliveries=10, max_per_host=4),
        ModuleLimits(name="fax", priority=45),
        ModuleLimits(
            name="esmtp", priority=50, max_deliveries=40, max_per_host=4, max_recipients=100
        ),
        ModuleLimits(name="dsn", priority=99, max_deliveries=4),
    )
}
"""What holds where no `module.NAME` exists (spec mta 3.4)."""

COURIERD_DEFAULTS: Mapping[str, str] = {
    "PATH": "/bin:/usr/bin:/usr/local/bin",
    "SHELL": "/bin/sh",
    "DSNTOAUTHADDR": "0",
    "DYNAMICDELIVERIES": "1",
    "DEFAULTDELIVERY": "./Maildir",
    "MAILDROPDEFAULT": "./Maildir",
    "ESMTP_CORK": "1",
    "ESMTP_BLOCKBACKSCATTER": "smtp/dsn",
    "UUXFLAGS": "-j -g C",
}
"""Values of `courierd` settings that the file leaves out (spec mta 3.3)."""

_COURIERD_KEYS = frozenset(COURIERD_DEFAULTS) | {
    "prefix", "exec_prefix", "DSNNOTIFY", "AUTH_MKHOMEDIR_SKEL", "ARCHIVEDIR",
    "DSNDEFAULTNOTIFYDELAY", "ESMTP_USE_STARTTLS", "COURIERTLS", "ESMTP_TLS_VERIFY_DOMAIN",
    "ESMTP_PREFER_IPV6_MX", "TLS_PRIORITY", "TLS_PROTOCOL", "TLS_CIPHER_LIST", "TLS_MIN_DH_BITS",
    "TLS_TIMEOUT", "TLS_CERTFILE", "TLS_PRIVATE_KEYFILE", "TLS_TRUSTCERTS",
    "TLS_TRUSTSECURITYCERTS", "TLS_VERIFYPEER", "SOURCE_ADDRESS", "SOURCE_ADDRESS_IPV6",
    "MAXSUBMITTERS",
}  # fmt: skip

_ESMTPD_KEYS = frozenset({
    "PATH", "SHELL", "SYSLOGNAME", "ULIMIT", "BOFHCHECKDNS", "BOFHNOEXPN", "BOFHNOVRFY", "TARPIT",
    "NOADDMSGID", "NOADDDATE", "NOADDRREWRITE", "ESMTP_LOG_DIALOG", "AUTH_REQUIRED", "COURIERTLS",
    "ESMTP_TLS_REQUIRED", "MAILUSER", "MAILGROUP", "ADDRESS", "PORT", "BLACKLISTS",
    "ALLOW_EXCLUSIVE", "DROP", "ACCESSFILE", "MAXDAEMONS", "MAXPERC", "MAXPERIP", "PIDFILE",
    "TCPDOPTS", "ESMTPAUTH", "ESMTPAUTH_TLS", "ESMTPAUTH_WEBADMIN", "ESMTPAUTH_TLS_WEBADMIN",
    "ESMTPDSTART", "TLS_CERTFILE", "TLS_PRIVATE_KEYFILE", "TLS_TRUSTCERTS", "TLS_PRIORITY",
    "TLS_PROTOCOL", "TLS_CIPHER_LIST", "TLS_VERIFYPEER", "TLS_CACHEFILE", "TLS_CACHESIZE",
    "TLS_DHPARAMS", "TLS_TIMEOUT", "TLS_STARTTLS_PROTOCOL", "TLS_EXTERNAL", "DEFDOMAIN",
})  # fmt: skip


_PEER_WORDS: Mapping[str, PeerCertificate] = {"N": "none", "P": "optional", "R": "required"}
_ESMTPD_DEFAULTS = {"NOADDMSGID": "1", "NOADDDATE": "1", "PORT": "smtp"}
_MSA_DEFAULTS = {
    "NOADDMSGID": "0", "NOADDDATE": "0", "NOADDRREWRITE": "0", "AUTH_REQUIRED": "0",
    "ADDRESS": "0", "PORT": "587", "ESMTPDSTART": "NO", "MAXDAEMONS": "40", "MAXPERC": "5",
    "MAXPERIP": "5",
}  # fmt: skip


def read_courierd(files: ControlFiles) -> Mapping[str, str]:
    """The environment of everything that the mail system runs, defaults filled in.

    A file without `DSNTOAUTHADDR` leaves it unset, which means on (spec mta 3.3).
    """
    if not files.exists("courierd"):
        return COURIERD_DEFAULTS
    found = _environment(files, "courierd", _COURIERD_KEYS)
    defaults = {key: value for key, value in COURIERD_DEFAULTS.items() if key != "DSNTOAUTHADDR"}
    return {**defaults, **found}


def read_servers(files: ControlFiles) -> tuple[EsmtpdSettings, EsmtpdSettings]:
    """The settings of the SMTP server (`esmtpd`) and of the submission server on top of them.

    The submission server's start script reads `esmtpd` first, then `esmtpd-msa`, which sets
    port, address, limits and what is added to messages anew (spec smtp 3.3).
    """
    common = _ESMTPD_DEFAULTS | _environment(files, "esmtpd", _ESMTPD_KEYS)
    submission = common | _MSA_DEFAULTS | _environment(files, "esmtpd-msa", _ESMTPD_KEYS)
    return (
        _EnvironmentValues(common, files, "esmtpd").esmtpd(),
        _EnvironmentValues(submission, files, "esmtpd-msa").esmtpd(),
    )


def read_modules(files: ControlFiles) -> Mapping[str, ModuleLimits]:
    """The limits of every built-in module, changed by `module.NAME` where that exists."""
    return {name: _module(files, limits) for name, limits in MODULE_DEFAULTS.items()}


def read_bofh(files: ControlFiles) -> Bofh:
    """`maxrcpts` and `opt` of `bofh`; other directives belong to SMTP (spec smtp 3.7)."""
    maximum, is_hard = 100, False
    options: dict[str, str] = {}
    for number, entry in list_entries(files.text("bofh") or ""):
        directive, *words = entry.split()
        match directive.lower():
            case "maxrcpts":
                maximum, rest = parse_count(words[0] if words else "")
                is_hard = [word.lower() for word in words[1:]] == ["hard"]
                if rest or not words:
                    files.problems.warn(
                        "maxrcpts needs a number", path=files.path("bofh"), line=number
                    )
            case "opt" if words:
                name, _, value = entry.split(None, 1)[1].partition("=")
                options.setdefault(name.strip(), value.strip())
            case _:
                pass
    return Bofh(max_recipients=maximum, is_hard=is_hard, options=options)


def _environment(files: ControlFiles, name: str, known: Iterable[str]) -> dict[str, str]:
    """An environment file; a name that looks like a misspelt setting is warned about.

    Unknown names are no error here: the file is the environment of delivery commands, and
    administrators put names of their own into it.
    """
    path = files.path(name)
    if files.read(path) is None:
        return {}
    try:
        found = read_environment(path)
    except MtaConfigError as error:
        files.problems.errors.append(error)
        return {}
    names = tuple(known)
    for key in found:
        if key not in names and (hint := suggestion(key, names)):
            files.problems.warn(f"{key} is not a known setting{hint}", path=path)
    return found


_MODULE_NUMBERS = ("MAXDELS", "MAXHOST", "MAXRCPT", "PRIORITY")


def _module(files: ControlFiles, limits: ModuleLimits) -> ModuleLimits:
    path = files.path(f"module.{limits.name}")
    program = limits.program
    numbers: dict[str, int] = {}
    for line, entry in list_entries(files.read(path) or ""):
        key, separator, value = (part.strip() for part in entry.partition("="))
        if key in _MODULE_NUMBERS and separator:
            numbers[key] = _positive(files, path, line, key, value)
        elif key == "PROG":
            program = value
        elif key != "NAME":
            hint = suggestion(key, (*_MODULE_NUMBERS, "PROG", "NAME"))
            files.problems.error(f"{key!r} is not a known setting{hint}", path=path, line=line)
    if limits.name in {"local", "dsn"} and numbers.get("MAXRCPT", 1) != 1:
        files.problems.error(f"MAXRCPT of {limits.name} must be 1", path=path)
    return ModuleLimits(
        name=limits.name,
        program=program,
        max_deliveries=numbers.get("MAXDELS", limits.max_deliveries),
        max_per_host=numbers.get("MAXHOST", limits.max_per_host),
        max_recipients=numbers.get("MAXRCPT", limits.max_recipients),
        priority=numbers.get("PRIORITY", limits.priority),
    )


def _positive(files: ControlFiles, path: str, line: int, key: str, value: str) -> int:
    number, rest = parse_count(value)
    if rest or number < 1:
        files.problems.error(f"{key} must be a number from 1 up", path=path, line=line)
        return 1
    return number


@attrs.frozen
class _EnvironmentValues:
    """Typed access to what an environment file set."""

    values: Mapping[str, str]
    files: ControlFiles
    name: str

    def esmtpd(self) -> EsmtpdSettings:
        rewrite = self._number("NOADDRREWRITE", 0)
        peer = self._peer()
        address = self.values.get("ADDRESS", "").strip()
        return EsmtpdSettings(
            address="" if address == "0" else address,
            ports=self.values.get("PORT", "smtp").strip() or "smtp",
            max_connections=self._number("MAXDAEMONS", 40),
            max_per_ip=self._number("MAXPERIP", 5),
            max_per_net=self._number("MAXPERC", 5),
            tls_certificate=self.values.get("TLS_CERTFILE", ""),
            tls_key=self.values.get("TLS_PRIVATE_KEYFILE", ""),
            tls_required=self._flag("ESMTP_TLS_REQUIRED", default=False),
            tls_trust=self.values.get("TLS_TRUSTCERTS", ""),
            tls_peer=peer,
            tls_external=self._external(peer),
            auth_mechanisms=tuple(self.values.get("ESMTPAUTH", "").split()),
            auth_mechanisms_tls=tuple(self.values.get("ESMTPAUTH_TLS", "").split()),
            auth_required=self._flag("AUTH_REQUIRED", default=False),
            tarpit=self._flag("TARPIT", default=True),
            allow_vrfy=not self._flag("BOFHNOVRFY", default=False),
            allow_expn=not self._flag("BOFHNOEXPN", default=False),
            check_dns=self._flag("BOFHCHECKDNS", default=True),
            add_message_id=not self._flag("NOADDMSGID", default=False),
            add_date=not self._flag("NOADDDATE", default=False),
            rewrite_headers={0: 2, 1: 0}.get(rewrite, 1),
            start=self.values.get("ESMTPDSTART", "NO").upper().startswith("Y"),
            environment=self.values,
        )

    def _peer(self) -> PeerCertificate:
        """TLS_VERIFYPEER: its first letter counts, unset means PEER (spec smtp 9)."""
        word = self.values.get("TLS_VERIFYPEER", "").strip().upper() or "PEER"
        wanted = _PEER_WORDS.get(word[0])
        path = self.files.path(self.name)
        if wanted is None:
            self.files.problems.error(
                f"TLS_VERIFYPEER={word} is none of NONE, PEER, REQUIREPEER", path=path
            )
        elif wanted == "required" and not self.values.get("TLS_TRUSTCERTS"):
            self.files.problems.error("TLS_VERIFYPEER=REQUIREPEER needs TLS_TRUSTCERTS", path=path)
        # Without a CA every certificate would end the handshake, and many servers present theirs.
        return wanted or "none" if self.values.get("TLS_TRUSTCERTS") else "none"

    def _external(self, peer: PeerCertificate) -> str:
        """TLS_EXTERNAL, where a client certificate can prove anything at all."""
        field = self.values.get("TLS_EXTERNAL", "").strip()
        if not field or (peer != "none" and self.values.get("TLS_CERTFILE")):
            return field
        self.files.problems.warn(
            "TLS_EXTERNAL has no effect without TLS_CERTFILE, TLS_TRUSTCERTS and "
            "TLS_VERIFYPEER=PEER or REQUIREPEER",
            path=self.files.path(self.name),
        )
        return ""

    def _flag(self, key: str, *, default: bool) -> bool:
        """A switch: set and not starting with `0` (spec mta 6.1)."""
        value = self.values.get(key)
        return default if value is None else bool(value) and not value.startswith("0")

    def _number(self, key: str, default: int) -> int:
        value = self.values.get(key)
        if value is None or not value.strip():
            return default
        number, rest = parse_count(value)
        if rest:
            self.files.problems.error(
                f"{key} must be a number, not {value!r}", path=self.files.path(self.name)
            )
            return default
        return number
