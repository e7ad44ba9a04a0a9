"""From control files to a `Config`: which file feeds which attribute (spec mta 3.2)."""

from __future__ import annotations

import os

import attrs

from couriermail.mta.config import (
    SYSTEM_DIRECTORY,
    SYSTEM_STATE,
    BackupRelay,
    Config,
    EsmtpSettings,
    QueueLimits,
    RetrySettings,
)
from couriermail.mta.controlfiles import ControlFiles, list_entries
from couriermail.mta.domains import DomainList, Domains, canonical_domain, hosted_entry
from couriermail.mta.modulefiles import read_bofh, read_courierd, read_modules, read_servers
from couriermail.mta.settings import FILE_NAME, Settings, read_settings
from couriermail.rfc822 import domain_to_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from couriermail.mta.config import ModuleLimits

__all__ = ["ConfigReader"]

_MAILDROP_PATHS = ("/usr/bin/maildrop", "/usr/local/bin/maildrop")


@attrs.frozen
class ConfigReader:
    """Reads one directory; problems are collected in `files.problems`."""

    files: ControlFiles
    hostname: str

    def read(self, state: str | None) -> Config:
        """Read every file once and build the value."""
        files = self.files
        me = self._me()
        default = self._host_name("defaultdomain", me)
        settings = self._settings()
        environment = read_courierd(files)
        modules = read_modules(files)
        esmtpd, msa = read_servers(files)
        domains = self._domains(me)
        if not domains.match(default).is_ours:
            path = files.path("defaultdomain")
            files.problems.warn(f"{default} is neither in locals nor hosted", path=path)
        return Config(
            directory=files.directory,
            state=state or self._state(settings),
            vhost=files.vhost,
            hostname=self.hostname,
            me=me,
            defaultdomain=default,
            domains=domains,
            locallowercase=files.exists("locallowercase"),
            separators=self._separators(),
            dotextension=files.name_line("dotextension", "courier"),
            aliasdir=os.path.join(files.directory, "aliasdir"),
            backuprelay=self._backuprelay(),
            dsnfrom=(files.line("dsnfrom") or "").strip() or self._dsnfrom(me),
            dsnlimit=files.count("dsnlimit", 32_768),
            localtimeout=files.seconds("localtimeout", 900),
            msgidhost=self._host_name("msgidhost", me),
            sizelimit=files.count("sizelimit", 10_485_760),
            maildrop=self._maildrop(),
            maildropfilter=self._maildropfilter(),
            aliasfilteracct=(files.line("aliasfilteracct") or "").strip(),
            enablefiltering=tuple((files.line("enablefiltering") or "").split()),
            uucpme=files.name_line("uucpme", me.partition(".")[0]),
            accept=self._accept(me),
            percent_relay=self._domain_list("esmtppercentrelay", ()),
            environment=environment,
            queue=self._queue(modules),
            retry=self._retry(),
            esmtp=self._esmtp(me),
            esmtpd=esmtpd,
            msa=msa,
            bofh=read_bofh(files),
            modules=modules,
            settings=settings,
            warnings=tuple(files.problems.warnings),
        )

    def _me(self) -> str:
        """`me`; a leading `*.` is the machine's own name (spec mta 3.5)."""
        name = self._host_name("me", self.hostname)
        return self.hostname + name[1:] if name.startswith("*.") else name

    def _host_name(self, file: str, default: str) -> str:
        """A file that names a host; these names end up in headers and replies."""
        name = self.files.name_line(file, default)
        if not name.isprintable() or any(char in ' ",;<>@()[]' for char in name):
            self.files.problems.error("is no host name", path=self.files.path(file), line=1)
        return canonical_domain(name)

    def _settings(self) -> Settings:
        path = os.path.join(self.files.directory, FILE_NAME)
        return read_settings(self.files.read(path), path=path, problems=self.files.problems)

    def _state(self, settings: Settings) -> str:
        if settings.paths.state:
            return os.path.join(self.files.directory, settings.paths.state)
        if os.path.normpath(self.files.directory) == SYSTEM_DIRECTORY:
            return SYSTEM_STATE
        return os.path.join(self.files.directory, "state")

    def _domains(self, me: str) -> Domains:
        hosted: dict[str, str] = {}
        for path in self.files.source_files("hosteddomains"):
            for _, entry in list_entries(self.files.read(path) or ""):
                key, value = hosted_entry(entry)
                hosted[key] = value
        return Domains(self._domain_list("locals", (me,)), hosted, self.hostname)

    def _domain_list(self, name: str, default: tuple[str, ...]) -> DomainList:
        entries = self.files.entries(name)
        return DomainList.of(default if entries is None else entries, self.hostname)

    def _accept(self, me: str) -> DomainList:
        """`esmtpacceptmailfor` first, then the entries of `esmtpacceptmailfor.dir`."""
        entries = list(self.files.entries("esmtpacceptmailfor") or ())
        if not entries and self.files.text("esmtpacceptmailfor") is None:
            entries = [me]
        for path in self.files.source_files("esmtpacceptmailfor.dir"):
            entries.extend(entry for _, entry in list_entries(self.files.read(path) or ""))
        return DomainList.of(entries, self.hostname)

    def _separators(self) -> str:
        """`-` and what `defaultsep` adds; an empty line adds nothing."""
        line = self.files.line("defaultsep")
        extra = "+" if line is None else line.strip()
        return "-" + "".join(char for char in dict.fromkeys(extra) if char != "-")

    def _backuprelay(self) -> BackupRelay | None:
        words = (self.files.line("backuprelay") or "").split()
        return BackupRelay(*words[:2]) if words else None

    def _dsnfrom(self, me: str) -> str:
        # Courier: the default is `<@>`, which nobody can answer (spec mta 12.5).
        return f'"Courier mail server at {me}" <postmaster@{domain_to_ascii(me)}>'

    def _maildrop(self) -> str:
        """The path in `maildrop` where it exists, else the first place a system has it in."""
        line = (self.files.line("maildrop") or "").strip()
        for path in (line, *_MAILDROP_PATHS):
            if path and os.path.exists(path):
                return path
        return ""

    def _maildropfilter(self) -> str:
        line = (self.files.line("maildropfilter") or "").strip()
        return line if line.startswith("/") else ""  # active only as an absolute path (11.8)

    def _queue(self, modules: Mapping[str, ModuleLimits]) -> QueueLimits:
        files = self.files
        running = sum(module.max_deliveries for module in modules.values())
        low = max(200, running)
        if files.line("queuelo") is not None:
            low = max(20, files.count("queuelo", low))
        high = 2 * low if low < 500 else low + 1000
        return QueueLimits(
            low=low,
            high=max(low, files.count("queuehi", high)),
            fill=files.seconds("queuefill", 300),
            expire=files.seconds("queuetime", 604_800),
            warn=files.seconds("warntime", 14_400),
            fax_expire=files.seconds("faxqueuetime", 28_800),
            batch=files.count("batchsize", 100) or 100,
            delay=files.seconds("submitdelay", 0),
        )

    def _retry(self) -> RetrySettings:
        files = self.files
        return RetrySettings(
            alpha=files.seconds("retryalpha", 300),
            beta=max(1, files.count("retrybeta", 3)),  # the timetable divides by it
            gamma=files.seconds("retrygamma", 900),
            maxdelta=files.count("retrymaxdelta", 3),
        )

    def _esmtp(self, me: str) -> EsmtpSettings:
        files = self.files
        greeting = files.text("esmtpgreeting")
        return EsmtpSettings(
            greeting=(greeting or "").strip("\r\n") or f"{domain_to_ascii(me)} ESMTP",
            helo=files.name_line("esmtphelo", me),
            timeout=files.seconds("esmtptimeout", 600),
            timeout_connect=files.seconds("esmtptimeoutconnect", 60),
            timeout_helo=files.seconds("esmtptimeouthelo", 300),
            timeout_data=files.seconds("esmtptimeoutdata", 300),
            timeout_quit=files.seconds("esmtptimeoutquit", 10),
            timeout_keepalive=files.seconds("esmtptimeoutkeepalive", 60),
            timeout_keepalive_ping=files.seconds("esmtptimeoutkeepaliveping", 0),
            delay=files.seconds("esmtpdelay", 300),
        )
