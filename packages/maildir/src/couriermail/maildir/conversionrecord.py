"""The record of a conversion of folder names: how far it came, so that it can be run again.

Whether a name is modified UTF-7 cannot be told from the name: `a&-b` becomes `a&b`, which is none,
and `&-AOk-` becomes `&AOk-`, which is one again.  So the file `maildirutf8names` of a maildir says

    converted

once all its folder names are UTF-8, and before the first rename

    converting
    INBOX.a&-b<TAB>INBOX.a&b
    ...

with all that is going to be renamed.  Remove the file to have every name judged anew, as after
folders with names in modified UTF-7 were copied into a maildir that was converted before.

Courier: keeps no record, and takes names in UTF-8 for modified UTF-7 when it is run again.
"""

from __future__ import annotations

import attrs

from couriermail.maildir.textfiles import read_text_file, store_text_file

__all__ = ["RECORD_FILE", "ConversionRecord", "read_record", "store_record"]

RECORD_FILE = "maildirutf8names"
_DONE = "converted"
_RUNNING = "converting"


@attrs.frozen(kw_only=True)
class ConversionRecord:
    """What is known of earlier runs.

    Attributes:
        is_complete: every folder has its name in UTF-8.
        renames: old and new names of an unfinished run.
    """

    is_complete: bool = False
    renames: dict[str, str] = attrs.field(factory=dict)

    def to_bytes(self) -> bytes:
        """The text of the file."""
        lines = [_DONE] if self.is_complete else [_RUNNING]
        lines += [f"{old}\t{new}" for old, new in self.renames.items()]
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def read_record(maildir: str) -> ConversionRecord | None:
    """The record of a maildir; None where it has none, or one that is not understood.

    Raises:
        MaildirStorageError: it cannot be read.
    """
    data = read_text_file(f"{maildir}/{RECORD_FILE}")
    if data is None:
        return None
    head, *lines = data.decode("utf-8", "surrogateescape").split("\n")
    if head not in {_DONE, _RUNNING}:
        return None
    pairs = (line.partition("\t") for line in lines)
    renames = {old: new for old, tab, new in pairs if tab}
    return ConversionRecord(is_complete=head == _DONE, renames=renames)


def store_record(maildir: str, record: ConversionRecord) -> None:
    """Write the record; durable when it returns.

    Raises:
        MaildirError: the system refused.
    """
    path = f"{maildir}/{RECORD_FILE}"
    store_text_file(maildir, path, record.to_bytes(), unique="utf8names")
