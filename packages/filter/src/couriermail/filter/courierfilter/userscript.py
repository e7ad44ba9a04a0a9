"""Filters that users write as Python functions, and their judge (spec filter 4.24).

A script, or a module, defines one of

    from couriermail.filter.courierfilter import accept, reject

    async def check(msg):
        if msg.headers["Subject"] == "spam":
            return reject(550, "5.7.1 Not here.")
        return accept().add_header("X-Checked", "yes")

or, as scripts for Courier's Perl host do, functions that get a path and answer a reply, empty when
they do not mind; the last reply counts:

    def filterdata(path: str) -> str: ...
    def filtercontrol(path: str) -> str: ...

A script file that changed is loaded again before the next message; a module is not.  Whatever
fails in a script, its loading as well, raises: no message passes unseen.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import ModuleType

import attrs

from couriermail.filter.courierfilter.action import Action, accept
from couriermail.filter.courierfilter.errors import FilterConfigError, FilterProtocolError
from couriermail.filter.courierfilter.message import FilteredMessage
from couriermail.filter.courierfilter.protocol import FilterReply

__all__ = ["ScriptJudge"]

CHECK_SECONDS = 110.0  # the mail system gives a filter 120
ENTRIES = ("check", "filterdata", "filtercontrol")


@attrs.define(eq=False)
class ScriptJudge:
    """Asks a user's script about messages.

    Attributes:
        script: path of a file, or `package.module`.
    """

    script: str
    _loaded: ModuleType | None = attrs.field(default=None, init=False, repr=False)
    _version: object = attrs.field(default=None, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def __call__(self, message: FilteredMessage) -> str:
        """Judge a message and make the edits; the reply.

        Raises:
            Exception: whatever the script raises; the framework refuses for now.
        """
        try:
            action = self.decide(message)
            action.apply(message)
        finally:
            message.close()
        return action.reply()

    def decide(self, message: FilteredMessage) -> Action:
        """What the script says; nothing is changed.

        Raises:
            FilterConfigError: the script cannot be loaded.
            FilterProtocolError: it answered something else than it should.
            Exception: whatever the script raises.
        """
        module = self.load()
        if hasattr(module, "check"):
            return asyncio.run(_check(module, message))
        return _classic(module, message)

    def load(self) -> ModuleType:
        """The script, loaded again if its file changed.

        Raises:
            FilterConfigError: it cannot be loaded, or defines no filter.
        """
        with self._lock:
            version = self._file_version()
            if self._loaded is None or version != self._version:
                self._loaded = None  # a broken new version does not leave the old one in charge
                self._loaded = self._load()
                self._version = version
            return self._loaded

    def _file_version(self) -> object:
        if not self._is_file:
            return None
        try:
            found = os.stat(self.script)
        except OSError as error:
            raise FilterConfigError(
                f"cannot be read: {error.strerror}", path=self.script
            ) from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _load(self) -> ModuleType:
        try:
            module = _run(self.script) if self._is_file else importlib.import_module(self.script)
        except (Exception, SystemExit) as error:
            cause = f"cannot be loaded: {type(error).__name__}: {error}"
            line = _line_of(error, self.script)
            raise FilterConfigError(cause, path=self.script, line=line) from error
        if not any(callable(getattr(module, name, None)) for name in ENTRIES):
            wanted = "check, filterdata or filtercontrol"
            raise FilterConfigError(f"defines no function {wanted}", path=self.script)
        return module

    @property
    def _is_file(self) -> bool:
        return "/" in self.script


def _run(path: str) -> ModuleType:
    """Run a file as a module of its own, from its text: a stale byte code file is never used."""
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    module = ModuleType(f"pyfilter:{path}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # where dataclasses look for a class's names
    exec(code, module.__dict__)  # noqa: S102 - the administrator's own program
    return module


def _line_of(error: BaseException, path: str) -> int | None:
    """The line of the script where loading it failed, if it was there."""
    if isinstance(error, SyntaxError):
        return error.lineno if error.filename == path else None
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == path), None)


async def _check(module: ModuleType, message: FilteredMessage) -> Action:
    """Ask `check`; one that waits for ever is given up while the mail system still listens."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            action: object = await module.check(message)
    except SystemExit as error:  # it would end a thread without a word
        raise FilterProtocolError("check() called exit()") from error
    if not isinstance(action, Action):
        raise FilterProtocolError(f"check() answered {type(action).__name__}, no action")
    return action


def _classic(module: ModuleType, message: FilteredMessage) -> Action:
    """Ask functions that take paths; the last reply that is not empty counts."""
    replies = [_ask(module, "filterdata", message.body_path)]
    replies += [_ask(module, "filtercontrol", path) for path in message.control_paths]
    spoken = [reply for reply in replies if reply]
    return _as_action(spoken[-1]) if spoken else accept()


def _ask(module: ModuleType, name: str, path: str) -> str:
    function: Callable[[str], object] | None = getattr(module, name, None)
    try:
        reply = "" if function is None else function(path)
    except SystemExit as error:
        raise FilterProtocolError(f"{name}() called exit()") from error
    if not isinstance(reply, str):
        raise FilterProtocolError(f"{name}() answered {type(reply).__name__}, no text")
    return reply


def _as_action(reply: str) -> Action:
    parsed = FilterReply.parse(reply.encode("utf-8", "surrogateescape"))
    return Action(code=parsed.code, text="\n".join(parsed.lines))
