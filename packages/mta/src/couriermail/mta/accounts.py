"""The local account search: from a local part to the mailbox it belongs to (spec mta 4.5).

`user-ext` is the account `user` with the extension `ext`; where no account fits, `alias@domain`
of a hosted domain and then the directory `aliasdir` are the last resort.

Answers, also "unknown", are remembered for `remember` seconds of the clock (default 1): a
thousand RCPT commands per second then cost a dictionary lookup each, and a new account or dot
file is seen a second later.  Temporary trouble is never remembered.
"""

from __future__ import annotations

import logging
import os

import attrs

from couriermail.core import CouriermailError, Reply, SystemClock
from couriermail.mta.dotfiles import find_dot_file, is_internal_extension, is_safe_extension
from couriermail.rfc822 import domain_to_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from couriermail.auth import Account, Directory
    from couriermail.core import Clock
    from couriermail.mta.config import Config

__all__ = ["SERVICE", "AccountSearch", "LocalTarget", "MailIdentity", "mail_identity"]

SERVICE = "courier"
"""Service name under which accounts are looked up (spec mta 4.5)."""

MAX_SEPARATORS = 4  # the longest candidate ends before the 4th separator
MAX_REMEMBERED = 20_000  # answers kept at a time; peers choose the names

_log = logging.getLogger("couriermail.mta")
_TEMPORARY = Reply(450, "Service temporarily unavailable.", enhanced="4.3.0")


@attrs.frozen(kw_only=True)
class LocalTarget:
    """Where local mail goes: everything that the delivery agent needs.

    Attributes:
        account: the account's own name; `alias` for files in `aliasdir`.
        name: the part of the address that named the account; equal targets of one message
            are duplicates.
        extension: what followed the account's name, separators as `-`.
        uid: numeric user id, never 0.
        gid: numeric group id.
        home: home directory.
        maildir: mailbox or delivery instruction, or None for the default.
        quota: Maildir++ quota, or None.
    """

    account: str
    name: str
    extension: str = ""
    uid: int
    gid: int
    home: str
    maildir: str | None = None
    quota: str | None = None

    @property
    def host(self) -> str:
        """The destination as the log shows it: `account!ext!uid!gid!home!maildir!quota`."""
        return (
            f"{self.account}!{self.extension}!{self.uid}!{self.gid}!{self.home}"
            f"!{self.maildir or ''}!{self.quota or ''}"
        )


@attrs.frozen
class MailIdentity:
    """User and group of the mail system itself (MAILUSER, MAILGROUP)."""

    uid: int
    gid: int


def mail_identity(config: Config) -> MailIdentity:
    """The mail system's own ids: `mailuser`, `mailgroup`, or those of this process.

    Raises:
        MtaConfigError: there is no such user or group.
    """
    import grp
    import pwd

    from couriermail.mta.errors import MtaConfigError

    user, group = config.settings.mta.mailuser, config.settings.mta.mailgroup
    try:
        entry = pwd.getpwnam(user) if user else None
        uid, gid = (entry.pw_uid, entry.pw_gid) if entry else (os.geteuid(), os.getegid())
        return MailIdentity(uid, grp.getgrnam(group).gr_gid if group else gid)
    except KeyError as error:
        raise MtaConfigError(f"mailuser or mailgroup: {error.args[0]}") from error


@attrs.define
class AccountSearch:
    """Finds accounts, with a memory of `remember` seconds.

    Attributes:
        directory: who knows accounts.
        identity: owner of the files in `aliasdir`; uid 0 means that they are not used.
        aliasdir: directory of last-resort dot files.
        separators: characters between account and extension.
        dotextension: base name of dot files.
        fold: fold names to lower case (`locallowercase`).
        has_extensions: False finds exact names only.
        needs_dot_file: an extension exists only where it has a dot file; False takes every one,
            for deliveries that leave it to the user's recipe.
        remember: seconds for which an answer counts.
        clock: measures them.
        lstat: asks whether a dot file exists.
    """

    directory: Directory
    identity: MailIdentity
    aliasdir: str
    separators: str = "-+"
    dotextension: str = "courier"
    fold: bool = False
    has_extensions: bool = True
    needs_dot_file: bool = True
    remember: float = 1.0
    clock: Clock = attrs.field(factory=SystemClock)
    lstat: Callable[[str], object] = os.lstat
    _answers: dict[tuple[str, str | None], tuple[float, LocalTarget | Reply]] = attrs.field(
        factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, config: Config, directory: Directory, clock: Clock | None = None) -> AccountSearch:
        """The search that a configuration asks for."""
        return cls(
            directory,
            mail_identity(config),
            config.aliasdir,
            separators=config.separators,
            dotextension=config.dotextension,
            fold=config.locallowercase,
            has_extensions=config.settings.mta.local_extensions,
            clock=clock or SystemClock(),
        )

    def find(self, local: str, hosted: str | None = None) -> LocalTarget | Reply:
        """Find who a local part belongs to.

        Args:
            local: the local part without quotes.
            hosted: the effective hosted domain, or None for `locals` domains.

        Returns:
            The target, `550 User <...> unknown`, or `450` when nobody can tell now.
        """
        key = local, hosted
        now = self.clock.monotonic()
        remembered = self._answers.get(key)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        answer = self._search(local.lower() if self.fold else local, hosted)
        if not (isinstance(answer, Reply) and answer.is_temporary_failure):
            self._keep(key, now, answer)
        return answer

    def forget(self) -> None:
        """Drop every remembered answer."""
        self._answers.clear()

    def _keep(self, key: tuple[str, str | None], now: float, answer: LocalTarget | Reply) -> None:
        if len(self._answers) >= MAX_REMEMBERED:
            self._answers.clear()
        self._answers[key] = now + self.remember, answer

    def _search(self, local: str, hosted: str | None) -> LocalTarget | Reply:
        try:
            return self._look_up(local, hosted) or _unknown(local, hosted)
        except CouriermailError as error:
            _log.warning("account lookup failed: %s", error)
            return _TEMPORARY

    def _look_up(self, local: str, hosted: str | None) -> LocalTarget | Reply | None:
        if not local or "!" in local or not is_safe_extension(local):
            return None
        if local.startswith("."):  # internal targets of aliases only
            return self._in_aliasdir(local, hosted) if is_internal_extension(local) else None
        for name, extension in self._candidates(local):
            account = self._account(name if hosted is None else f"{name}@{hosted}")
            if account is not None:
                return self._deliverable(account, name, (extension,))
        return self._catch_all(local, hosted) or self._in_aliasdir(local, hosted)

    def _candidates(self, local: str) -> Iterator[tuple[str, str]]:
        """Account names to try with the extension each leaves, longest name first."""
        places = [place for place, char in enumerate(local) if char in self.separators]
        if len(places) < MAX_SEPARATORS or not self.has_extensions:
            yield local, ""
        if not self.has_extensions:
            return
        for place in reversed(places[:MAX_SEPARATORS]):
            if place:
                yield local[:place], self._mapped(local[place + 1 :])

    def _mapped(self, extension: str) -> str:
        """The extension with every separator as `-`."""
        for char in self.separators:
            extension = extension.replace(char, "-")
        return extension

    def _account(self, name: str) -> Account | None:
        account = self.directory.lookup(name, SERVICE)
        return None if account is None or account.uid == 0 else account  # never root (spec 2)

    def _deliverable(
        self, account: Account, name: str, extensions: tuple[str, ...]
    ) -> LocalTarget | Reply | None:
        """The account as a target, if it takes one of the extensions."""
        if not account.home.startswith("/") or _breaks_lines(account.home, account.maildir):
            return _TEMPORARY  # a null home, or text that would break the log and the wire
        for extension in extensions:
            if not extension or self._takes(account.home, extension):
                return LocalTarget(
                    account=account.name,
                    name=name,
                    extension=extension,
                    uid=account.uid,
                    gid=account.gid,
                    home=account.home,
                    maildir=account.maildir,
                    quota=account.quota,
                )
        return None

    def _takes(self, home: str, extension: str) -> bool:
        return not self.needs_dot_file or self._has_dot_file(home, extension)

    def _catch_all(self, local: str, hosted: str | None) -> LocalTarget | Reply | None:
        """`alias@domain` takes what no account of a hosted domain does."""
        if hosted is None:
            return None
        account = self._account(f"alias@{hosted}")
        if account is None:
            return None
        extensions = local, f"{local}@{hosted}"
        return self._deliverable(account, "alias", extensions) or _unknown(local, hosted)

    def _in_aliasdir(self, local: str, hosted: str | None) -> LocalTarget | None:
        """Files in `aliasdir` are the last resort; they belong to the mail system itself."""
        extension = local if hosted is None else f"{local}@{hosted}"
        if self.identity.uid == 0 or not self._has_dot_file(self.aliasdir, extension):
            return None
        return LocalTarget(
            account="alias",
            name="alias",
            extension=extension,
            uid=self.identity.uid,
            gid=self.identity.gid,
            home=self.aliasdir,
        )

    def _has_dot_file(self, home: str, extension: str) -> bool:
        """True also when nobody can tell: the delivery then finds out (spec mta 11.1)."""
        try:
            found = find_dot_file(home, extension, base=self.dotextension, lstat=self.lstat)
        except OSError:
            return home != self.aliasdir
        return found is not None


def _breaks_lines(home: str, maildir: str | None) -> bool:
    text = home + (maildir or "")
    return "\n" in text or "!" in text


def _unknown(local: str, hosted: str | None) -> Reply:
    shown = local if hosted is None else f"{local}@{domain_to_ascii(hosted)}"
    return Reply(550, f"User <{shown}> unknown", enhanced="5.1.1")
