"""Lookup tables: a text source compiled into one LMDB file that is replaced atomically.

`build_table` and `compile_table` write, `Table` reads, `read_source` knows the grammar of the
text, and the `*_keys` functions know in which order a table is asked for a domain or an
address.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.table.build import NewTable, build_table, build_tables, compile_table
    from couriermail.table.errors import (
        DuplicateKeyError,
        TableBusyError,
        TableError,
        TableMissingError,
        TableSourceError,
    )
    from couriermail.table.keys import (
        Match,
        address_keys,
        domain_keys,
        find_first,
        hosted_domain_keys,
    )
    from couriermail.table.ranges import expand_range
    from couriermail.table.reader import Table
    from couriermail.table.source import SourceRecord, read_source, read_terminated, source_files
    from couriermail.table.writable import WritableTable, open_table
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "build": ("NewTable", "build_table", "build_tables", "compile_table"),
            "errors": (
                "DuplicateKeyError",
                "TableBusyError",
                "TableError",
                "TableMissingError",
                "TableSourceError",
            ),
            "keys": ("Match", "address_keys", "domain_keys", "find_first", "hosted_domain_keys"),
            "ranges": ("expand_range",),
            "reader": ("Table",),
            "source": ("SourceRecord", "read_source", "read_terminated", "source_files"),
            "writable": ("WritableTable", "open_table"),
        },
    )

__all__ = [
    "DuplicateKeyError",
    "Match",
    "NewTable",
    "SourceRecord",
    "Table",
    "TableBusyError",
    "TableError",
    "TableMissingError",
    "TableSourceError",
    "WritableTable",
    "address_keys",
    "build_table",
    "build_tables",
    "compile_table",
    "domain_keys",
    "expand_range",
    "find_first",
    "hosted_domain_keys",
    "open_table",
    "read_source",
    "read_terminated",
    "source_files",
]
