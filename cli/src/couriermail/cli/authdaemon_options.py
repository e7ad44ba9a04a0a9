"""Typer options of the commands that ask authdaemond."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["ConfigOption", "SocketOption"]

ConfigOption = Annotated[
    str | None, typer.Option("--config", metavar="DIR", help="Configuration directory.")
]
SocketOption = Annotated[
    str | None, typer.Option("--socket", metavar="PATH", help="The daemon's socket.")
]
