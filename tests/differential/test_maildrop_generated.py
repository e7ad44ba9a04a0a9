"""Thousands of generated recipes: Debian's maildrop 2.9 and ours must agree on every one.

Law: for a recipe of the grammar below and a message, both programs write the same standard
output, complain about syntax in the same words, leave the same files and end with the same
exit code.

Recipes are run in batches.  Each is a file of its own that a driver includes inside an
`exception` block, so that one which cannot be read, or fails, does not concern the next; what
ends a delivery (`to`, `exit`, DEFAULT) is generated for the driver.  Ours runs in this process.

`DIFFERENCES` lists what is accepted.  The grammar (`tests.support.recipegrammar`) leaves those
things out, except where a difference is in the text of a value, which is then made equal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory

import pytest
from tests.support.maildrophome import PLAIN_MESSAGE, files_of, make_home
from tests.support.recipegrammar import RecipeWriter

from couriermail.filter import (
    FilterError,
    LocalHost,
    RecipeSyntaxError,
    compile_recipe,
    walk,
)
from couriermail.filter.search import CompiledPattern, PatternError
from couriermail.filter.syntax import Binary, Evaluate, Foreach, Match, Node, Pattern, Text

pytestmark = pytest.mark.peer("maildrop")

BATCH = 40
BATCHES = 140

# Tens of thousands of small files come and go, and none must outlive the machine.
MEMORY = Path("/dev/shm")
SCRATCH = MEMORY if os.access(MEMORY, os.W_OK) else None

DIFFERENCES = {
    "a hit of a message pattern is 1, in Debian 2": "spec 4.8: a bug of 2.9; compared as truth",
    "not-a-number is nan, in Debian -nan": "spec 4.3: its sign has no meaning and is not compared",
    "0.0 is false and 0.50 true": "spec 4.3: Debian does not look at the digit after `0.`",
    "a backslash before a letter without a meaning is an error": "PCRE2; Debian's maildrop has PCRE 8",
    "a group that takes no part is empty": "spec 4.8: Debian keeps the old value behind the last that does",
    "foreach sets the groups of each match": "spec 4.7: Debian keeps those of the last match",
    "an empty match in a string is one match": "spec 4.8: Debian never ends",
    "S= of a message without a final line end counts the one that is added": "it is the file's size",
    "the log has mailboxes that cannot be opened": "spec 3.3: Debian logs only what it began",
    "an empty address is no recipient": "Debian's hasaddr finds it in an empty group",
    "each part of a message ends a line": "spec 4.9: Debian glues the next part's first line to it",
    "a carriage return before a line feed is a blank": "spec 4.2: Debian cannot read CRLF files",
    "substr with a negative count is no limit": "spec 4.6: Debian crashes",
    "the empty line after a header is searched": "spec 4.9: the newest Courier's rule",
    "folded lines are joined by one blank": "spec 4.9: the newest Courier's rule",
    "H is the main header": "spec 4.8: Debian does not know the letter",
    "LINES counts the body": "spec 4.11: the newest Courier's rule",
    "a missing Maildir never becomes a file": "spec 4.13: mail would be lost",
    "xfilter that writes nothing is an error": "spec 4.13: mail would be lost",
    "a command that ends without reading has its own status": "Debian says -1 when the write failed first;"
    " every command here reads, or fails in any case",
    "the shell sees no sign of `! addresses`": "spec 4.13: run without a shell; the signs are left out",
    "text of the message never names a command": "README: no shell word but the author's",
}
"""Accepted differences between 2.9 and ours, and why."""

ENCODED = b"""From: "Doe, John" <john@example.com>
To: "Roe, Jane" <jane@example.com>, c@d
Subject: =?UTF-8?B?SMOzbGEh?= =?utf-8?q?_x?= tail
Mime-Version: 1.0
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

b=F6dy one=
 two
abc abc
"""
PARTS = b"""From: a@b
Subject: parts
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

preamble abc
--b
Content-Type: text/plain

first body

--b
Content-Type: text/html
Content-Transfer-Encoding: base64

PGI+Ym9keTwvYj4K
--b--
"""
MESSAGES = [PLAIN_MESSAGE, ENCODED, PARTS, b"Subject: only\n\n", b"\nbody only\n"]

ENDS = ["", "exit", "to mb", 'to "md"', "EXITCODE=7\nexit", 'to "|cat >got; exit 3"', "DEFAULT=mb", 'DEFAULT="|cat >/dev/null; exit 9"',
        'exception {\nto "|cat >/dev/null; exit 5"\n}\nto md', "EXITCODE=-1", "unset DEFAULT\nexit", 'to "! a@b c@d"']  # fmt: skip


# -- both programs -----------------------------------------------------------------------

Result = tuple[int, list[bytes], list[bytes], dict[str, bytes]]


def driver(count: int, end: str) -> str:
    forget = "".join(f"unset MATCH{number}\n" for number in (1, 2, 3, 4))
    runs = "".join(
        f'{forget}exception {{\ninclude "r{number}"\n}}\necho "-- {number} $EXITCODE"\n'
        for number in range(count)
    )
    return f'DEFAULT="md"\nSENDMAIL="./mailer"\nSHELL="/bin/sh"\nlogfile "log"\n{runs}{end}\n'


def prepare(home: Path, batch: list[str], end: str) -> None:
    recipes = {f"r{number}": f"{recipe}\n" for number, recipe in enumerate(batch)}
    recipes["r"] = driver(len(batch), end)
    make_home(home, recipes, patterns=b"  foo@bar\nabc\n# no\n\ntrail $\n(.)b\n")
    (home / "mailer").write_text('#!/bin/sh\ncat >/dev/null\necho "$@"\n')
    (home / "mailer").chmod(0o700)


@contextmanager
def running_peer(home: Path, batch: list[str], end: str, message: bytes) -> Iterator[Popen[bytes]]:
    """Debian's maildrop at work, so that ours can work at the same time."""
    prepare(home, batch, end)
    (home.parent / "message").write_bytes(message)
    with (home.parent / "message").open("rb") as source:
        process = Popen(
            ["maildrop", "r"],
            cwd=home,
            stdin=source,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "FOO": "bar"},
            stdout=PIPE,
            stderr=PIPE,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


class Interrupted(Exception):  # noqa: N818 - not a difference
    """Debian's maildrop ended because somebody stopped and continued it: it dies of SIGCONT."""


def result_of_peer(process: Popen[bytes], home: Path) -> Result:
    output, trace = process.communicate(timeout=60)
    if b"maildrop: signal 0x12\n" in trace:
        raise Interrupted
    return process.returncode, lines(output), complaints(trace), files(home)


def run_ours(home: Path, batch: list[str], end: str, message: bytes) -> Result:
    prepare(home, batch, end)
    with (home.parent / "out").open("w+b") as output, (home.parent / "err").open("w+b") as trace:
        before = os.umask(0o007)  # the command's own
        host = LocalHost(home, output=output.fileno(), diagnostics=trace.fileno(), umask=0o007)
        try:
            compiled = compile_recipe((home / "r").read_bytes(), name="r")
            environment = {"HOME": str(home), "FOO": "bar", "PATH": "/usr/bin:/bin"}
            code = compiled.run(
                message, host=host, env=environment, imports={"FOO": "bar"}
            ).exit_code
        except FilterError as error:
            code = error.exit_code
        finally:
            host.close()
            os.umask(before)
        output.seek(0)
        trace.seek(0)
        return code, lines(output.read()), complaints(trace.read()), files(home)


def lines(output: bytes) -> list[bytes]:
    return output.replace(b"-nan", b"nan").split(b"\n")


def complaints(trace: bytes) -> list[bytes]:
    """The diagnostics about the recipes' text."""
    return [line for line in trace.split(b"\n") if re.match(rb"r\d*\(\d+\): ", line)]


def files(home: Path) -> dict[str, bytes]:
    """What lies in the home, without the recipes and the log's words about what cannot be opened."""
    unopened = rb"Date: \*\nFrom: .*\nSubj: .*\n!Err: [^|!](?s:.*?)\n\n"
    return {
        name: re.sub(unopened, b"", content) if name.startswith("log ") else content
        for name, content in files_of(home, except_for=r"r\d*").items()
    }


def difference(batch: list[str], end: str, message: bytes) -> str:
    """What the two programs do differently, or the empty string."""
    while True:
        try:
            return difference_once(batch, end, message)
        except Interrupted:
            continue


def difference_once(batch: list[str], end: str, message: bytes) -> str:
    """What the two programs do differently in one run."""
    with TemporaryDirectory(dir=SCRATCH) as ours, TemporaryDirectory(dir=SCRATCH) as peer:
        home = Path(peer) / "home"
        with running_peer(home, batch, end, message) as process:
            result = run_ours(Path(ours) / "home", batch, end, message)
            expected = result_of_peer(process, home)
    pairs = zip(("code", "output", "complaints", "files"), result, expected, strict=True)
    return "".join(f"{name}: {a}\n{name} of Debian: {b}\n" for name, a, b in pairs if a != b)


def comparable_recipe(writer: RecipeWriter) -> str:
    """A recipe without those accepted differences that a mistake, or luck, can bring in."""
    while True:
        recipe = writer.recipe()
        if not is_left_out(recipe):
            return recipe


def is_left_out(recipe: str) -> bool:
    """True when an accepted difference may show in it."""
    return any(left_out(recipe) for left_out in LEFT_OUT)


def shows_hits(recipe: str) -> bool:
    """True when a hit in the message is used as a number: 1, and 2 in Debian."""
    try:
        nodes = list(walk(compile_recipe(recipe.encode() + b"\n", name="r").tree))
    except RecipeSyntaxError:
        return False
    judged: set[int] = set()
    for node in nodes:
        inner: Node | None = None
        if isinstance(node, Match):
            inner = node.pattern
        elif isinstance(node, Binary) and node.operator == "!=" and is_zero(node.right):
            inner = node.left
        elif isinstance(node, Evaluate):
            inner = node.expression
        elif isinstance(node, Foreach):
            inner = node.search
        judged.add(id(inner))
    plain = [
        node
        for node in nodes
        if isinstance(node, Pattern) and not re.search(rb"[-+.0-9]", node.options)
    ]
    return any(id(node) not in judged for node in plain)


def is_zero(node: Node) -> bool:
    """True for a literal 0: what is compared with it is looked at as truth."""
    return isinstance(node, Text) and [text for _, text in node.parts] == [b"0"]


def may_keep_groups(recipe: str) -> bool:
    """True when a group that takes no part may stand behind an earlier search that set it."""
    groups = len(re.findall(r"\((?:a|b\|c|o\+)\)", recipe))
    is_again = groups > 1 or "while" in recipe or "foreach" in recipe or "lookup" in recipe
    has_optional = re.search(r"\((?:a|b\|c|o\+)\)(?:[?*]|\{0)", recipe)
    return "$MATCH" in recipe and is_again and has_optional is not None


def matches_nothing(recipe: str) -> bool:
    """True when a pattern matches the empty string: Debian never ends, or skips an empty line."""
    try:
        tree = compile_recipe(recipe.encode() + b"\n", name="r").tree
        patterns = [node.text for node in walk(tree) if isinstance(node, Pattern)]
        return any(
            CompiledPattern(text, case_sensitive=False, seconds=1).first_in(b"") is not None
            for text in patterns
        )
    except (RecipeSyntaxError, PatternError):
        return False


def has_cut_fraction(recipe: str) -> bool:
    """True when a value may be `0.` or `0.5` with a line end, whose truth is the other in Debian."""
    is_cut = "getaddr" in recipe or "substr" in recipe
    return is_cut and ("0.5" in recipe or "/ 3" in recipe)


def has_idle_backslash(recipe: str) -> bool:
    """True when a pattern may have a backslash before a letter that it means nothing for."""
    return re.search(r"\\[ijmqyFIJMOTY]|\[[^]]*\\z", recipe) is not None


LEFT_OUT = (shows_hits, matches_nothing, may_keep_groups, has_cut_fraction, has_idle_backslash)


def fewest(batch: list[str], end: str, message: bytes) -> list[str]:
    """The recipes that it takes to see a difference: variables of one are read by the next."""
    for recipe in list(batch):
        fewer = [other for other in batch if other is not recipe]
        if difference(fewer, end, message):
            batch = fewer
    return batch


def compare(seed: int, batches: int) -> int:
    """Run batches of generated recipes through both; the number of different recipes."""
    writer = RecipeWriter(seed)
    compared: set[str] = set()
    for _ in range(batches):
        batch = [comparable_recipe(writer) for _ in range(BATCH)]
        end, message = writer.random.choice(ENDS), writer.random.choice(MESSAGES)
        if difference(batch, end, message):
            fewer = fewest(batch, end, message)
            if is_left_out("\n".join(fewer)):
                continue  # one sets the variable, another shows the difference
            found = difference(fewer, end, message)
            recipes = "\n-- and\n".join(fewer)
            pytest.fail(f"seed {seed}:\n{recipes}\n-- {end}\n{message!r}\n{found}")
        compared.update(batch)
    return len(compared)


def test_five_thousand_generated_recipes_have_the_same_effect_as_in_debian() -> None:
    assert compare(1, BATCHES) >= 5_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fresh_generated_recipes_have_the_same_effect_as_in_debian() -> None:
    assert compare(SystemRandom().getrandbits(32), 10 * BATCHES) >= 50_000
