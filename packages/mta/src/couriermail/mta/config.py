"""The configuration of the mail system as one frozen value.

`load_config` reads every control file (spec mta 3.2) and answers a `Config`; an empty or
missing directory gives a usable one.  Everything wrong is collected and raised together as
`ConfigErrors`; what is merely odd ends up in `Config.warnings`.
"""

from __future__ import annotations

import os

import attrs

from couriermail.mta.controlfiles import ConfigWarning, ControlFiles, Problems
from couriermail.mta.domains import DomainList, Domains
from couriermail.mta.errors import ConfigErrors
from couriermail.mta.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    PeerCertificate: TypeAlias = Literal["none", "optional", "required"]

__all__ = [
    "SYSTEM_DIRECTORY",
    "SYSTEM_STATE",
    "BackupRelay",
    "Bofh",
    "Config",
    "ConfigDir",
    "EsmtpSettings",
    "EsmtpdSettings",
    "ModuleLimits",
    "QueueLimits",
    "RetrySettings",
    "load_config",
]

SYSTEM_DIRECTORY = "/etc/courier"
SYSTEM_STATE = "/var/lib/courier"


@attrs.frozen
class BackupRelay:
    """`backuprelay`: where mail goes that could not be delivered by `warntime` (spec 9.6)."""

    host: str
    module: str = "esmtp"


@attrs.frozen(kw_only=True)
class ModuleLimits:
    """`module.NAME`: how much one module does at once (spec mta 3.4).

    Attributes:
        name: the module.
        max_deliveries: MAXDELS, deliveries at the same time.
        max_per_host: MAXHOST, of these to one host.
        max_recipients: MAXRCPT, recipients of one delivery.
        program: PROG, command of an out-of-process module ("" = built in or input only).
        priority: PRIORITY, informative.
    """

    name: str
    max_deliveries: int = 1
    max_per_host: int = 1
    max_recipients: int = 1
    program: str = ""
    priority: int = 0


@attrs.frozen(kw_only=True)
class RetrySettings:
    """The retry timetable's numbers (spec mta 9.4); times in seconds."""

    alpha: int = 300
    beta: int = 3
    gamma: int = 900
    maxdelta: int = 3


@attrs.frozen(kw_only=True)
class QueueLimits:
    """How many messages are held in memory and how long they live; times in seconds.

    Attributes:
        low: `queuelo`, refill below this many messages.
        high: `queuehi`, never more than this.
        fill: `queuefill`, refill interval when full; 0 = off.
        expire: `queuetime`.
        warn: `warntime`; 0 = never.
        fax_expire: `faxqueuetime`.
        batch: `batchsize`, recipients of one queued message.
        delay: `submitdelay`.
    """

    low: int = 200
    high: int = 400
    fill: int = 300
    expire: int = 604_800
    warn: int = 14_400
    fax_expire: int = 28_800
    batch: int = 100
    delay: int = 0


@attrs.frozen(kw_only=True)
class EsmtpSettings:
    """What both sides of SMTP share (spec smtp 3.2); times in seconds."""

    greeting: str
    helo: str
    timeout: int = 600
    timeout_connect: int = 60
    timeout_helo: int = 300
    timeout_data: int = 300
    timeout_quit: int = 10
    timeout_keepalive: int = 60
    timeout_keepalive_ping: int = 0
    delay: int = 300


@attrs.frozen(kw_only=True)
class EsmtpdSettings:
    """`esmtpd`, `esmtpd-msa`: one listening SMTP server (spec smtp 3.3).

    Attributes:
        address: ADDRESS to listen on ("" and "0" = every address).
        ports: PORT, in couriertcpd's list syntax: `smtp`, `25,127.0.0.1.2525`.
        max_connections: MAXDAEMONS.
        max_per_ip: MAXPERIP.
        max_per_net: MAXPERC, per /24 network.
        tls_certificate: TLS_CERTFILE ("" = STARTTLS is not offered).
        tls_key: TLS_PRIVATE_KEYFILE ("" = in the certificate's file).
        tls_required: ESMTP_TLS_REQUIRED.
        tls_trust: TLS_TRUSTCERTS, a file or a hashed directory of the CAs of clients.
        tls_peer: TLS_VERIFYPEER: whether a client's certificate is asked for; one that is
            presented and not signed by these CAs ends the connection.
        tls_external: TLS_EXTERNAL, the field of a verified certificate's subject that names the
            account (AUTH EXTERNAL); "" where it could prove nothing.
        auth_mechanisms: ESMTPAUTH.
        auth_mechanisms_tls: ESMTPAUTH_TLS, offered instead once TLS is on.
        auth_required: AUTH_REQUIRED.
        tarpit: TARPIT.
        allow_vrfy: not BOFHNOVRFY.
        allow_expn: not BOFHNOEXPN.
        check_dns: BOFHCHECKDNS.
        add_message_id: not NOADDMSGID.
        add_date: not NOADDDATE.
        rewrite_headers: NOADDRREWRITE turned round: 0 never, 1 unless a DKIM signature comes
            first, 2 always.
        start: ESMTPDSTART.
        environment: everything the file set.
    """

    address: str = ""
    ports: str = "smtp"
    max_connections: int = 40
    max_per_ip: int = 5
    max_per_net: int = 5
    tls_certificate: str = ""
    tls_key: str = ""
    tls_required: bool = False
    tls_trust: str = ""
    tls_peer: PeerCertificate = "none"
    tls_external: str = ""
    auth_mechanisms: tuple[str, ...] = ()
    auth_mechanisms_tls: tuple[str, ...] = ()
    auth_required: bool = False
    tarpit: bool = True
    allow_vrfy: bool = True
    allow_expn: bool = True
    check_dns: bool = True
    add_message_id: bool = False
    add_date: bool = False
    rewrite_headers: int = 2
    start: bool = False
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class Bofh:
    """`bofh`, as far as the mail system itself uses it (spec smtp 3.7).

    Attributes:
        max_recipients: `maxrcpts N`.
        is_hard: `maxrcpts N hard`: answer 531 and not 431.
        options: `opt NAME=VALUE`.
    """

    max_recipients: int = 100
    is_hard: bool = False
    options: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Config:
    """Every setting of the mail system; times in seconds, sizes in bytes.

    Attributes:
        directory: the configuration directory.
        state: directory of queue, sockets and locks: `couriermail.toml`, else
            `/var/lib/courier` for `/etc/courier`, else `DIRECTORY/state`.
        vhost: the virtual host whose files were preferred, or None.
        hostname: the machine's name, lower case.
        me: this mail system's name, UTF-8 lower case.
        defaultdomain: appended to addresses without a domain.
        domains: `locals` and `hosteddomains`.
        locallowercase: local parts of our domains are folded to lower case.
        separators: characters between account and extension; `-` is the first.
        dotextension: base name of dot files (`courier` for `.courier`).
        aliasdir: directory of last-resort dot files.
        backuprelay: or None.
        dsnfrom: body of the `From:` of reports.
        dsnlimit: size from which an original is not returned whole.
        localtimeout: how long a local delivery may take.
        msgidhost: right side of generated Message-IDs.
        sizelimit: largest message; 0 = no limit.
        maildrop: path of the program that is replaced by the built-in filter.
        maildropfilter: per-recipient filter program, or "".
        aliasfilteracct: home whose filter judges alias recipients, or "".
        enablefiltering: modules whose mail passes the global filters.
        uucpme: our UUCP node name.
        accept: domains for which anybody may send us mail (`esmtpacceptmailfor`).
        percent_relay: domains of `esmtppercentrelay`.
        environment: what `courierd` set, with its defaults.
        queue: numbers of the queue.
        retry: numbers of the retry timetable.
        esmtp: what both sides of SMTP share.
        esmtpd: the SMTP server.
        msa: the submission server.
        bofh: limits of `bofh`.
        modules: limits by module name.
        settings: `couriermail.toml`.
        warnings: what was odd.
    """

    directory: str
    state: str
    vhost: str | None = None
    hostname: str
    me: str
    defaultdomain: str
    domains: Domains
    locallowercase: bool = False
    separators: str = "-+"
    dotextension: str = "courier"
    aliasdir: str
    backuprelay: BackupRelay | None = None
    dsnfrom: str
    dsnlimit: int = 32_768
    localtimeout: int = 900
    msgidhost: str
    sizelimit: int = 10_485_760
    maildrop: str = ""
    maildropfilter: str = ""
    aliasfilteracct: str = ""
    enablefiltering: tuple[str, ...] = ()
    uucpme: str = ""
    accept: DomainList
    percent_relay: DomainList
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    queue: QueueLimits = QueueLimits()
    retry: RetrySettings = RetrySettings()
    esmtp: EsmtpSettings
    esmtpd: EsmtpdSettings = EsmtpdSettings()
    msa: EsmtpdSettings = EsmtpdSettings(ports="587", add_message_id=True, add_date=True)
    bofh: Bofh = Bofh()
    modules: Mapping[str, ModuleLimits] = attrs.field(factory=dict)
    settings: Settings = attrs.field(factory=Settings)
    warnings: tuple[ConfigWarning, ...] = ()

    @property
    def min_free(self) -> int:
        """Bytes that must stay free on the queue's disk (spec mta 6.8)."""
        return self.settings.queue.min_free or max(64 << 20, 2 * self.sizelimit)


def load_config(
    path: str | os.PathLike[str],
    *,
    state: str | None = None,
    vhost: str | None = None,
    hostname: str | None = None,
) -> Config:
    """Read a configuration directory.

    Args:
        path: the directory; it need not exist.
        state: directory of queue and sockets, wins over the files.
        vhost: label of the virtual host whose files are preferred (spec mta 3.6).
        hostname: the machine's name; None asks the system.

    Raises:
        ConfigErrors: all problems, each with its file and line.
    """
    return ConfigDir(os.fspath(path), hostname=hostname).load(state=state, vhost=vhost)


@attrs.frozen
class ConfigDir:
    """A configuration directory, to be read once or again after a change.

    Attributes:
        path: the directory.
        hostname: the machine's name; None asks the system at each reading.
    """

    path: str
    hostname: str | None = attrs.field(default=None, kw_only=True)

    def load(self, *, state: str | None = None, vhost: str | None = None) -> Config:
        """Read everything; see `load_config`."""
        from couriermail.mta.configreader import ConfigReader

        problems = Problems()
        label = vhost if vhost is not None and _is_label(vhost) else None
        directory = os.path.abspath(self.path)  # daemons change their directory
        files = ControlFiles(directory, problems=problems, vhost=label)
        config = ConfigReader(files, _system_hostname(self.hostname)).read(state)
        if problems.errors:
            raise ConfigErrors(problems.errors)
        return config

    def has_vhost(self, label: str) -> bool:
        """True when `vhost.LABEL` enables settings of its own for an address or a domain."""
        return _is_label(label) and os.path.exists(os.path.join(self.path, f"vhost.{label}"))


def _is_label(text: str) -> bool:
    """True for text that may end a file name: peers have a say in labels."""
    return bool(text) and "/" not in text and "\0" not in text


def _system_hostname(given: str | None) -> str:
    if given is not None:
        return given.lower()
    return os.uname().nodename.lower() or "localhost"
