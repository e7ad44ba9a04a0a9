"""Debian's maildrop 2.9 and ours on the same recipe and message, in homes of their own.

Compared are the exit code, what `echo` and commands print, and every file left in the home.
Where the newest Courier or our own rules differ from 2.9 on purpose (spec filter, marks N and
T) the case is in the unit tests instead.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.maildrophome import PLAIN_MESSAGE, files_of, make_home

from couriermail.filter import DecisionHost, FilterError, LocalHost, compile_recipe

pytestmark = pytest.mark.peer("maildrop")

Result = tuple[int, bytes, dict[str, bytes]]


def run_peer(home: Path, recipe: str, message: bytes) -> Result:
    _prepare(home, recipe)
    done = subprocess.run(
        ["maildrop", "r"],
        cwd=home,
        input=message,
        env={"PATH": "/usr/bin:/bin:/usr/sbin", "HOME": str(home)},
        capture_output=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout, files_of(home, except_for="r")


def run_ours(home: Path, recipe: str, message: bytes) -> Result:
    _prepare(home, recipe)
    with (home.parent / f"{home.name}.out").open("w+b") as output:
        host = LocalHost(home, output=output.fileno(), umask=0o007)
        try:
            compiled = compile_recipe((home / "r").read_bytes(), name="r")
            code = compiled.run(message, host=host, env={"HOME": str(home)}).exit_code
        except FilterError as error:
            code = error.exit_code
        finally:
            host.close()
        output.seek(0)
        return code, output.read(), files_of(home, except_for="r")


def _prepare(home: Path, recipe: str) -> None:
    patterns = b"  foo@bar\nabc\n# no\n\ntrail $\n"
    make_home(home, {"r": f'DEFAULT="md"\n{recipe}\n'}, patterns=patterns)


RECIPES = {
    "to-maildir": 'to "./md/"',
    "default": "X=1",
    "129-mbox-twice": 'cc "mb"\nto "mb2"',
    "130-umask-022": 'UMASK=022\nto "mb"',
    "130-umask-007": 'UMASK=007\nto "mb"',
    "130-umask-abc": 'UMASK="abc"\nto "mb"',
    "133-maildir-umask": "UMASK=022\nto md",
    "134-flags": 'FLAGS="RS"\nto md',
    "134-bad-flags": 'FLAGS="XS"\nto md',
    "137-exit": 'to "|cat >/dev/null; exit 9"',
    "137-killed": 'to "|cat >/dev/null; kill -9 $$"',
    "137-missing": 'to "|cat >/dev/null; nosuch 2>/dev/null"',
    "139-cc": 'cc "|cat >/dev/null; exit 9"\nexit',
    "140-forward": 'SENDMAIL="printf %s\\\\n"\nto "! a@b c@d"',
    "141-default-command": 'DEFAULT="|cat >mb; exit 5"',
    "142-xfilter": 'xfilter "sed s/Hello/Bye/"\necho "$SIZE"\nto mb',
    "142-xfilter-fails": 'xfilter "cat; exit 3"',
    "144-log": 'logfile "log"\nlog "note"\ncc md\ncc mb\nto "|cat >/dev/null; exit 2"',
    "61-backticks": 'X=`echo " a  b "; echo c; echo`\necho "[$X] $RETURNCODE"\nX=`echo q; exit 3`\n'
    'echo "[$X] $RETURNCODE"\nX=`head -c 10`\necho "[$X]"',
    "62-nested": 'X=`echo \\`echo in\\``\necho "$X"\nX="p"`echo q`"r"\necho "$X"',
    "67-echo": 'echo "a\\tb\\101\\q\\\\z\\c"\necho "x\\cy"\necho "end\\\\c"',
    "70-block": "if (1) echo y",
    "71-empty-body": "if (0)\n\necho y",
    "71-comment-body": "if (0)\n# c\n{\necho y\n}",
    "72-blank-else": "if (0)\n{\necho a\n}\n\nelse\n{\necho b\n}",
    "73-brace-else": "if (1)\n{\necho a\n} else\n{\necho b\n}",
    "74-one-line": "if (1); { echo a; }; else; { echo b; };",
    "75-dangling": "if (1)\n if (0)\n echo a\n else\n echo b\necho c",
    "78-assign": 'if (X="q")\necho "$X"',
    "85-exception": 'exception {\ninclude "/nonexistent"\necho never\n}\necho after',
    "87-exit-in-exception": "EXITCODE=5\nexception {\nexit\n}\necho after\nexit",
    "88-command-in-exception": 'exception {\nto "|cat >/dev/null; exit 5"\n}\necho "after $EXITCODE"\nexit',
    "92-minus": "EXITCODE=-1\nexit",
    "92-256": "EXITCODE=256\nexit",
    "92-abc": 'EXITCODE="abc"\nexit',
    "92-3x": 'EXITCODE=" 3x"\nexit',
    "93-exit": "exit 5",
    "94-import": 'import "NOPE"\necho "[$NOPE]"',
    "95-unset": 'X=1\nunset X\necho "[$X]"',
    "96-while": "I=1\nwhile ($I <= 3)\n{\necho $I\nI=$I+1\n}",
    "97-order": 'echo "1"\nsystem "echo 2"\necho "3"',
    "100-body": "R=(/body/)\nB=(/body/:b != 0)\nif (/body/:hb)\necho both\nif (/body/:h)\necho head\n"
    'echo "$R $B"',
    "101-weights": 'A=(/body/:b,1)\nB=(/body/:b,10,0.5)\nC=(/o/:b,1,1)\necho "$A $B $C"',
    "105-case": 'if (/x-NUM/:D)\necho no\nif (/Hello/:D)\necho "$MATCH"',
    "106-groups": '/(zzz)?From/\necho "[$MATCH][$MATCH1]"',
    "108-kept": '/^From: (.*)/\n/^zzz(.*)/\n/^To:/\necho "[$MATCH][$MATCH1]"',
    "109-variable": 'X="hello"\nif (/^Subject: ${X} World/)\necho y',
    "110-slash": 'X="a/b"\nif ("xa/bx" =~ /$X/)\necho y\nif ("a/b" =~ /a[\\/]b/)\necho z',
    "111-empty": "if (//)\necho y",
    "112-string": 'X=/abc/\necho "$X"',
    "115-getaddr": 'Y=getaddr("a@b,c@d")\nif ($Y =~ /b\\nc/)\necho y\nif ($Y =~ /a.*c/)\necho n',
    "116-utf8": 'if ("É" =~ /^é$/)\necho a\nif ("É" =~ /^\\w$/)\necho b\nif ("É" =~ /^.$/)\necho c',
    "118-lookup": 'A=lookup("foo@bar","list")\nB=lookup("ABC","list")\nC=lookup("ABC","list","D")\n'
    'E=lookup("trail","list")\nF=lookup("trail ","list")\necho "$A$B$C$E$F"',
    "120-lookup-missing": 'X=lookup("a","nolk")',
    "121-getaddr": 'X=getaddr(\'To: joe@domain.com (Joe Brown), "Alex Smith" <alex@domain.com>, '
    'tom@domain.com, grp: a@b, c@d;, x\')\necho "$X"',
    "122-hasaddr": 'A=hasaddr("BOB@example.com")\nB=hasaddr("dave@example.org")\n'
    'C=hasaddr("alice@example.com")\nD=hasaddr("bob")\necho "$A$B$C$D"',
    "128-exponential": 'X="'
    + "a" * 40
    + '!"\nif ($X =~ /^(a+)+$/)\necho y\nif ($X =~ /^(a|aa)+$/)\necho y',
    "flock": 'flock "lock" {\necho in\n}\necho out',
    "foreach-string": 'foreach "a1b22c" =~ /[0-9]+/\necho "$MATCH"',
    "foreach-message": 'foreach /^(to|cc): *(.*)/\necho "$MATCH"',
    "include-missing": 'include "nothing"',
    "posix-class": 'if ("ab12" =~ /^[[:alpha:]]+[[:digit:]]+$/)\necho "$MATCH"',
    "quoted-literal": 'if ("a.b" =~ /^\\Qa.b\\E$/)\necho y\nif ("axb" =~ /^\\Qa.b\\E$/)\necho n',
    "inline-option": 'if ("ABC" =~ /a(?-i)B(?i)c/)\necho y',
    "lookaround": 'if ("foobar" =~ /foo(?=bar)/)\necho "$MATCH"\nif ("xbar" =~ /(?<!foo)bar/)\necho y',
    "keep": 'if ("foobar" =~ /foo\\Kbar/)\necho "$MATCH"',
    "possessive": 'if ("aaa" =~ /a++a/)\necho y\nif ("aab" =~ /(?>a+)b/)\necho z',
    "recursion": 'if ("((x))" =~ /^(\\((?:x|(?1))\\))$/)\necho y',
    "end-anchors": 'Y=getaddr("a@b")\nif ($Y =~ /b$/)\necho 1\nif ($Y =~ /b\\Z/)\necho 2\nif ($Y =~ /b\\z/)\necho 3',
    "literal-brace": 'if ("a{b" =~ /a{b/)\necho y',
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_a_recipe_has_the_same_effect_as_in_debian(recipe: str, tmp_path: Path) -> None:
    ours, peer = tmp_path / "ours", tmp_path / "peer"
    assert run_ours(ours, recipe, PLAIN_MESSAGE) == run_peer(peer, recipe, PLAIN_MESSAGE)


LARGE = PLAIN_MESSAGE + b"x" * 79 + b"\n"
LARGE += (b"y" * 79 + b"\n") * 3000


@pytest.mark.parametrize(
    "recipe",
    [
        "to mb",
        "to md",
        'to "|exit 0"',
        'to "|exit 3"',
        'xfilter "tr y z"\nto mb',
        "X=`wc -c`\necho $X",
    ],
)
def test_a_large_message_has_the_same_effect_as_in_debian(recipe: str, tmp_path: Path) -> None:
    assert run_ours(tmp_path / "a", recipe, LARGE) == run_peer(tmp_path / "b", recipe, LARGE)


@pytest.mark.parametrize(
    "message", [b"", b"Subject: x\n\nno end", b"\nbody\n", b"Subject: only\n"], ids=repr
)
@pytest.mark.parametrize("recipe", ["to mb", 'to "|cat >got"'])
def test_an_odd_message_is_stored_as_in_debian(recipe: str, message: bytes, tmp_path: Path) -> None:
    assert run_ours(tmp_path / "a", recipe, message) == run_peer(tmp_path / "b", recipe, message)


# -- the command itself ------------------------------------------------------------------

COMMAND = [sys.executable, "-c", "from couriermail.cli.maildrop import main; main()"]

LINES: dict[str, list[str]] = {
    "recipe": ["r"],
    "header": ["-A", "X-Extra: 1", "r"],
    "glued": ["-AX-Extra: 1", "-fme@x", "r"],
    "arguments": ["r", "one", "two"],
    "150-unknown-option": ["-Z"],
    "150-unknown-user": ["-d", "nosuchuser"],
    "150-missing": ["nothing-here"],
    "embedded": ["-m", "r"],
}


@pytest.mark.parametrize("arguments", LINES.values(), ids=LINES.keys())
def test_the_command_line_is_understood_as_in_debian(arguments: list[str], tmp_path: Path) -> None:
    results: list[Result] = []
    for name, command in (("ours", COMMAND), ("peer", ["maildrop"])):
        home = tmp_path / name
        _prepare(home, 'echo "[$FROM][$SIZE][$1][$2][$MAILFILTER]"\nif (/^X-Extra/)\necho "$MATCH"')
        done = subprocess.run(
            [*command, *arguments],
            cwd=home,
            input=b"Return-Path: <me@y>\n" + PLAIN_MESSAGE,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(home),
                "COURIERMAIL_CONFIG": str(home),
            },
            capture_output=True,
            check=False,
            timeout=30,
        )
        results.append((done.returncode, done.stdout, files_of(home, except_for="r")))
    assert results[0] == results[1]


FOLDED = b"Subject: 0\xe2\x84\xaa1\nX-A: 2\xc5\xbf3\nX-B: 4k5\nX-C: 6s7\n\nbody\n"
KELVIN, LONG_S = "\N{KELVIN SIGN}", "\N{LATIN SMALL LETTER LONG S}"
FOLDS = [
    "k", "K", KELVIN, "s", "S", LONG_S, "0k1", f"4{KELVIN}5", f"6{LONG_S}7", "2S3", "[k]", "[a-z]", "[i-l]",
    r"\w", r"\W", "[^s]", "[^k]", f"[{KELVIN}]", f"[{LONG_S}x]", "0.*k", f"4.*{KELVIN}", f"(6){LONG_S}", "[[:lower:]]",
    "[[:alpha:]]", "[[:^alpha:]]", "[^[:alpha:]]", r"[^\w:]", r"[\W4]", r"[\wé]", r"[^\Wx]", "(?i)2S3", "(?-i)2s3",
    r"\x{17f}", r"[\x{212a}]", r"2\Qs\E3", "(?:k|x)1", "0k?1", "^[[:graph:]]$", r"\b", r"(?<!\w).$",
]  # fmt: skip


@pytest.mark.parametrize("text", [r"a\/b", r"a\\\/b", r"bo\\", r"\\\\", r"\\|c", r"a\\\\/b"])
def test_a_backslash_that_is_escaped_escapes_no_slash(tmp_path: Path, text: str) -> None:
    recipe = f"echo (/{text}/:1,1)"
    expected = run_peer(tmp_path / "peer", recipe, PLAIN_MESSAGE)
    assert run_ours(tmp_path / "ours", recipe, PLAIN_MESSAGE) == expected


def test_letters_that_fold_across_ascii_do_so_as_in_debian(tmp_path: Path) -> None:
    """U+212A is a `k` and U+017F an `s` without regard to case, but neither is in a set."""
    recipe = ""
    for pattern in FOLDS:
        for options in ("", ":D"):
            searches = [f"(/{pattern}/{options} != 0)"]
            searches += [
                f'("{text}" =~ /{pattern}/{options})' for text in (KELVIN, "k", LONG_S, "s")
            ]
            recipe += "".join(
                f"X={search}\necho '{pattern}{options} ' \"$X\"\n" for search in searches
            )
    expected = run_peer(tmp_path / "peer", recipe, FOLDED)
    assert expected[1].count(b"\n") == len(FOLDS) * 2 * 5
    assert run_ours(tmp_path / "ours", recipe, FOLDED)[1].split(b"\n") == expected[1].split(b"\n")


WRONG_PATTERNS = [
    "[:alpha:]", "a[=b=]", "[[.a.]]", "[[=a=]]", r"(a)\2", r"\1", r"(?1)", "(?&!c)b", "(?&x)", "(?P=x)",
    "(?(=.)Ho", "(?(2)a)", "(", "a)", "[a", "(+)", "*a", "a|+", "a(*", "(*)b", "^*a", "a$+", r"a\b*b", r"a\B?b",
    r"\A?a", r"a\z*", r"x\K+a", r"\k{x}", r"(?P<n>a)\k{m}",
]  # fmt: skip


@pytest.mark.parametrize("pattern", WRONG_PATTERNS)
def test_a_wrong_pattern_is_reported_also_where_nothing_could_match(
    tmp_path: Path, pattern: str
) -> None:
    peer = tmp_path / "peer"
    _prepare(peer, f"/{pattern}/")
    done = subprocess.run(
        ["maildrop", "r"],
        cwd=peer,
        input=PLAIN_MESSAGE,
        env={"PATH": "/usr/bin:/bin", "HOME": str(peer)},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert b"r(2): Syntax error in /pattern/." in done.stderr
    host = DecisionHost()
    compile_recipe(f"\n/{pattern}/\nexit\n".encode(), name="r").run(PLAIN_MESSAGE, host=host)
    assert b"r(2): Syntax error in /pattern/." in host.traced
