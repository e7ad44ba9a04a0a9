"""Finding the dot-courier file of an extension (spec mta 11.1, 19.4)."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from couriermail.mta.dotfiles import DotFile, dot_file_names, find_dot_file


@pytest.mark.parametrize(
    ("extension", "names"),
    [
        ("", [".courier"]),
        ("foo", [".courier-foo", ".courier-default"]),
        ("foo-bar", [".courier-foo-bar", ".courier-foo-default", ".courier-default"]),
        ("foo-", [".courier-foo-", ".courier-foo-default", ".courier-default"]),
        ("a.b-c", [".courier-a:b-c", ".courier-a:b-default", ".courier-default"]),
        (".xalias/p", [".courier-:xalias/p", ".courier-default"]),
    ],
)
def test_names_are_tried_from_the_longest(extension: str, names: list[str]) -> None:
    assert [name for name, _ in dot_file_names(extension)] == names


@pytest.mark.parametrize(
    ("file", "extension", "default_part"),
    [
        pytest.param(".courier", "", None, id="the account itself"),
        pytest.param(".courier-foo", "foo", None, id="exact"),
        pytest.param(".courier-default", "foo-bar.baz-x", "foo-bar.baz-x", id="everything"),
        pytest.param(".courier-foo-default", "foo-bar-z", "bar-z", id="the rest"),
        pytest.param(".courier-foo-default", "foo-", "", id="an empty rest"),
        pytest.param(".courier-foo:bar", "foo.bar", None, id="dots are colons"),
    ],
)
def test_default_stands_for_the_rest(
    tmp_path: Path, file: str, extension: str, default_part: str | None
) -> None:
    (tmp_path / file).touch()
    assert find_dot_file(str(tmp_path), extension) == DotFile(f"{tmp_path}/{file}", default_part)


@pytest.mark.parametrize("extension", ["foo", "", "foo-bar", "x/y", "../x", "a\0b", "z" * 300])
def test_nothing_found_is_none(tmp_path: Path, extension: str) -> None:
    (tmp_path / ".courier-foo-default").touch()
    assert find_dot_file(str(tmp_path / "nowhere"), extension) is None
    assert find_dot_file(str(tmp_path), "foo") is None


def test_a_dangling_link_exists_and_the_base_name_can_be_changed(tmp_path: Path) -> None:
    (tmp_path / ".qmail-x").symlink_to("nowhere")
    assert find_dot_file(str(tmp_path), "x", base="qmail") == DotFile(f"{tmp_path}/.qmail-x")


def test_trouble_other_than_a_missing_file_is_raised() -> None:
    def refuse(path: str) -> object:
        raise PermissionError(errno.EACCES, "no", path)

    with pytest.raises(PermissionError):
        find_dot_file("/home", "x", lstat=refuse)
