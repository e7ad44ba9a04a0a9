"""The code of the README runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[3] / "packages" / "smtp" / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_first_ten_lines_run() -> None:
    code = BLOCKS[0].replace("port=2525", "port=0").replace("sleep(60)", "sleep(0)")
    assert code != BLOCKS[0]
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_the_handler_of_the_readme_is_a_handler() -> None:
    names: dict[str, object] = {}
    exec(compile(BLOCKS[1], "README.md", "exec"), names)
    assert {"Mailbox", "Spool"} <= names.keys()


def test_the_engine_alone_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(BLOCKS[3], "README.md", "exec"), {})
    assert "220 localhost ESMTP" in capsys.readouterr().out


def test_a_userdb_is_an_authenticator(tmp_path: Path) -> None:
    code = BLOCKS[2].replace("/etc/courier/userdb", str(tmp_path / "userdb"))
    assert code != BLOCKS[2]
    (tmp_path / "userdb").write_text("")
    (tmp_path / "userdb").chmod(0o600)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert "server" in names
