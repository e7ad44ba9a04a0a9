"""Explanations: what a recipe did with a message, as text and as JSON."""

from __future__ import annotations

import json

from couriermail.filter import DecisionHost, Explanation, compile_recipe, explain
from couriermail.filter.explaining import MAX_STEPS

MESSAGE = b"Return-Path: <me@x.example>\nFrom: Alice <alice@example.com>\nSubject: Hello\n\nabc\n"
RECIPE = """\
if (/^Subject: *(h(e)llo|bye)/)
{
  X=tolower("$MATCH1")
  cc "copy-$X"
}
exception {
  include "none"
}
foreach "a-b" =~ /[a-z]/
  echo "$MATCH"
if (/zzz/:b)
  exit
"""


def explained(recipe: str = RECIPE, message: bytes = MESSAGE) -> Explanation:
    return explain(recipe, message, name="r", host=DecisionHost(), env={"DEFAULT": "inbox"})


def test_the_text_shows_each_line_with_what_it_saw_and_captured() -> None:
    assert (
        explained().render()
        == """\
r:1:5:  if (/^Subject: *(h(e)llo|bye)/)
      /^Subject: *(h(e)llo|bye)/ matched in "Subject: Hello"
         MATCH = "Subject: Hello"
         MATCH1 = "Hello"
         MATCH2 = "e"
      if: "1", so yes
r:3:5:  X=tolower("$MATCH1")
      tolower(Hello) = "hello"
      X = "hello"
r:4:3:  cc "copy-$X"
      cc: delivered to "copy-hello"
r:7:3:  include "none"
      include "none"
r:6:1:  exception {
      exception: goes on after: "Unable to open include file. (r:7:3)"
r:9:18:  foreach "a-b" =~ /[a-z]/
      /[a-z]/ matched in "a-b"
         MATCH = "a"
         MATCH = "b"
         value "2"
r:10:3:  echo "$MATCH"
      echo "a"
      echo "b"
r:11:5:  if (/zzz/:b)
      /zzz/ found nothing
      if: "0", so no
(no statement)
      default: delivered to "inbox"

cc: "copy-hello" (mailbox)
default: "inbox" (mailbox)
Exit code 0.
"""
    )


def test_json_has_stable_keys_and_the_captures() -> None:
    told = json.loads(json.dumps(explained().as_json()))
    assert list(told) == [
        "version",
        "deliveries",
        "exit_code",
        "is_default",
        "error",
        "commands_not_run",
        "complaints",
        "is_complete",
        "steps",
    ]
    assert told["version"] == 1
    assert told["deliveries"][0] == {"kind": "mailbox", "target": "copy-hello", "verb": "cc"}
    assert told["steps"][0] == {
        "kind": "search",
        "file": "r",
        "line": 1,
        "column": 5,
        "subject": "^Subject: *(h(e)llo|bye)",
        "value": "1",
        "seen": "Subject: Hello",
        "captures": [["Subject: Hello", "Hello", "e"]],
        "is_true": True,
    }


def test_an_error_names_its_place_and_keeps_the_message() -> None:
    told = explained('X=1\ninclude "none"\n')
    assert (told.exit_code, told.deliveries) == (75, ())
    assert told.steps[-1].kind == "error"
    assert (told.steps[-1].line, told.steps[-1].value) == (2, b"Unable to open include file.")
    assert "is kept and tried again" in told.render()


def test_the_sender_is_that_of_return_path() -> None:
    assert explained('X="$FROM"\n').steps[0].value == b"me@x.example"


def test_commands_are_shown_and_not_run() -> None:
    told = explain("X=`touch made`\nexit\n", MESSAGE, name="r", env={"DEFAULT": "x"})
    assert told.unrun == (b"touch made",)
    assert 'Not run, though its result may matter: "touch made"' in told.render()


def test_a_message_cannot_steer_the_terminal() -> None:
    shown = explained(
        '/^X: (.*)/\nto "$MATCH1"\n', b"X: \x1b]0;evil\x07\xe2\x80\xae\xff\n\nb\n"
    ).render()
    assert "\\x1b]0;evil\\x07\\u202e" in shown
    assert all(char.isprintable() or char == "\n" for char in shown)


def test_long_loops_and_values_are_cut() -> None:
    told = explained("N=0\nwhile ($N < 9000)\n{\n  N=$N + 1\n}\nexit\n")
    assert (len(told.steps), told.is_complete) == (MAX_STEPS, False)
    assert "more steps" in told.render()
    long = explained("/^S: (.*)/\nexit\n", b"S: " + b"x" * 9000 + b"\n\nb\n")
    assert max(len(group) for group in long.steps[0].captures[0]) == 4096


def test_a_compiled_recipe_shows_lines_when_its_text_is_given() -> None:
    recipe = compile_recipe("X=1\n", name="c")
    told = explain(recipe, MESSAGE, source=b"X=1\n", host=DecisionHost(), env={"DEFAULT": "d"})
    assert told.render().startswith('c:1:1:  X=1\n      X = "1"\n')


def test_an_error_with_bytes_that_are_no_text_can_be_shown() -> None:
    told = explain(b'to "none\xff/box"\n', MESSAGE, name="r", home="/nowhere")
    assert told.exit_code == 75
    assert "\\xff" in told.render()
    assert json.dumps(told.as_json())
