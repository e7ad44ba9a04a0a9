"""couriermail.rfc822: headers, addresses, dates, encoded words, message structure, reports.

The bottom layer of the mail system: functions and values over bytes and text.  Nothing here
knows how mail is stored or sent.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.rfc822.address import (
        Address,
        Group,
        fold_addresses,
        format_addresses,
        is_clean_list,
        parse_address_list,
        parse_addresses,
        parse_groups,
        rewrite_address_field,
        rewrite_addresses,
        wrap_addresses,
    )
    from couriermail.rfc822.address_encoding import (
        encode_addresses,
    )
    from couriermail.rfc822.autoconvert import (
        Autoconvert,
    )
    from couriermail.rfc822.autoreply import (
        answer_addresses,
        autoreply_obstacle,
        is_program_address,
    )
    from couriermail.rfc822.body import (
        BodyReader,
    )
    from couriermail.rfc822.cells import (
        display_width,
        wrap_text,
    )
    from couriermail.rfc822.charset import (
        decode_charset,
        encode_charset,
    )
    from couriermail.rfc822.composing import (
        Attachment,
        compose,
    )
    from couriermail.rfc822.content_location import (
        append_url,
    )
    from couriermail.rfc822.dates import (
        format_date,
        local_offset,
        parse_date,
    )
    from couriermail.rfc822.decoders import (
        Base64Decoder,
        QuotedPrintableDecoder,
        make_decoder,
    )
    from couriermail.rfc822.defects import (
        Defect,
        DefectKind,
    )
    from couriermail.rfc822.delivery_status import (
        DeliveryStatus,
        MessageStatus,
        RecipientStatus,
        read_delivery_status,
    )
    from couriermail.rfc822.detection import (
        BodyKind,
        detect_encoding,
    )
    from couriermail.rfc822.disposition import (
        DispositionNotification,
        read_disposition_notification,
    )
    from couriermail.rfc822.encoded_word import (
        Run,
        decode_runs,
        decode_words,
        encode_phrase,
        encode_words,
    )
    from couriermail.rfc822.entity import (
        Entity,
    )
    from couriermail.rfc822.errors import (
        DefectiveMessageError,
        EditError,
        EncodingError,
        HeaderLimitError,
        LimitsError,
        MessageFileError,
        MissingFieldError,
        PgpError,
        PgpProgramError,
        Rfc822Error,
    )
    from couriermail.rfc822.extraction import (
        safe_file_name,
    )
    from couriermail.rfc822.feedback import (
        FeedbackReport,
        read_feedback_report,
    )
    from couriermail.rfc822.flowed import (
        FlowedLine,
        parse_flowed,
        parse_quoted,
        rewrap,
        write_flowed,
    )
    from couriermail.rfc822.folder_names import (
        decode_imap_utf7,
        decode_smap,
        encode_imap_utf7,
        encode_smap,
    )
    from couriermail.rfc822.folding import (
        fold_parameters,
        fold_text,
    )
    from couriermail.rfc822.forward import (
        Forward,
    )
    from couriermail.rfc822.gpg import (
        Gpg,
    )
    from couriermail.rfc822.header_edits import (
        HeaderEdits,
    )
    from couriermail.rfc822.header_text import (
        decode_addresses,
        decode_header,
        wrap_header,
    )
    from couriermail.rfc822.headers import (
        Field,
        HeaderReader,
        Headers,
    )
    from couriermail.rfc822.idn import (
        address_to_ascii,
        address_to_unicode,
        domain_to_ascii,
        domain_to_unicode,
    )
    from couriermail.rfc822.imap_section import (
        ImapSection,
        find_imap_section,
    )
    from couriermail.rfc822.limits import (
        Limits,
    )
    from couriermail.rfc822.line_counts import (
        LineCounts,
    )
    from couriermail.rfc822.line_ends import (
        CrlfIndex,
        read_crlf,
    )
    from couriermail.rfc822.line_filter import (
        LineFilter,
    )
    from couriermail.rfc822.message import (
        Message,
        Part,
    )
    from couriermail.rfc822.message_editor import (
        MessageEditor,
    )
    from couriermail.rfc822.msgid import (
        fold_references,
        make_message_id,
        parse_message_ids,
    )
    from couriermail.rfc822.params import (
        ContentType,
        Parameter,
        ParameterizedValue,
        format_parameter,
        parse_parameters,
    )
    from couriermail.rfc822.pgp import (
        PgpOutcome,
    )
    from couriermail.rfc822.pgp_engine import (
        PgpEngine,
    )
    from couriermail.rfc822.pgp_parts import (
        decoded_status,
        has_mimegpg,
        is_multipart_encrypted,
        is_multipart_signed,
    )
    from couriermail.rfc822.pgp_protect import (
        encrypt_message,
        sign_message,
    )
    from couriermail.rfc822.pgp_unlock import (
        unlock_message,
    )
    from couriermail.rfc822.reply import (
        Reply,
    )
    from couriermail.rfc822.report import (
        Report,
        choose_boundary,
    )
    from couriermail.rfc822.salutation import (
        format_salutation,
    )
    from couriermail.rfc822.sections import (
        SectionWriter,
    )
    from couriermail.rfc822.seen_ids import (
        SeenIds,
    )
    from couriermail.rfc822.structure import (
        PushParser,
        parse_structure,
    )
    from couriermail.rfc822.subject import (
        BaseSubject,
        base_subject,
        strip_subject,
    )
    from couriermail.rfc822.text_feed import (
        FeedItem,
        contains_text,
        iter_feed,
        write_feed,
    )
    from couriermail.rfc822.thread import (
        Thread,
        ThreadMessage,
        thread_by_references,
        thread_by_subject,
    )
    from couriermail.rfc822.transfer import (
        decode_base64,
        decode_quoted_printable,
        encode_base64,
        encode_quoted_printable,
    )
    from couriermail.rfc822.tree import (
        draw_tree,
    )
    from couriermail.rfc822.typed_address import (
        decode_typed_address,
        encode_typed_address,
    )
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "address": (
                "Address",
                "Group",
                "fold_addresses",
                "format_addresses",
                "is_clean_list",
                "parse_address_list",
                "parse_addresses",
                "parse_groups",
                "rewrite_address_field",
                "rewrite_addresses",
                "wrap_addresses",
            ),
            "address_encoding": ("encode_addresses",),
            "autoconvert": ("Autoconvert",),
            "autoreply": ("answer_addresses", "autoreply_obstacle", "is_program_address"),
            "body": ("BodyReader",),
            "cells": (
                "display_width",
                "wrap_text",
            ),
            "charset": (
                "decode_charset",
                "encode_charset",
            ),
            "composing": (
                "Attachment",
                "compose",
            ),
            "content_location": ("append_url",),
            "dates": (
                "format_date",
                "local_offset",
                "parse_date",
            ),
            "decoders": (
                "Base64Decoder",
                "QuotedPrintableDecoder",
                "make_decoder",
            ),
            "defects": (
                "Defect",
                "DefectKind",
            ),
            "delivery_status": (
                "DeliveryStatus",
                "MessageStatus",
                "RecipientStatus",
                "read_delivery_status",
            ),
            "detection": (
                "BodyKind",
                "detect_encoding",
            ),
            "disposition": (
                "DispositionNotification",
                "read_disposition_notification",
            ),
            "encoded_word": (
                "Run",
                "decode_runs",
                "decode_words",
                "encode_phrase",
                "encode_words",
            ),
            "entity": ("Entity",),
            "errors": (
                "DefectiveMessageError",
                "EditError",
                "EncodingError",
                "HeaderLimitError",
                "LimitsError",
                "MessageFileError",
                "MissingFieldError",
                "PgpError",
                "PgpProgramError",
                "Rfc822Error",
            ),
            "extraction": ("safe_file_name",),
            "feedback": (
                "FeedbackReport",
                "read_feedback_report",
            ),
            "flowed": (
                "FlowedLine",
                "parse_flowed",
                "parse_quoted",
                "rewrap",
                "write_flowed",
            ),
            "folder_names": (
                "decode_imap_utf7",
                "decode_smap",
                "encode_imap_utf7",
                "encode_smap",
            ),
            "folding": (
                "fold_parameters",
                "fold_text",
            ),
            "forward": ("Forward",),
            "gpg": ("Gpg",),
            "header_edits": ("HeaderEdits",),
            "header_text": (
                "decode_addresses",
                "decode_header",
                "wrap_header",
            ),
            "headers": (
                "Field",
                "HeaderReader",
                "Headers",
            ),
            "idn": (
                "address_to_ascii",
                "address_to_unicode",
                "domain_to_ascii",
                "domain_to_unicode",
            ),
            "imap_section": (
                "ImapSection",
                "find_imap_section",
            ),
            "limits": ("Limits",),
            "line_counts": ("LineCounts",),
            "line_ends": (
                "CrlfIndex",
                "read_crlf",
            ),
            "line_filter": ("LineFilter",),
            "message": (
                "Message",
                "Part",
            ),
            "message_editor": ("MessageEditor",),
            "msgid": (
                "fold_references",
                "make_message_id",
                "parse_message_ids",
            ),
            "params": (
                "ContentType",
                "Parameter",
                "ParameterizedValue",
                "format_parameter",
                "parse_parameters",
            ),
            "pgp": ("PgpOutcome",),
            "pgp_engine": ("PgpEngine",),
            "pgp_parts": (
                "decoded_status",
                "has_mimegpg",
                "is_multipart_encrypted",
                "is_multipart_signed",
            ),
            "pgp_protect": (
                "encrypt_message",
                "sign_message",
            ),
            "pgp_unlock": ("unlock_message",),
            "reply": ("Reply",),
            "report": (
                "Report",
                "choose_boundary",
            ),
            "salutation": ("format_salutation",),
            "sections": ("SectionWriter",),
            "seen_ids": ("SeenIds",),
            "structure": (
                "PushParser",
                "parse_structure",
            ),
            "subject": (
                "BaseSubject",
                "base_subject",
                "strip_subject",
            ),
            "text_feed": (
                "FeedItem",
                "contains_text",
                "iter_feed",
                "write_feed",
            ),
            "thread": (
                "Thread",
                "ThreadMessage",
                "thread_by_references",
                "thread_by_subject",
            ),
            "transfer": (
                "decode_base64",
                "decode_quoted_printable",
                "encode_base64",
                "encode_quoted_printable",
            ),
            "tree": ("draw_tree",),
            "typed_address": (
                "decode_typed_address",
                "encode_typed_address",
            ),
        },
    )

__all__ = [
    "Address",
    "Attachment",
    "Autoconvert",
    "Base64Decoder",
    "BaseSubject",
    "BodyKind",
    "BodyReader",
    "ContentType",
    "CrlfIndex",
    "Defect",
    "DefectKind",
    "DefectiveMessageError",
    "DeliveryStatus",
    "DispositionNotification",
    "EditError",
    "EncodingError",
    "Entity",
    "FeedItem",
    "FeedbackReport",
    "Field",
    "FlowedLine",
    "Forward",
    "Gpg",
    "Group",
    "HeaderEdits",
    "HeaderLimitError",
    "HeaderReader",
    "Headers",
    "ImapSection",
    "Limits",
    "LimitsError",
    "LineCounts",
    "LineFilter",
    "Message",
    "MessageEditor",
    "MessageFileError",
    "MessageStatus",
    "MissingFieldError",
    "Parameter",
    "ParameterizedValue",
    "Part",
    "PgpEngine",
    "PgpError",
    "PgpOutcome",
    "PgpProgramError",
    "PushParser",
    "QuotedPrintableDecoder",
    "RecipientStatus",
    "Reply",
    "Report",
    "Rfc822Error",
    "Run",
    "SectionWriter",
    "SeenIds",
    "Thread",
    "ThreadMessage",
    "address_to_ascii",
    "address_to_unicode",
    "answer_addresses",
    "append_url",
    "autoreply_obstacle",
    "base_subject",
    "choose_boundary",
    "compose",
    "contains_text",
    "decode_addresses",
    "decode_base64",
    "decode_charset",
    "decode_header",
    "decode_imap_utf7",
    "decode_quoted_printable",
    "decode_runs",
    "decode_smap",
    "decode_typed_address",
    "decode_words",
    "decoded_status",
    "detect_encoding",
    "display_width",
    "domain_to_ascii",
    "domain_to_unicode",
    "draw_tree",
    "encode_addresses",
    "encode_base64",
    "encode_charset",
    "encode_imap_utf7",
    "encode_phrase",
    "encode_quoted_printable",
    "encode_smap",
    "encode_typed_address",
    "encode_words",
    "encrypt_message",
    "find_imap_section",
    "fold_addresses",
    "fold_parameters",
    "fold_references",
    "fold_text",
    "format_addresses",
    "format_date",
    "format_parameter",
    "format_salutation",
    "has_mimegpg",
    "is_clean_list",
    "is_multipart_encrypted",
    "is_multipart_signed",
    "is_program_address",
    "iter_feed",
    "local_offset",
    "make_decoder",
    "make_message_id",
    "parse_address_list",
    "parse_addresses",
    "parse_date",
    "parse_flowed",
    "parse_groups",
    "parse_message_ids",
    "parse_parameters",
    "parse_quoted",
    "parse_structure",
    "read_crlf",
    "read_delivery_status",
    "read_disposition_notification",
    "read_feedback_report",
    "rewrap",
    "rewrite_address_field",
    "rewrite_addresses",
    "safe_file_name",
    "sign_message",
    "strip_subject",
    "thread_by_references",
    "thread_by_subject",
    "unlock_message",
    "wrap_addresses",
    "wrap_header",
    "wrap_text",
    "write_feed",
    "write_flowed",
]
