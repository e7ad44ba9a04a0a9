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
    exec(compile(BLOCKS[2], "README.md", "exec"), {})
    assert "220 localhost ESMTP" in capsys.readouterr().out
