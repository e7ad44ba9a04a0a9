"""The first lines of every README work: they parse, and what they import exists."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from tests.architecture.workspace import ROOT, with_code

READMES = [ROOT / "README.md", *(found.folder / "README.md" for found in with_code())]
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Examples that need nothing else are run, not only read: what then holds.
SELF_CONTAINED = {
    "rfc822": "message.headers['Subject'] == 'hé' and to.name == 'To'",
    "table": "len(find_first(Table.open('relays.dat'), domain_keys(b'a.org')).value) == 7",
    "auth": "accounts.login('john', 'secret', 'imap').uid == 1000",
    "fax": "page.rows == tuple(rows) and page.is_complete",
}


def examples_of(readme: Path) -> list[str]:
    """The Python examples of a README."""
    return EXAMPLE.findall(readme.read_text())


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_examples_parse_and_import_names_that_exist(readme: Path) -> None:
    missing = []
    for text in examples_of(readme):
        code = compile(
            text, str(readme), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        )
        for node in ast.walk(code):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("couriermail"):
                module = importlib.import_module(node.module or "")
                missing += [alias.name for alias in node.names if not hasattr(module, alias.name)]
    assert missing == []


@pytest.mark.parametrize("room", SELF_CONTAINED)
def test_the_first_example_runs(room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, *_ = examples_of(ROOT / "packages" / room / "README.md")
    namespace: dict[str, object] = {}
    exec(compile(first, f"README of {room}", "exec"), namespace)
    assert eval(SELF_CONTAINED[room], namespace)
