"""Thousands of generated recipes: Debian's maildrop 2.9 and ours must agree on every one.

Law: for a recipe of the grammar below and a message, both programs write the same standard
output, complain about syntax in the same words, leave the same files and end with the same
exit code.

Recipes are run in batches.  Each is a file of its own that a driver includes inside an
`exception` block, so that one which cannot be read, or fails, does not concern the next; what
ends a delivery (`to`, `exit`, DEFAULT) is generated for the driver.  Ours runs in this process.

`DIFFERENCES` lists what is accepted.  The grammar leaves those things out, except where a
difference is in the text of a value, which is then made equal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from couriermail.filter import FilterError, LocalHost, compile_recipe

pytestmark = pytest.mark.peer("maildrop")

BATCH = 40
BATCHES = 126

# Tens of thousands of small files come and go, and none must outlive the machine.
MEMORY = Path("/dev/shm")
SCRATCH = MEMORY if os.access(MEMORY, os.W_OK) else None

DIFFERENCES = {
    "a hit of a message pattern is 1, in Debian 2": "spec 4.8: a bug of 2.9; compared as truth",
    "not-a-number is nan, in Debian -nan": "spec 4.3: its sign has no meaning; nothing is divided by zero",
    "0.0 is false and 0.50 true": "spec 4.3: Debian does not look at the digit after `0.`",
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
    "a command that ends without reading has its own status": "Debian says -1 when the write failed first",
    "text of the message never names a command": "README: no shell word but the author's",
}
"""Accepted differences between 2.9 and ours, and why."""

PLAIN = b"""From: Alice <alice@example.com>
To: Bob <bob@example.com>, carol@example.net
Cc: dave@example.org
Subject: Hello World
Message-ID: <1@x>
X-Num: 5

body line one
body line two
From me
>From y
 From z
"""
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
MESSAGES = [PLAIN, ENCODED, PARTS, b"Subject: only\n\n", b"\nbody only\n"]

# -- values ------------------------------------------------------------------------------

NUMBERS = [
    "0",
    "1",
    "7",
    "-3",
    "0.5",
    "2.5e1",
    "10",
    "0x1F",
    '" 12"',
    "99999999999",
    "00",
    '"-"',
]
WORDS = [
    "abc",
    '"a b"',
    '""',
    '"AbC"',
    '"a" "b"',
    "a@b.c",
    "/x/y",
    '"é"',
    "{x}",
    "-5",
    '"a/b"',
    "x-1",
    '"foo@bar"',
]
QUOTED = [r'"a\"b"', r"'a\'b'", r'"a\\b"', r'"a\nb"', r'"\$X"', "'$X'", r'"\\$X"', '"one \\\n   two"',
          '"one \\  # c\n  two"', r'"a\tb\101"', r'"x\c"', '"$$"', '"${}"', '"$-"', r"'\\'", '"a;b"', '"#"']  # fmt: skip
VARIABLES = ["$X", '"$X"', "$Y", '"x${X}y"', '"$MATCH"', '"[$MATCH1]"', '"$MATCH2"', "${Y}z", "$SIZE",
             "$RETURNCODE", '"$X$Y"', "$NOPE", "$UMASK", "$LOCKEXT", '"$SHELL"', '"$Z"']  # fmt: skip

ATOMS = ["a", "b", "c", "o", "1", ".", r"\w", r"\d", r"\s", "[a-c]", "[^a]", "[[:alpha:]]", r"\.", "@", "x", " ",
         "(a)", "(b|c)", "(?:a|bc)", "(o+)", r"\x61", "[0-9@]", "[]a]", "é", r"[\d-]", r"\S", r"[[:^digit:]]"]  # fmt: skip
QUANTIFIERS = ["", "", "", "", "+", "*", "?", "{2}", "{1,2}", "+?", "*?", "++", "{0,1}"]
ASSERTIONS = ["", "", "", "^", r"\b", "(?=.)", "(?<!b)", "(?!c)", "(?i)", r"\B", "(?<=a)"]
FIRSTS = ["a", "b", "o", "[a-c]", r"\w", r"\d", "(b|c)", ".", "(a)", "H", "hello", "l", "-"]
LETTERS = ["", "", "", ":h", ":b", ":hb", ":D", ":Dh", ":w", ":i"]
WEIGHTS = [":1", ":2,3", ":b,1", ":h,5", ":D,1,1", ":-1,0.5", ":,2", ":+2", ":b,10,0.5"]


def patterns() -> st.SearchStrategy[str]:
    """Patterns that match at least one character, or nothing."""
    pieces = st.lists(
        st.tuples(st.sampled_from(ATOMS), st.sampled_from(QUANTIFIERS)).map("".join), max_size=3
    ).map("".join)
    return st.tuples(
        st.sampled_from(ASSERTIONS),
        st.sampled_from(FIRSTS),
        pieces,
        st.sampled_from(["", "", "", "$", "|zz"]),
    ).map("".join)


def searches() -> st.SearchStrategy[str]:
    """Searches in the message, as truth values, and scores."""
    plain = st.tuples(patterns(), st.sampled_from(LETTERS)).map(lambda t: f"(/{t[0]}/{t[1]} != 0)")
    scores = st.tuples(patterns(), st.sampled_from(WEIGHTS)).map(lambda t: f"(/{t[0]}/{t[1]})")
    return st.one_of(plain, scores)


BINARY = ["+", "-", "*", "||", "&&", "|", "&", "==", "!=", "<", "<=", ">", ">=",
          "lt", "le", "gt", "ge", "eq", "ne"]  # fmt: skip
UNARY = ["length", "tolower", "toupper", "escape", "hasaddr", "getaddr"]


def expressions(*, runs_commands: bool = False) -> st.SearchStrategy[str]:
    """Expressions, nested a little."""
    words = (
        NUMBERS
        + WORDS
        + QUOTED
        + VARIABLES * 2
        + (["`echo hi`", "`exit 3`"] if runs_commands else [])
    )
    leaves = st.one_of(st.sampled_from(words), st.sampled_from(words), searches())

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, st.sampled_from(BINARY), inner).map(
                lambda t: f"({t[0]} {t[1]} {t[2]})"
            ),
            inner.map(lambda text: f"({text} / 3)"),
            st.tuples(st.sampled_from(["!", "~"]), inner).map(lambda t: f"({t[0]}{t[1]})"),
            st.tuples(inner, patterns(), st.sampled_from(LETTERS[:3] + WEIGHTS)).map(
                lambda t: f"({t[0]} =~ /{t[1]}/{t[2]})"
            ),
            st.tuples(st.sampled_from(UNARY), inner).map(lambda t: f"({t[0]} {t[1]})"),
            st.tuples(inner, st.integers(-1, 4)).map(lambda t: f"substr({t[0]},{t[1]})"),
            st.tuples(inner, st.integers(0, 4), st.integers(0, 3)).map(
                lambda t: f"substr({t[0]},{t[1]},{t[2]})"
            ),
            st.tuples(inner, st.sampled_from(["", ',"D"'])).map(
                lambda t: f'lookup({t[0]},"list"{t[1]})'
            ),
            st.tuples(st.sampled_from(["A", "B"]), inner).map(lambda t: f"({t[0]}={t[1]})"),
        )

    return st.recursive(leaves, grow, max_leaves=4)


# -- statements --------------------------------------------------------------------------

ACTS = ["unset X", "unset MATCH1", "import FOO", 'import "NOPE"', "EXITCODE=4", 'system "exit 2"',
        'log "x"', "UMASK=022", "unset EXITCODE", 'LOCKEXT=".l"']  # fmt: skip
DELIVERIES = ["cc mb", 'cc "md"', 'cc "./md/"', 'cc "|cat >/dev/null; exit 3"', 'cc "|cat >>piped"',
              'cc "nodir/mb"', 'FLAGS="S"\ncc md\nunset FLAGS', 'cc "! a@b"', 'xfilter "tr o 0"',
              'xfilter "exit 1"', 'cc "box$Y"']  # fmt: skip


def statements() -> st.SearchStrategy[str]:
    """Statements: mostly assignments and output, so that many run in a second."""
    names = st.sampled_from(["X", "Y", "Z"])
    value = expressions()
    assign = st.tuples(names, value).map(lambda t: f"{t[0]}={t[1]}")
    echo = value.map(lambda text: f"echo {text}")
    rare = st.one_of(
        st.sampled_from(ACTS),
        st.tuples(patterns(), st.sampled_from(LETTERS)).map(lambda t: f"/{t[0]}/{t[1]}"),
        expressions(runs_commands=True).map(lambda text: f"X={text}"),
        st.sampled_from(DELIVERIES),
    )
    simple = st.one_of(assign, echo, echo, rare)

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        block = st.lists(inner, max_size=2).map(lambda lines: "\n".join(["{", *lines, "}"]))
        return st.one_of(
            st.tuples(value, block, block).map(lambda t: f"if ({t[0]})\n{t[1]}\nelse\n{t[2]}"),
            st.tuples(value, inner, value, block).map(
                lambda t: f"if ({t[0]})\n{{\n{t[1]}\n}}\nelsif ({t[2]})\n{t[3]}"
            ),
            block.map(lambda text: f"foreach /^[a-z]+: */\n{text}"),
            st.tuples(value, block).map(lambda t: f"foreach {t[0]} =~ /[a-z0-9]+/\n{t[1]}"),
            block.map(lambda text: f"exception {text}"),
            simple.map(lambda text: f'flock "lock" {{\n{text}\n}}'),  # nested ones would wait
            block.map(lambda text: f"N=0\nwhile ($N < 3)\n{{\nN=$N+1\n{text}\n}}"),
        )

    return st.recursive(simple, grow, max_leaves=4)


BREAKS = ["(", ")", "{", "}", "\n\n", ";", "=", " else ", "/", "//", '"', "'", "#", "\\", " - ", "%", ",",
          "if", " =~ ", "&", "~", "foreach ", "exit\n", " to ", "\r", "!", "\\\n", "lookup"]  # fmt: skip


def broken(recipe: str, cut: float, text: str, width: int) -> str:
    """The recipe with a few characters exchanged at one place; not in loops, to keep their end."""
    if "while" in recipe:
        return recipe
    at = int(cut * len(recipe))
    return (recipe[:at] + text + recipe[at + width :]).replace("\r\n", "\n")


def recipes() -> st.SearchStrategy[str]:
    """Recipes; one in five has a mistake."""
    whole = st.lists(statements(), min_size=1, max_size=3).map("\n".join)
    wrong = st.builds(
        broken, whole, st.floats(0, 1, allow_nan=False), st.sampled_from(BREAKS), st.integers(0, 2)
    )
    return st.one_of(whole, whole, whole, whole, wrong)


ENDS = ["", "exit", "to mb", 'to "md"', "EXITCODE=7\nexit", 'to "|cat >got; exit 3"', "DEFAULT=mb", 'DEFAULT="|cat >/dev/null; exit 9"',
        'exception {\nto "|cat >/dev/null; exit 5"\n}\nto md', "EXITCODE=-1", "unset DEFAULT\nexit", 'to "! a@b c@d"']  # fmt: skip


# -- both programs -----------------------------------------------------------------------

Result = tuple[int, list[bytes], list[bytes], dict[str, bytes]]


def driver(count: int, end: str) -> str:
    runs = "".join(
        f'exception {{\ninclude "r{number}"\n}}\necho "-- {number} $EXITCODE"\n'
        for number in range(count)
    )
    return f'DEFAULT="md"\nSENDMAIL="./mailer"\nSHELL="/bin/sh"\nlogfile "log"\n{runs}{end}\n'


def prepare(home: Path, batch: list[str], end: str) -> None:
    for name in ("md/new", "md/tmp", "md/cur"):
        (home / name).mkdir(parents=True)
    (home / "list").write_bytes(b"  foo@bar\nabc\n# no\n\ntrail $\n(.)b\n")
    (home / "mailer").write_text('#!/bin/sh\ncat >/dev/null\necho "$@"\n')
    (home / "mailer").chmod(0o700)
    for number, recipe in enumerate(batch):
        (home / f"r{number}").write_bytes(recipe.encode() + b"\n")
    (home / "r").write_text(driver(len(batch), end))
    (home / "r").chmod(0o600)


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


def result_of_peer(process: Popen[bytes], home: Path) -> Result:
    output, trace = process.communicate(timeout=60)
    return process.returncode, lines(output), complaints(trace), files(home)


def run_ours(home: Path, batch: list[str], end: str, message: bytes) -> Result:
    prepare(home, batch, end)
    with (home.parent / "out").open("w+b") as output, (home.parent / "err").open("w+b") as trace:
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
        output.seek(0)
        trace.seek(0)
        return code, lines(output.read()), complaints(trace.read()), files(home)


def lines(output: bytes) -> list[bytes]:
    return output.split(b"\n")


def complaints(trace: bytes) -> list[bytes]:
    """The diagnostics about the recipes' text."""
    return [line for line in trace.split(b"\n") if re.match(rb"r\d*\(\d+\): ", line)]


def files(home: Path) -> dict[str, bytes]:
    """Contents by name and mode; maildir names and dates are left out."""
    found: dict[str, bytes] = {}
    for path in sorted(home.rglob("*"), key=lambda path: (path.parent, path.name)):
        name = str(path.relative_to(home))
        if not path.is_file() or re.fullmatch(r"r\d*", name):
            continue
        content = re.sub(rb"(?m)^(From \S+|Date:) .* \d{4}$", rb"\1 *", path.read_bytes())
        content = re.sub(rb"Date: \*\nFrom: .*\nSubj: .*\n!Err: [^|!](?s:.*?)\n\n", b"", content)
        if "/new/" in name or "/cur/" in name:  # names of one second sort by what means nothing
            size_and_flags = path.name[path.name.index(",S=") :]
            name = f"{os.path.dirname(name)}/*{size_and_flags}"
            content = b"\0".join(sorted([*found.get(name, b"").split(b"\0"), content]))
        found[f"{name} {path.stat().st_mode & 0o777:o}" if "*" not in name else name] = content
    return found


def difference(batch: list[str], end: str, message: bytes) -> str:
    """What the two programs do differently every time, or the empty string.

    Debian's status of a command that does not read its input depends on which was faster.
    """
    return difference_once(batch, end, message) and difference_once(batch, end, message)


def difference_once(batch: list[str], end: str, message: bytes) -> str:
    """What the two programs do differently in one run."""
    with TemporaryDirectory(dir=SCRATCH) as ours, TemporaryDirectory(dir=SCRATCH) as peer:
        home = Path(peer) / "home"
        with running_peer(home, batch, end, message) as process:
            result = run_ours(Path(ours) / "home", batch, end, message)
            expected = result_of_peer(process, home)
    pairs = zip(("code", "output", "complaints", "files"), result, expected, strict=True)
    return "".join(f"{name}: {a}\n{name} of Debian: {b}\n" for name, a, b in pairs if a != b)


class Tally:
    """How many recipes were compared."""

    recipes = 0


def compare(batches: int, *, derandomize: bool) -> int:
    """Run batches of generated recipes through both; the number of recipes."""
    tally = Tally()

    @settings(
        max_examples=batches,
        deadline=None,
        derandomize=derandomize,
        database=None,
        phases=[Phase.generate],  # a batch that differs is taken apart below, not shrunk
        suppress_health_check=list(HealthCheck),
    )
    @given(
        batch=st.lists(recipes(), min_size=BATCH, max_size=BATCH),
        end=st.sampled_from(ENDS),
        message=st.sampled_from(MESSAGES),
    )
    def agree(batch: list[str], end: str, message: bytes) -> None:
        if together := difference(batch, end, message):
            for recipe in batch:  # name the one recipe that it is about, if it is one
                if alone := difference([recipe], end, message):
                    pytest.fail(f"{recipe}\n-- {end}\n{message!r}\n{alone}")
            pytest.fail(f"{batch}\n-- {end}\n{message!r}\n{together}")
        tally.recipes += len(batch)

    agree()
    return tally.recipes


def test_five_thousand_generated_recipes_have_the_same_effect_as_in_debian() -> None:
    assert compare(BATCHES, derandomize=True) >= 5_000


@pytest.mark.slow
def test_fresh_generated_recipes_have_the_same_effect_as_in_debian() -> None:
    assert compare(10 * BATCHES, derandomize=False) >= 50_000
