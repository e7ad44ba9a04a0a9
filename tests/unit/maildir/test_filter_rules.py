"""Mail filter rules, their recipes and where they lie (spec maildir 4.13, 6)."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from couriermail.maildir import (
    FilterConfig,
    FilterRecipe,
    FilterRule,
    FilterStore,
    ForeignRecipeError,
    InvalidNameError,
    Maildir,
    MaildirMissingError,
    MaildirStorageError,
    RuleError,
    RuleKind,
    RuleProblem,
    read_filter_config,
)

RULE = FilterRule(name="r", kind=RuleKind.STARTS_WITH, header="subject", value="important",
                  folder="INBOX")  # fmt: skip


def changed(change: dict[str, object]) -> FilterRule:
    return FilterRule(**(attrs.asdict(RULE, recurse=False) | change))


def code(rule: FilterRule, maildir: str = "Maildir") -> list[str]:
    text = FilterRecipe(maildir=maildir, rules=(rule,)).to_text()
    return text[text.index("\nif (") + 1 : text.rindex("\n}\n\nto ")].splitlines()


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        pytest.param({}, "if ((/^subject: *important/))", id="pinned-startswith"),
        pytest.param(
            {"kind": RuleKind.ENDS_WITH, "value": "notimportant", "negated": True},
            "if (!(/^subject:.*notimportant$/))", id="pinned-not-endswith"),
        pytest.param(
            {"kind": RuleKind.CONTAINS, "value": "[courier]", "plain": True},
            r"if ((/^subject:.*\[courier\]/))", id="pinned-plain"),
        pytest.param({"body": True}, "if ((/^important/:b))", id="body-start"),
        pytest.param({"body": True, "kind": RuleKind.ENDS_WITH}, "if ((/important$/:b))",
                     id="body-end"),
        pytest.param({"body": True, "kind": RuleKind.CONTAINS}, "if ((/important/:b))",
                     id="body-contains"),
        pytest.param({"value": " x"}, r"if ((/^subject: *\ x/))", id="leading-blank"),
        pytest.param({"kind": RuleKind.HAS_RECIPIENT, "value": "a@b"}, 'if ((hasaddr("a@b")))',
                     id="recipient"),
        pytest.param({"kind": RuleKind.MIME_MULTIPART},
                     r"if ((/^Content-Type: *multipart\/mixed/))", id="multipart"),
        pytest.param(
            {"kind": RuleKind.TEXT_PLAIN},
            r"if (( (! /^Content-Type:/) || /^Content-Type: *text\/plain$/"
            r" || /^Content-Type: *text\/plain;/))", id="plain-text"),
        pytest.param({"kind": RuleKind.LARGER_THAN, "value": "100000"}, "if (($SIZE > 100000))",
                     id="size"),
        pytest.param({"kind": RuleKind.ANY_MESSAGE}, "if ((1))", id="any"),
    ],
)  # fmt: skip
def test_conditions(change: dict[str, object], condition: str) -> None:
    assert code(changed(change))[0] == condition


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        pytest.param({}, ['   to "Maildir/."'], id="pinned-inbox"),
        pytest.param({"folder": "INBOX.folder1"}, ['   to "Maildir/.folder1/."'], id="folder"),
        pytest.param({"folder": "INBOX.x.y", "proceed": True}, ['   cc "Maildir/.x.y/."'],
                     id="copy"),
        pytest.param({"folder": 'INBOX.$a"b`'}, [r'   to "Maildir/.\$a\"b\`/."'], id="escaped"),
        pytest.param({"folder": "!a@b c@d"}, ["""    to "| $SENDMAIL -f " '""' " a@b c@d\""""],
                     id="forward"),
        pytest.param({"folder": "*No."}, ['    echo "No."', "    EXITCODE=77", "    exit"],
                     id="refuse"),
        pytest.param({"folder": "exit"}, ["    exit"], id="drop"),
    ],
)  # fmt: skip
def test_actions(change: dict[str, object], actions: list[str]) -> None:
    assert code(changed(change))[2:] == actions


def test_pinned_autoresponse() -> None:
    lines = code(attrs.evolve(RULE, folder="+dummy dsn=1 days=7"))
    assert lines[2:4] == [
        '    AUTOREPLYFROM="$FROM"',
        '   `mailbot -A "X-Sender: $FROM" -A "From: $AUTOREPLYFROM" -M "$FROM"'
        ' -m "Maildir/autoresponses/dummy" -d "Maildir/autoresponses/dummy.dat" -D 7'
        ' $SENDMAIL -t -f ""`',
    ]
    assert lines[4:] == [
        "    if ($RETURNCODE != 0)", "    {", "     EXITCODE=$RETURNCODE", "     exit", "    }",
    ]  # fmt: skip
    lines = code(attrs.evolve(RULE, folder="+dummy noquote", sender=r" O'Hara\ <a@b>"))
    assert lines[2] == r"    AUTOREPLYFROM='O\'Hara\\ <a@b>'"
    assert '-m "Maildir/autoresponses/dummy" -N $SENDMAIL' in lines[3]


N, H, V, D, S = (
    RuleProblem.NAME, RuleProblem.HEADER, RuleProblem.VALUE, RuleProblem.DESTINATION,
    RuleProblem.SENDER,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": ""}, N), ({"name": "a'b"}, N), ({"name": "a\nb"}, N), ({"name": "é" * 101}, N),
        ({"header": ""}, H), ({"header": "subject:"}, H), ({"header": "/subject"}, H),
        ({"header": "a b"}, H), ({"header": "a`b"}, H), ({"header": "x(y"}, H),
        ({"header": "x" * 201}, H),
        ({"value": "no/good"}, V), ({"value": "no(good"}, V), ({"value": "no()good"}, V),
        ({"value": ""}, V), ({"value": "$HOME"}, V), ({"value": "a`id`"}, V),
        ({"value": "[abc"}, V), ({"value": "[a'b]"}, V), ({"value": "[z-a]"}, V),
        ({"value": "a\n##Name:x", "plain": True}, V), ({"value": "a\\"}, V), ({"value": "*"}, V),
        ({"value": "\ud800", "plain": True}, V),
        ({"kind": RuleKind.LARGER_THAN, "value": "x100000"}, V),
        ({"kind": RuleKind.LARGER_THAN, "value": ""}, V),
        ({"kind": RuleKind.HAS_RECIPIENT, "value": "a(b"}, V),
        ({"kind": RuleKind.HAS_RECIPIENT, "value": '") || 1', "plain": True}, V),
        ({"sender": "a\nb"}, S),
        ({"folder": "!john@example.com; foo"}, D), ({"folder": "!"}, D), ({"folder": "*a\"b"}, D),
        ({"folder": "+"}, D), ({"folder": "+../x"}, D), ({"folder": "+a$b"}, D),
        ({"folder": ""}, D), ({"folder": "Work"}, D), ({"folder": "INBOX..x"}, D),
        ({"folder": "INBOX./etc"}, D), ({"folder": "INBOX.a\nto x"}, D),
        ({"folder": "INBOX." + "x" * 200}, D),
    ],
)  # fmt: skip
def test_a_rule_that_could_mean_something_else_has_a_code(
    change: dict[str, object], problem: RuleProblem
) -> None:
    rule = changed(change)
    with pytest.raises(RuleError) as caught:
        rule.check()
    assert caught.value.code == problem
    with pytest.raises(RuleError):
        FilterRecipe(rules=(rule,)).to_text()


@pytest.mark.parametrize(
    "change",
    [
        {"value": r"a\/b\$c\'d"}, {"value": "[[:alpha:]]+x"}, {"value": "[]a]"}, {"value": "[^]]"},
        {"value": r"[\]]"}, {"value": "(?i)x|y"}, {"value": "$(`'\"/", "plain": True},
        {"header": "", "body": True}, {"kind": RuleKind.ANY_MESSAGE, "header": "", "value": ""},
        {"folder": "INBOX.Résumé"}, {"folder": "exit"}, {"folder": "+dummy days=x other"},
        {"name": "é" * 100}, {"value": "[a[b]"},
    ],
)  # fmt: skip
def test_a_rule_that_is_safe_is_accepted(change: dict[str, object]) -> None:
    rule = changed(change)
    rule.check()
    assert FilterRecipe.parse(FilterRecipe(rules=(rule,)).to_text()).rules == (rule,)


def test_two_rules_of_one_name_and_unknown_kinds_have_codes() -> None:
    with pytest.raises(RuleError) as caught:
        FilterRecipe().with_rules([RULE, RULE])
    assert caught.value.code == 7
    with pytest.raises(RuleError) as caught:
        RuleKind.from_word("resembles")
    assert caught.value.code == 2
    assert RuleKind.from_word(" Contains") is RuleKind.CONTAINS
    assert FilterRecipe().with_rules([RULE]).rules == (RULE,)


@pytest.mark.parametrize(
    ("recipe", "error"),
    [
        (FilterRecipe(sender="a\nb"), RuleError),
        (FilterRecipe(maildir="a\nb"), InvalidNameError),
        (FilterRecipe(maildir=""), InvalidNameError),
        (FilterRecipe(mailbot="x`y"), InvalidNameError),
    ],
)
def test_nothing_ends_its_place_in_a_recipe(recipe: FilterRecipe, error: type[Exception]) -> None:
    with pytest.raises(error):
        recipe.to_text()


@pytest.mark.parametrize(
    "text", ["", 'to "x"\n', "#MFMAILDROP=3\n", "#MFMAILDROP=2\n##Op:bogus\n##Name:x\n"]
)
def test_a_foreign_recipe_is_refused(text: str) -> None:
    with pytest.raises(ForeignRecipeError):
        FilterRecipe.parse(text)


def test_the_loader_is_lenient_and_each_name_starts_afresh() -> None:
    recipe = FilterRecipe.parse(
        "#MFMAILDROP=1\n# free\nFROM='O\\'Hara'\n## OP: EndsWith\n##header:\tx\n##Value: v\n"
        "##Folder:.a.b\n##doesnot\n##junk:1\n##Name: first\nif (x)\n##Folder:.\n##Name:second\n"
        '   to "./Maildir/.a.b/."\nto "./Mail\\$dir/."\n'
    )
    assert (recipe.sender, recipe.maildir) == ("O'Hara", "./Mail$dir")
    assert recipe.rules == (
        FilterRule(name="first", kind=RuleKind.ENDS_WITH, header="x", value="v", negated=True,
                   folder="INBOX.a.b"),
        FilterRule(name="second", folder="INBOX"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("MAILDIRFILTER=../.mailfilter\nMAILDIR=./Maildir\n",
         FilterConfig(recipe="../.mailfilter", maildir="./Maildir")),
        ("MAILDIR=x\n", None), ("", None), ("MAILDIRFILTER=\nMAILDIR=x\n", None),
    ],
)  # fmt: skip
def test_filters_are_offered_when_both_settings_are_there(
    text: str, config: FilterConfig | None
) -> None:
    assert FilterConfig.parse(text) == config


def test_a_maildirs_own_settings_count_alone(tmp_path: Path) -> None:
    everywhere = tmp_path / "all"
    everywhere.write_text("MAILDIRFILTER=a\nMAILDIR=b\n")
    assert read_filter_config(tmp_path) is None
    assert read_filter_config(tmp_path, everywhere) == FilterConfig(recipe="a", maildir="b")
    (tmp_path / "maildirfilterconfig").write_text("MAILDIR=c\n")
    assert read_filter_config(tmp_path, everywhere) is None


def test_a_form_works_on_a_copy(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "Maildir")
    store = FilterStore(box.path, FilterConfig(recipe="../.mailfilter", maildir="./Maildir"))
    with pytest.raises(MaildirMissingError):
        store.load()
    assert store.start().rules == ()
    store.save(FilterRecipe(maildir="./other", rules=(RULE,)))
    assert os.stat(store.copy).st_mode & 0o777 == 0o600
    assert not (tmp_path / ".mailfilter").exists()
    store.commit()
    assert FilterRecipe.parse((tmp_path / ".mailfilter").read_text()).rules == (RULE,)
    assert 'to "./Maildir/."' in (tmp_path / ".mailfilter").read_text()
    assert store.start().rules == (RULE,)
    store.cancel()
    store.cancel()
    assert not os.path.exists(store.copy)
    with pytest.raises(MaildirMissingError):
        store.commit()
    (tmp_path / ".mailfilter").write_text("echo mine\n")
    with pytest.raises(ForeignRecipeError):
        store.start()
    with pytest.raises(MaildirStorageError):
        FilterStore(tmp_path / "none", FilterConfig(recipe="r", maildir="m")).save(FilterRecipe())
