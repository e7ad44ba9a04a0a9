"""Fax: page coding after ITU-T T.4 and T.6, fax addresses and the dial plan.

Pages are sequences of packed rows; `encode_page` and `decode_page` turn them into what goes
over the telephone line and back.  `parse_fax_address` and `DialPlan` turn a mail address into
the number to dial.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.fax.address import FaxAddress, parse_fax_address
    from couriermail.fax.decode import DecodedPage, PageLimits, RowDefect, decode_page
    from couriermail.fax.dialplan import DialPlan, DialRule, parse_dial_plan
    from couriermail.fax.encode import Coding, PageEncoder, encode_page
    from couriermail.fax.errors import DialPlanError, FaxError, PageError
    from couriermail.fax.rows import changes_of, pack_row, reverse_bits, row_bytes
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "address": ("FaxAddress", "parse_fax_address"),
            "decode": ("DecodedPage", "PageLimits", "RowDefect", "decode_page"),
            "dialplan": ("DialPlan", "DialRule", "parse_dial_plan"),
            "encode": ("Coding", "PageEncoder", "encode_page"),
            "errors": ("DialPlanError", "FaxError", "PageError"),
            "rows": ("changes_of", "pack_row", "reverse_bits", "row_bytes"),
        },
    )

__all__ = [
    "Coding",
    "DecodedPage",
    "DialPlan",
    "DialPlanError",
    "DialRule",
    "FaxAddress",
    "FaxError",
    "PageEncoder",
    "PageError",
    "PageLimits",
    "RowDefect",
    "changes_of",
    "decode_page",
    "encode_page",
    "pack_row",
    "parse_dial_plan",
    "parse_fax_address",
    "reverse_bits",
    "row_bytes",
]
