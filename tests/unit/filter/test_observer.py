"""Watching a run: what an observer is told, and the trace of VERBOSE (spec filter 4.15)."""

from __future__ import annotations

import pytest

from couriermail.filter import (
    DecisionHost,
    Delivery,
    PatternSearch,
    RecipeRuntimeError,
    compile_recipe,
)
from couriermail.filter.syntax import (
    Action,
    Expression,
    If,
    Locked,
    Pattern,
    Statement,
    Trap,
    While,
)

MESSAGE = (
    b"From: Alice <alice@example.com>\nTo: Bob <bob@example.com>\nSubject: Hello\n\nbody one\nxo\n"
)


class Notes:
    """An observer that keeps what it is told, shortened."""

    def __init__(self) -> None:
        self.searches: list[tuple[int, int, bytes, tuple[tuple[bytes, ...], ...]]] = []
        self.events: list[str] = []

    def statement(self, name: str, node: Statement) -> None:
        self.events.append(f"{name}:{node.line}:{node.column} {type(node).__name__}")

    def performing(self, name: str, node: Action | Locked, argument: bytes) -> None:
        self.events.append(f"{node.verb} {argument.decode()}")

    def deciding(self, name: str, node: If | While) -> None:
        self.events.append("?")

    def decided(self, name: str, node: If | While, value: bytes) -> None:
        self.events.append(f"decided {node.line} {value.decode()}")

    def trapped(self, name: str, node: Trap, error: RecipeRuntimeError | None) -> None:
        self.events.append(f"trapped {error}")

    def value(self, name: str, node: Expression, value: bytes, operands: tuple[bytes, ...]) -> None:
        if operands:
            self.events.append(f"{type(node).__name__} {operands} {value.decode()}")

    def search(self, name: str, node: Pattern, search: PatternSearch) -> None:
        self.searches.append((node.line, node.column, search.value, search.found))

    def delivered(self, delivery: Delivery) -> None:
        self.events.append(f"delivered {delivery.target.decode()}")


def watched(recipe: str) -> tuple[Notes, DecisionHost]:
    notes, host = Notes(), DecisionHost()
    compile_recipe(recipe, name="r").run(MESSAGE, host=host, env={"DEFAULT": "d"}, observer=notes)
    return notes, host


def test_every_statement_and_decision_is_told_with_its_place() -> None:
    notes, _ = watched('if (0)\n  to a\nelsif (1 + 1 == 2)\n{\n  cc "b"\n}\n')
    assert notes.events == [
        "r:1:1 If",
        "?",
        "decided 1 0",
        "?",
        "Binary (b'1', b'1') 2",
        "Binary (b'2', b'2') 1",
        "decided 3 1",
        "r:5:3 Action",
        "cc b",
        "delivered b",
        "delivered d",
    ]


@pytest.mark.parametrize(
    ("recipe", "value", "found"),
    [
        ("/^(to|cc): *(.*)@/", b"1", ((b"To: Bob <bob@", b"To", b"Bob <bob"),)),
        ("/o/:b,2", b"4", ((b"o",), (b"o",))),
        ("/zzz/", b"0", ()),
        ('X=("abab" =~ /(a)b/)', b"1", ((b"ab", b"a"),)),
        ('foreach "abab" =~ /(a)b/\nX=1', b"2", ((b"ab", b"a"), (b"ab", b"a"))),
    ],
    ids=["message", "score", "miss", "string", "foreach"],
)
def test_every_search_is_told_with_its_captures(
    recipe: str, value: bytes, found: tuple[tuple[bytes, ...], ...]
) -> None:
    notes, _ = watched(recipe + "\n")
    ((line, _, told, captures),) = notes.searches
    assert (line, told, captures) == (1, value, found)


RECIPES = [
    'X=1\nwhile ($X < 4)\nX=$X+1\nY=length "$X" + ~2 - !3\nto "$X$Y"\n',
    '/^Subject: (.*)/\nZ=(/o/:b,2)\nforeach /^(to|from): /\necho "$MATCH1"\nto "$MATCH1$Z"\n',
    'exception {\ninclude "none"\n}\nX="a" || b && c\nto $X\n',
    'flock "l" {\nX=substr("abc",1)\n}\nsystem "x"\nX=("abab" =~ /b/:1,2) + tolower("A")\nto $X\n',
    'X=("x" =~ /(/)\nX=gdbmfetch("k","","none")\nif (0)\nto a\nelse\nto $X\n',
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_observed_run_comes_to_the_same_as_one_that_is_not(recipe: str) -> None:
    plain_host = DecisionHost()
    plain = compile_recipe(recipe, name="r").run(MESSAGE, host=plain_host)
    notes = Notes()
    host = DecisionHost()
    observed = compile_recipe(recipe, name="r").run(MESSAGE, host=host, observer=notes)
    assert dict(observed.variables) == dict(plain.variables)
    assert observed.deliveries == plain.deliveries
    assert (host.echoed, host.commands) == (plain_host.echoed, plain_host.commands)
    assert notes.events


def traced(recipe: str, level: int) -> list[bytes]:
    host = DecisionHost()
    compile_recipe(recipe, name="r").run(
        MESSAGE, host=host, env={"DEFAULT": "d", "VERBOSE": str(level)}
    )
    return host.traced


TRACES = [
    (
        "X=1+2\nif ($X == 3)\n{\n}\nto a\n",
        [b'r(1): X="3"', b"r(2): Evaluating IF condition.", b"r(2): IF evaluated, result=1"],
    ),
    (
        "while ($X lt 1)\nX=1\nto a\n",
        [
            b"r(1): Evaluating WHILE condition.",
            b"r(1): While condition evaluated, result=1",
            b'r(2): X="1"',
            b"r(1): Evaluating WHILE condition.",
            b"r(1): While condition evaluated, result=0",
        ],
    ),
    (
        "/^Subject: (.*)/\nto a\n",
        [
            b"Matching /^Subject: (.*)/ against From: Alice <alice@example.com>",
            b"Not matched.",
            b"Matching /^Subject: (.*)/ against To: Bob <bob@example.com>",
            b"Not matched.",
            b"Matching /^Subject: (.*)/ against Subject: Hello",
            b"r(1): Search of ^Subject: (.*) = 1",
        ],
    ),
    (
        'exception {\ninclude "none"\n}\nimport "FOO"\nunset X\nto a\n',
        [
            b"r(1): Trapping exceptions.",
            b"r(2): Opening include file none",
            b"r(1): Trapped exception.",
            b'r(4): import  "FOO"',
            b"r(5): unset X",
        ],
    ),
    (
        'exception {\n}\ndotlock "l" {\n}\nflock "k" {\n}\nlogfile "g"\nto a\n',
        [
            b"r(1): Trapping exceptions.",
            b"r(1): Exception trapping removed.",
            b"r(3): Creating dotlock l",
            b"r(5): Creating flock k",
            b"r(7): Opening logfile g",
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "lines"), TRACES)
def test_level_4_traces_statements_and_searches(recipe: str, lines: list[bytes]) -> None:
    assert [line for line in traced(recipe, 4) if not line.startswith(b"maildrop: ")] == lines


def test_level_6_traces_operations() -> None:
    assert traced("X=1 - 2\nY=!1\nZ= ~5\nto a\n", 6)[:6] == [
        b"r(1): Operation on: 1 and 2 - subtract, result is -1",
        b'r(1): X="-1"',
        b"r(2): Operation on: 1 - logical not.",
        b"r(2): Operation: logical not=0",
        b'r(2): Y="0"',
        b"r(3): Operation on: 5 - bitwise not.",
    ]


def test_a_recipe_turns_its_own_trace_on_and_off() -> None:
    assert traced("X=1\nVERBOSE=4\nX=2\nunset VERBOSE\nX=3\nto a\n", 0) == [
        b'r(2): VERBOSE="4"',
        b'r(3): X="2"',
        b"r(4): unset VERBOSE",
    ]


def test_level_9_traces_the_tokens_of_recipes_that_are_read() -> None:
    host = DecisionHost(files={b"inc": b"X='a' =~ /b/:D,1\nY=`c` - 1;\n"})
    recipe = compile_recipe('VERBOSE=9\ninclude "inc"\nto a\n', name="r")
    recipe.run(MESSAGE, host=host)
    tokens = [line[10:] for line in host.traced if line.startswith(b"Tokenized ")]
    assert tokens == [
        b'string: "X"',
        b"=",
        b"string: 'a'",
        b"=~",
        b"regexp: /b/:D,1",
        b";",
        b'string: "Y"',
        b"=",
        b"string: `c`",
        b"-",
        b'string: "1"',
        b";",
        b";",
        b"eof",
    ]
