"""Recipes of maildrop's language, made at random from a grammar."""

from __future__ import annotations

import re
from random import Random

__all__ = ["RecipeWriter"]

# -- values ------------------------------------------------------------------------------

NUMBERS = ["0", "1", "7", "-3", "0.5", "2.5e1", "10", "0x1F", '" 12"', "99999999999", "00", '"-"']
WORDS = ["abc", '"a b"', '""', '"AbC"', '"a" "b"', "a@b.c", "/x/y", '"é"', "{x}", "-5", '"a/b"',
         "x-1", '"foo@bar"']  # fmt: skip
QUOTED = [r'"a\"b"', r"'a\'b'", r'"a\\b"', r'"a\nb"', r'"\$X"', "'$X'", r'"\\$X"', '"one \\\n   two"',
          '"one \\  # c\n  two"', r'"a\tb\101"', r'"x\c"', '"$$"', '"${}"', '"$-"', r"'\\'", '"a;b"', '"#"']  # fmt: skip
VARIABLES = ["$X", '"$X"', "$Y", '"x${X}y"', '"$MATCH"', '"[$MATCH1]"', '"$MATCH2"', "${Y}z", "$SIZE",
             "$RETURNCODE", '"$X$Y"', "$NOPE", "$UMASK", "$LOCKEXT", '"$SHELL"', '"$Z"']  # fmt: skip

ATOMS = ["a", "b", "c", "o", "1", ".", r"\w", r"\d", r"\s", "[a-c]", "[^a]", "[[:alpha:]]", r"\.", "@", "x", " ",
         "(a)", "(b|c)", "(?:a|bc)", "(o+)", r"\x61", "[0-9@]", "[]a]", "é", r"[\d-]", r"\S", r"[[:^digit:]]"]  # fmt: skip
ASSERTIONS = ["", "", "", "^", r"\b", "(?=.)", "(?<!b)", "(?!c)", "(?i)", r"\B", "(?<=a)"]
FIRSTS = ["a", "b", "o", "[a-c]", r"\w", r"\d", "(b|c)", ".", "(a)", "H", "hello", "l", "-"]
LETTERS = ["", "", "", ":h", ":b", ":hb", ":D", ":Dh", ":w", ":i"]
WEIGHTS = [":1", ":2,3", ":b,1", ":h,5", ":D,1,1", ":-1,0.5", ":,2", ":+2", ":b,10,0.5"]

# -- statements --------------------------------------------------------------------------

ACTS = ["unset X", "unset MATCH1", "import FOO", 'import "NOPE"', "EXITCODE=4", 'system "exit 2"',
        'log "x"', "UMASK=022", "unset EXITCODE", 'LOCKEXT=".l"']  # fmt: skip
DELIVERIES = ["cc mb", 'cc "md"', 'cc "./md/"', 'cc "|cat >/dev/null; exit 3"', 'cc "|cat >>piped"',
              'cc "nodir/mb"', 'FLAGS="S"\ncc md\nunset FLAGS', 'cc "! a@b"', 'xfilter "tr o 0"',
              'xfilter "exit 1"', 'cc "box$Y"']  # fmt: skip

SIMPLE = {
    "number": NUMBERS,
    "atom": ATOMS,
    "quantifier": ["", "", "", "", "+", "*", "?", "{2}", "{1,2}", "+?", "*?", "++", "{0,1}"],
    "pieces": ["", "⟨piece⟩", "⟨piece⟩⟨piece⟩", "⟨piece⟩⟨piece⟩⟨piece⟩"],
    "piece": ["⟨atom⟩⟨quantifier⟩"],
    "assertion": ASSERTIONS,
    "first": FIRSTS,
    "last": ["", "", "", "$", "|zz"],
    "pattern": ["⟨assertion⟩⟨first⟩⟨pieces⟩⟨last⟩"],  # matches a character at least, or nothing
    "letters": LETTERS,
    "weight": WEIGHTS,
    "options": ["", "⟨weight⟩", "⟨weight⟩", "⟨weight⟩"],
    "search": ["(/⟨pattern⟩/⟨letters⟩ != 0)", "(/⟨pattern⟩/⟨weight⟩)"],
    "literal": [*NUMBERS, *WORDS, *QUOTED, *VARIABLES, *VARIABLES],
    "binary": ["+", "-", "*", "||", "&&", "|", "&", "==", "!=", "<", "<=", ">", ">=",
               "lt", "le", "gt", "ge", "eq", "ne"],
    "unary": ["length", "tolower", "toupper", "escape", "hasaddr", "getaddr"],
    "from": ["-1", "0", "1", "2", "3", "4"],
    "count": ["0", "1", "2", "3"],
    "name": ["X", "Y", "Z"],
    "rare": ["⟨act⟩", "/⟨pattern⟩/⟨letters⟩", "X=`echo hi`", "X=(⟨value⟩ ⟨binary⟩ `exit 3`)", "⟨delivery⟩"],
    "act": ACTS,
    "delivery": DELIVERIES,
    "simple": ["⟨name⟩=⟨value⟩", "echo ⟨value⟩", "echo ⟨value⟩", "⟨rare⟩"],
    "block": ["{\n}", "{\n⟨statement⟩\n}", "{\n⟨statement⟩\n⟨statement⟩\n}"],
}  # fmt: skip
"""Symbols and what they may become; most statements are assignments and output: many run in a second."""

LEAVES = {"value": ["⟨literal⟩", "⟨literal⟩", "⟨search⟩"], "statement": ["⟨simple⟩"]}
"""What the two symbols that contain themselves become when they shall not grow."""

GROWN = {
    "value": [
        "(⟨value⟩ ⟨binary⟩ ⟨value⟩)",
        "(⟨value⟩ / 3)",
        "(!⟨value⟩)",
        "(~⟨value⟩)",
        "(⟨value⟩ =~ /⟨pattern⟩/⟨options⟩)",
        "(⟨unary⟩ ⟨value⟩)",
        "substr(⟨value⟩,⟨from⟩)",
        "substr(⟨value⟩,⟨from⟩,⟨count⟩)",
        'lookup(⟨value⟩,"list")',
        'lookup(⟨value⟩,"list","D")',
        "(A=⟨value⟩)",
        "(B=⟨value⟩)",
    ],
    "statement": [
        "if (⟨value⟩)\n⟨block⟩\nelse\n⟨block⟩",
        "if (⟨value⟩)\n{\n⟨statement⟩\n}\nelsif (⟨value⟩)\n⟨block⟩",
        "foreach /^[a-z]+: */\n⟨block⟩",
        "foreach ⟨value⟩ =~ /[a-z0-9]+/\n⟨block⟩",
        "exception ⟨block⟩",
        'flock "lock" {\n⟨simple⟩\n}',  # nested ones would wait
        "N=0\nwhile ($N < 3)\n{\nN=$N+1\n⟨block⟩\n}",
    ],
}

BREAKS = ["(", ")", "{", "}", "\n\n", ";", "=", " else ", "/", "//", '"', "'", "#", "\\", " - ", "%", ",",
          "if", " =~ ", "&", "~", "foreach ", "exit\n", " to ", "\r", "!", "\\\n", "lookup"]  # fmt: skip

UNBROKEN = re.compile(r'"[|!][^"\n]*"|xfilter "[^"\n]*"|`[^`\n]*`|FLAGS="S"')


class RecipeWriter:
    """Writes recipes; the same ones for the same seed.

    Args:
        seed: of the random numbers.

    Attributes:
        random: the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def recipe(self) -> str:
        """A recipe of one to three statements; one in five has a mistake."""
        count = self.random.randint(1, 3)
        whole = "\n".join(self._expand("⟨statement⟩", 2) for _ in range(count))
        return self._broken(whole) if self.random.random() < 0.2 else whole

    def _expand(self, text: str, depth: int) -> str:
        return re.sub("⟨(.*?)⟩", lambda found: self._made(found[1], depth), text)

    def _made(self, symbol: str, depth: int) -> str:
        if symbol not in GROWN:
            return self._expand(self.random.choice(SIMPLE[symbol]), depth)
        grows = depth > 0 and self.random.random() < 0.5
        choices = (GROWN if grows else LEAVES)[symbol]
        # a simple statement has values of its own, as deep as any
        left = depth - 1 if grows or symbol == "value" else 3
        return self._expand(self.random.choice(choices), left)

    def _broken(self, recipe: str) -> str:
        """The recipe with a few characters exchanged at one place.

        Not in loops, to keep their end, and not in commands: the shell has its own mistakes,
        and a command that ends without reading gets one status or another from Debian.  Not in
        FLAGS: what Debian delivers after a delivery that was refused for them is empty.
        """
        if "while" in recipe:
            return recipe
        at = self.random.randrange(len(recipe) + 1)
        for whole in UNBROKEN.finditer(recipe):
            if whole.start() < at < whole.end():
                at = whole.start()
        text = self.random.choice(BREAKS)
        rest = recipe[at + self.random.randint(0, 2) :]
        return f"{recipe[:at]}{text}{rest}\n".replace("\r\n", "\n")[:-1]
