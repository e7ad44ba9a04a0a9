"""Folder names, their directories and encodings; spec maildir 3.3, 3.4 and section 6."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.maildir import (
    InvalidNameError,
    Maildir,
    MaildirExistsError,
    MaildirMissingError,
)
from couriermail.maildir.encodings import (
    decode_modutf7,
    decode_smap,
    encode_modutf7,
    encode_smap,
)
from couriermail.maildir.folders import folder_directory


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("", "m"),
        ("INBOX", "m"),
        ("inbox", "m"),
        ("a.b", "m/.a.b"),
        ("INBOX.a.b", "m/.a.b"),
        ("iNboX.Résumé", "m/.Résumé"),
        ("INBOX.INBOX.x", "m/.INBOX.x"),
    ],
)
def test_a_folder_name_becomes_a_directory(name: str, directory: str) -> None:
    assert folder_directory("m", name) == directory


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        ".a",
        "a.",
        "a..b",
        "INBOX.",
        "INBOX..",
        "INBOX.a.",
        "a/b",
        "/",
        "../x",
        "x/../../y",
        "INBOX./../x",
        "a\0b",
        "a\nb",
        "a\x7f",
        "x" * 255,
        "é" * 128,
        "\ud800",
    ],
)
def test_a_name_that_could_reach_another_directory_is_refused(name: str) -> None:
    with pytest.raises(InvalidNameError):
        folder_directory("m", name)


def test_folders_are_made_listed_and_delivered_to(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "m")
    box.create_folder("Sent.2026")
    folder = box.create_folder("INBOX.A")
    assert (tmp_path / "m/.A/maildirfolder").stat().st_mode & 0o777 == 0o600
    assert list(box.folders()) == ["A", "Sent.2026"]
    key = folder.deliver(b"x\n")
    assert [entry.key for entry in box.folder("A")] == [key]
    with pytest.raises(MaildirExistsError):
        box.create_folder("A")
    with pytest.raises(MaildirExistsError):
        box.create_folder("INBOX")


def test_a_symbolic_link_is_no_folder(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "m")
    Maildir.create(tmp_path / "other")
    (tmp_path / "m/.Link").symlink_to(tmp_path / "other")
    assert list(box.folders()) == []


def test_creation_needs_the_parent_and_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(MaildirMissingError) as caught:
        Maildir.create(tmp_path / "a/b")
    assert caught.value.path == str(tmp_path / "a/b")
    with pytest.raises(MaildirMissingError):
        Maildir(tmp_path / "no").create_folder("F")
    assert os.listdir(tmp_path) == []
    Maildir.create(tmp_path / "a/b/c", parents=True)
    assert Maildir.open(tmp_path / "a/b/c").exists()
    with pytest.raises(MaildirMissingError):
        Maildir.open(tmp_path / "a/b")


@pytest.mark.parametrize(
    ("text", "coded"),
    [
        pytest.param("a&b", "a&-b", id="pinned-ampersand"),
        pytest.param("台北", "&U,BTFw-", id="pinned-taipei"),
        pytest.param("AééB.é", "A&AOkA6Q-B.&AOk-", id="pinned-two-components"),
        pytest.param("Résumé", "R&AOk-sum&AOk-", id="pinned-resume"),
        pytest.param("\U0001f600", "&2D3eAA-", id="pinned-surrogate-pair"),
        pytest.param("plain", "plain", id="plain"),
    ],
)
def test_modified_utf7_is_written_and_read(text: str, coded: str) -> None:
    assert encode_modutf7(text) == coded
    assert decode_modutf7(coded) == text


@pytest.mark.parametrize(
    "coded",
    ["x&AOk", "&2D0-", "Bad&Name", "&AC4-", "&AC8-", "&AAo-", "é", "&A-", "&AOl-", "&!!-", "a\n"],
)
def test_what_is_not_modified_utf7_is_refused(coded: str) -> None:
    with pytest.raises(InvalidNameError):
        decode_modutf7(coded)


@pytest.mark.parametrize(
    ("text", "coded"),
    [
        pytest.param("a.b", r"a\056b", id="pinned-dot"),
        pytest.param("x/y", r"x\057y", id="pinned-slash"),
        pytest.param("t~il:de&amp", r"t\176il\072de&amp", id="pinned-tilde-colon"),
        pytest.param("Résumé", "Résumé", id="pinned-utf8"),
        pytest.param("a\\b\n", r"a\134b\012", id="backslash-control"),
    ],
)
def test_smap_names_are_written_and_read(text: str, coded: str) -> None:
    assert encode_smap(text) == coded
    assert decode_smap(coded) == text


@pytest.mark.parametrize("coded", ["\\", "\\05", "\\09x", "\\4001", "a\\", "\\ 12"])
def test_a_bad_escape_is_refused(coded: str) -> None:
    with pytest.raises(InvalidNameError):
        decode_smap(coded)
    with pytest.raises(InvalidNameError):
        encode_smap("")
