"""Virtual shared folders: indexes, names, paths, and making index files (spec maildir 2.6, 4.10,
4.11, 6)."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from couriermail.maildir import (
    FolderKind,
    InvalidNameError,
    Maildir,
    MaildirMissingError,
    MaildirStorageError,
    SharedAccount,
    SharedGroup,
    SharedIndex,
    SharedNames,
    resolve_folder,
)
from couriermail.maildir.sharedindex import parse_index
from couriermail.maildir.sharedindexfiles import install_index, split_index, write_index_files

LINES = [
    "alice\t1\t1\t/h/alice\tMaildir\tsharedgroup=G1",
    "bob\t1\t1\t/h/bob\tMaildir",
    "al\t1\t1\t/h/al\tMaildir\tdisableshared=0",
    "beth\t1\t1\t/h/beth\tMaildir\t",
    "# a comment",
    "short\t1\t1",
]


@pytest.fixture
def site(tmp_path: Path) -> SharedIndex:
    for name in ("alice", "carol", "me"):
        Maildir.create(tmp_path / name)
    (tmp_path / "index").write_text(
        f"alice\t1\t1\t{tmp_path}\talice\n"
        f"me\t1\t1\t{tmp_path}\tme\n"
        f"gone\t1\t1\t{tmp_path}\tgone\n"
        "grp\t*\tindexgrp\n"
    )
    (tmp_path / "indexgrp").write_text(
        f"carol\t1\t1\t{tmp_path}\tcarol\nloop\t*\tindex\nself\t*\tindexgrp\n"
    )
    return SharedIndex(tmp_path)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        pytest.param(
            "a\t7\t8\t/h/a\tMd\tx=1",
            SharedAccount(name="a", uid=7, gid=8, home="/h/a", maildir="Md"),
            id="account",
        ),
        pytest.param(
            "a\t7\t8\t/h/a", SharedAccount(name="a", uid=7, gid=8, home="/h/a"), id="no-maildir"
        ),
        pytest.param(
            "é\t7\t8\t/h # c", SharedAccount(name="é", uid=7, gid=8, home="/h"), id="comment"
        ),
        pytest.param("g\t*\tindexg", SharedGroup(name="g", file="indexg"), id="group"),
    ],
)
def test_a_line_names_an_account_or_a_group(line: str, entry: object) -> None:
    parsed = parse_index(line.encode())
    assert (parsed.entries, parsed.bad_lines) == ((entry,), ())


@pytest.mark.parametrize(
    "line",
    ["a\t0\t1\t/h", "a\t1\t0\t/h", "a\tx\t1\t/h", "a", "a\t1\t1", "g\t*\t../x", "g\t*\t..",
     "g\t*\t/etc/passwd", "g\t*\t", "\t1\t1\t/h", "g\t*\tx\0y", "a\t-1\t1\t/h"],
)  # fmt: skip
def test_a_line_that_is_neither_is_counted_and_skipped(line: str) -> None:
    parsed = parse_index(f"#c\n \n{line}\nok\t1\t1\t/h\n".encode())
    assert parsed.bad_lines == (3,)
    assert [entry.name for entry in parsed.entries] == ["ok"]


@pytest.mark.parametrize(
    ("name", "blanks", "escaped"),
    [("bob.smith/x", "bob smith x", r"bob\:smith\;x"), (r"a\b", r"a\b", r"a\\b"), ("é", "é", "é")],
)
def test_pinned_names_become_components(name: str, blanks: str, escaped: str) -> None:
    assert SharedNames.BLANKS.to_component(name) == blanks
    assert SharedNames.ESCAPED.to_component(name) == escaped
    assert SharedNames.ESCAPED.to_name(escaped) == name
    assert SharedNames.BLANKS.to_name(blanks) == blanks


@pytest.mark.parametrize("component", ["a\\", r"a\x", r"\\\ "])
def test_a_component_with_a_bad_escape_is_refused(component: str) -> None:
    with pytest.raises(InvalidNameError):
        SharedNames.ESCAPED.to_name(component)


def test_accounts_are_listed_without_those_gone_and_ones_own_and_circles_stop(
    site: SharedIndex, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "couriermail.maildir"):
        found = dict(site.accounts(own_maildir=tmp_path / "me"))
    assert list(found) == ["#shared.alice", "#shared.grp.carol"]
    assert found["#shared.grp.carol"].path == f"{tmp_path}/carol"
    assert [record.args for record in caplog.records] == [
        (f"{tmp_path}/indexgrp", "loop"),
        (f"{tmp_path}/indexgrp", "self"),
    ]


def test_children_are_what_a_mail_reader_lists_below_a_level(site: SharedIndex) -> None:
    assert [entry.name for entry in site.children()] == ["alice", "me", "gone", "grp"]
    assert [entry.name for entry in site.children(["grp"])] == ["carol", "loop", "self"]
    with pytest.raises(MaildirMissingError):
        site.children(["alice"])


@pytest.mark.parametrize("path", [["grp", "loop"], ["grp", "self"], ["nobody"], [], ["grp", "x"]])
def test_a_lookup_that_leads_nowhere_or_in_a_circle_is_missing(
    site: SharedIndex, path: list[str]
) -> None:
    with pytest.raises(MaildirMissingError):
        site.lookup(path)


def test_an_index_that_was_replaced_is_read_again(site: SharedIndex, tmp_path: Path) -> None:
    assert len(site.children()) == 4
    (tmp_path / "new").write_text("zoe\t1\t1\t/h/zoe\n")
    (tmp_path / "new").rename(tmp_path / "index")
    assert [entry.name for entry in site.children()] == ["zoe"]


def test_bad_lines_are_logged_as_courier_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "index12").write_text("a\t1\t1\t/h\n#\na\t0\t0\t/h\n")
    with caplog.at_level(logging.WARNING, "couriermail.maildir"):
        assert len(SharedIndex(tmp_path, "12").children()) == 1
    assert caplog.messages == [f"ERR: {tmp_path}/index12(3): syntax error."]


def test_an_index_that_is_missing_is_empty_and_a_directory_is_an_error(tmp_path: Path) -> None:
    assert SharedIndex(tmp_path).children() == ()
    (tmp_path / "indexd").mkdir()
    with pytest.raises(MaildirStorageError):
        SharedIndex(tmp_path, "d").children()


@pytest.mark.parametrize("group", ["/../x", "/etc/passwd", "a\0b", "a\nb"])
def test_a_group_option_reaches_no_other_directory(tmp_path: Path, group: str) -> None:
    with pytest.raises(InvalidNameError):
        SharedIndex(tmp_path, group)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("INBOX", (FolderKind.INBOX, "me", "INBOX", "user=me")),
        ("inbox.Work", (FolderKind.INBOX, "me", "inbox.Work", "user=me")),
        ("shared", (FolderKind.OLD_SHARED, "me", "", "anonymous")),
        ("shared.n.f", (FolderKind.OLD_SHARED, "me", "", "anonymous")),
        ("#shared", (FolderKind.NEW_SHARED, "", "", "vendor=courier.internal")),
        ("#shared.grp", (FolderKind.NEW_SHARED, "", "", "vendor=courier.internal")),
        ("#shared.alice", (FolderKind.NEW_SHARED, "alice", "INBOX", "user=alice")),
        ("#shared.grp.carol.W.x", (FolderKind.NEW_SHARED, "carol", "INBOX.W.x", "user=carol")),
        ("#shared.me.Work", (FolderKind.IGNORED, "", "", "")),
    ],
)
def test_paths_resolve(
    site: SharedIndex, tmp_path: Path, path: str, expected: tuple[FolderKind, str, str, str]
) -> None:
    found = resolve_folder(path, user="me", index=site, own_maildir=f"{tmp_path}/me")
    where = found.maildir.removeprefix(f"{tmp_path}/")
    assert (found.kind, where, found.folder, found.owner) == expected


def test_ones_own_maildir_is_ignored_under_another_name(site: SharedIndex, tmp_path: Path) -> None:
    own = f"{tmp_path}/alice"
    found = resolve_folder("#shared.alice", user="other", index=site, own_maildir=own)
    assert found.kind is FolderKind.IGNORED


@pytest.mark.parametrize(
    "path",
    ["", "x", "INBOX..x", "INBOX.", "INBOX.a/b", "#shared.alice.a/b", "#shared.nobody",
     "#shared..alice", "shared..x", "INBOX.a\nb", "INBOXx", "#shared.alice.x\0"],
)  # fmt: skip
def test_a_path_that_names_nothing_is_invalid(site: SharedIndex, path: str) -> None:
    with pytest.raises(InvalidNameError):
        resolve_folder(path, user="me", index=site)
    with pytest.raises(InvalidNameError):
        resolve_folder("#shared.alice", user="me")


@pytest.mark.parametrize(
    ("letters", "files"),
    [
        (0, {"index": "bob al beth", "indexG1": "alice"}),
        (1, {"index": "a b", "indexa": "alice al", "indexb": "bob beth"}),
        (2, {"index": "a b", "indexa": "al", "indexal": "alice al", "indexb": "be bo",
             "indexbe": "beth", "indexbo": "bob"}),
    ],
)  # fmt: skip
def test_pinned_splits(letters: int, files: dict[str, str]) -> None:
    made = split_index(LINES, letters)
    names = {
        file: " ".join(line.partition("\t")[0] for line in text.splitlines())
        for file, text in made.items()
    }
    assert names == files
    assert not any("sharedgroup" in text for text in made.values())


def test_pinned_lines_of_a_split() -> None:
    assert split_index(LINES)["indexG1"] == "alice\t1\t1\t/h/alice\tMaildir\n"
    assert split_index(LINES, 1)["index"] == "a\t*\tindexa\nb\t*\tindexb\n"


def test_a_name_with_a_slash_chooses_no_directory() -> None:
    files = split_index(["../../x\t1\t1\t/h", "/\t1\t1\t/h"], 3)
    assert not any("/" in name for name in files)
    with pytest.raises(InvalidNameError):
        split_index(["a\t1\t1\t/h\tM\tsharedgroup=/../../etc/x"])


def test_files_are_appended_to_and_links_are_not_followed(tmp_path: Path) -> None:
    write_index_files(str(tmp_path), {"index": "a\n"})
    write_index_files(str(tmp_path), {"index": "b\n"})
    assert (tmp_path / "index").read_text() == "a\nb\n"
    (tmp_path / "indexl").symlink_to(tmp_path / "index")
    with pytest.raises(MaildirStorageError):
        write_index_files(str(tmp_path), {"indexl": "c\n"})
    with pytest.raises(MaildirMissingError):
        write_index_files(str(tmp_path / "none"), {"index": ""})


def test_installing_replaces_what_is_there_and_removes_what_is_not(tmp_path: Path) -> None:
    source, target = tmp_path / "shared.tmp", tmp_path / "shared"
    with pytest.raises(MaildirMissingError, match=r"shared\.tmp is empty!"):
        install_index(str(source), str(target))
    source.mkdir()
    (source / "index").write_text("new")
    with pytest.raises(MaildirMissingError, match="shared does not exist!"):
        install_index(str(source), str(target))
    target.mkdir()
    (target / "index").write_text("old")
    (target / "indexold").write_text("old")
    install_index(str(source), str(target))
    assert {path.name: path.read_text() for path in target.iterdir()} == {"index": "new"}
    assert os.listdir(source) == []
