"""The 111 pinned cases of spec auth 6, in the order of its text: which test asserts each.

A case names a test function and a piece of text by which that test knows it.  The text must
stand in the function, its decorators, or a constant or function of the module that these use;
so a case whose test is renamed, or whose row is removed, is a failure here.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
COMMANDS = "unit/cli/test_userdb_commands.py"
EDIT = "unit/auth/test_userdb_edit.py"
HASHES = "unit/auth/test_passwords.py"
CONTEXTS = "unit/auth/test_hmac_context.py"
WIRE = "e2e/test_auth_pinned_wire.py"
CLIENTS = "unit/cli/test_authtest.py"
SASL = "unit/auth/test_sasl.py"
PIPE = "e2e/auth/test_pipe_module.py"
SQL = "unit/auth/test_sql_queries.py"
MODULE = "unit/auth/test_userdb_module.py"
IMPORT = "unit/auth/test_userdb_import.py"

SESSION = "test_pinned_userdb_session"
REFUSES = "test_userdb_refuses"
COMPILED = "test_pinned_compilation_of_a_file"
BELOW = "test_pinned_compilation_of_a_directory"
RECORDS = "test_entries_become_records"
FITS = "test_the_right_password_and_only_that_fits"
NO_HASH = "test_nothing_fits_what_is_no_hash_of_it"
PINNED_CONTEXTS = "test_pinned_contexts"
ANSWERS = "test_the_daemon_answers"
QUESTIONS = "test_the_pinned_questions"
ODD = "test_odd_accounts_are_shown_as_they_are"
LISTS = "test_a_list_is_complete_with_its_end_marker_only"
STATEMENTS = "test_the_statements_are_the_pinned_ones"
TRANSCRIPT = "test_the_program_reads_what_the_spec_pins"

CASES: dict[int, tuple[str, str, str]] = {
    # The userdb tool
    1: (EDIT, "test_pinned_a_new_record_a_new_field_and_nothing_to_do", "0o600"),
    2: (COMMANDS, SESSION, "sekrit"),
    3: (COMMANDS, SESSION, '["nosuch", "del"]'),
    4: (COMMANDS, SESSION, '["nosuch", "unset", "mail"]'),
    5: (COMMANDS, SESSION, '["john", "unset"]'),
    6: (COMMANDS, REFUSES, '["x", "set", "a=b|c"]'),
    7: (COMMANDS, REFUSES, '["john", "del", "extra"]'),
    8: (COMMANDS, REFUSES, '["john", "frob"]'),
    9: (COMMANDS, REFUSES, "([], (1, USAGE"),
    10: (COMMANDS, "test_pinned_records_of_files_below", "dom/d1/c@d"),
    11: (COMMANDS, "test_pinned_records_of_files_below", "not a file."),
    12: (COMMANDS, "test_pinned_makeuserdb", "MAY NOT HAVE GROUP OR WORLD PERMISSIONS!!"),
    13: (COMMANDS, "test_pinned_makeuserdb", '"-f", other'),
    14: (COMMANDS, "test_pinned_a_link_is_refused_in_two_lines", "is a symbolic link"),
    # Compilation
    15: (EDIT, COMPILED, 'b"systempw=abc|imappw=zz|hmac-md5pw=00"'),
    16: (EDIT, COMPILED, 'b"john|_="'),
    17: (EDIT, COMPILED, 'b"pwonly": b"systempw=x"'),
    18: (EDIT, COMPILED, 'b"empty": b"_="'),
    19: (EDIT, COMPILED, 'b"pw=1|ypw="'),
    20: (EDIT, COMPILED, 'b"word line without tab": b"1"'),
    21: (EDIT, BELOW, "_=default/"),
    22: (EDIT, BELOW, "_=dom/d1/"),
    23: (EDIT, BELOW, ".hidden"),
    24: (MODULE, "test_a_uid_leads_to_the_account_of_its_reverse_entry", "lookup_uid(1001"),
    # pw2userdb
    25: (IMPORT, RECORDS, "pinned-shadow"),
    26: (IMPORT, RECORDS, "pinned-empty-fields"),
    27: (IMPORT, RECORDS, "pinned-domain"),
    # Hashes of "secret"
    28: (HASHES, FITS, "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="),
    29: (HASHES, FITS, "{MD5RAW}5ebe2294ecd0e0f08eab7690d2a6ee69"),
    30: (HASHES, FITS, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
    31: (HASHES, FITS, "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="),
    32: (HASHES, FITS, "{SSHA}W9eCVKruNH57X3Fw8AqonGPK/tjw0Qof"),
    33: (HASHES, FITS, "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2"),
    34: (HASHES, FITS, '"$1$ylkMFqWz$40T/KwYBxcE56dYaLfFdv0"'),
    35: (HASHES, FITS, "Rgx56eSfDdLjM"),
    36: (HASHES, FITS, "{md5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="),
    37: (HASHES, FITS, "$5$couriersalt$"),
    38: (HASHES, FITS, "$6$couriersalt$"),
    39: (HASHES, FITS, "$2b$04$"),
    40: (HASHES, NO_HASH, '"secret"'),
    41: (HASHES, NO_HASH, "{PLAIN}secret"),
    42: (HASHES, NO_HASH, '""'),
    43: (HASHES, NO_HASH, "{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ="),
    44: (HASHES, NO_HASH, "{SSHA256}x"),
    45: (CONTEXTS, PINNED_CONTEXTS, "cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac3957"),
    46: (CONTEXTS, PINNED_CONTEXTS, "091e0f4c6cb5277ee2beb639a60d0831b5c8adcdaee172433df3e96ba4f"),
    47: (CONTEXTS, PINNED_CONTEXTS, "72804f31b042016804d3dea2f4e991a21b1c8906be161594b202fb74afc"),
    48: (CONTEXTS, PINNED_CONTEXTS, "91e64ab16dcbc15e0d95968f07b3e87e6861af3aaad6cf0d9a358f04247"),
    49: (COMMANDS, "test_userdbpw_refuses", "-hmac-sha512"),
    50: (CONTEXTS, "test_the_example_of_rfc_2195", "b913a602c7eda7a495b4e6e7334d3890"),
    # The wire, server side
    **{
        number: (WIRE, ANSWERS, f'id="{number}-')
        for number in range(51, 77)
    },
    77: (WIRE, "test_case_77_the_list_of_the_daemon", "# authuserdb"),
    # The wire, client side
    78: (CLIENTS, QUESTIONS, 'b"TCPREMOTEIP=::1\\nPRE . login u\\n"'),
    79: (CLIENTS, QUESTIONS, 'b"TCPREMOTEIP=::1\\nAUTH 16\\nlogin\\nlogin\\nu\\np\\n"'),
    80: (CLIENTS, QUESTIONS, 'b"PASSWD login\\tu\\to\\tn\\n"'),
    81: (CLIENTS, QUESTIONS, 'b"ENUMERATE\\n"'),
    82: (CLIENTS, ODD, "(*** UID/GID initialization error***)"),
    83: (CLIENTS, QUESTIONS, "Authentication FAILED: Input/output error"),
    84: (CLIENTS, ODD, 'b"UID=5\\nFOO=1\\nnoeq\\n.\\n"'),
    85: (CLIENTS, LISTS, 'pinned + b".\\n"'),
    86: (CLIENTS, LISTS, 'ask(tmp_path, pinned, "authenumerate", "-o")'),
    87: (CLIENTS, "test_without_a_daemon_the_reason_is_said", "Connection refused"),
    # Password change and lookups
    88: (WIRE, "test_case_88_the_general_password_is_changed", "hmac-md5pw"),
    89: (WIRE, "test_case_89_the_password_of_one_service_is_changed", "imap-hmac-md5pw"),
    90: (WIRE, "test_case_90_a_wrong_old_password_changes_nothing", "REFUSED"),
    91: (WIRE, "test_case_91_a_new_password_with_a_bar_changes_nothing", "REFUSED"),
    92: (WIRE, "test_case_92_a_record_without_uid_is_refused", "REFUSED"),
    93: (WIRE, "test_case_93_user_0_is_found_and_not_listed", "not in listed.out"),
    94: (WIRE, "test_case_94_who_has_no_password_is_found_and_does_not_log_in", "(none)"),
    95: (WIRE, "test_case_95_a_name_is_found_in_its_own_case", "UPPER@Ex.com"),
    96: (WIRE, "test_case_96_and_in_no_other", "upper@ex.com"),
    97: (WIRE, "test_case_97_a_login_gets_the_default_domain", "DEFDOMAIN"),
    98: (WIRE, "test_case_98_a_lookup_does_not", "DEFDOMAIN"),
    # authsqlite, authpipe, the chain
    99: (SQL, STATEMENTS, "FROM passwd WHERE id = ? AND (1=1)"),
    100: (WIRE, "test_case_100_the_mail_system_gets_the_delivery", "MAILDIR=|foo"),
    101: (SQL, STATEMENTS, "UPDATE passwd SET clear=?, crypt=? WHERE id=?"),
    102: (PIPE, TRANSCRIPT, "PRE . login root\\n"),
    103: (PIPE, TRANSCRIPT, "AUTH 36\\nlogin\\nlogin\\nfred@example.com\\nfoobar\\n"),
    104: (PIPE, TRANSCRIPT, "ENUMERATE\\n"),
    105: (WIRE, "test_case_105_a_program_that_ends_without_a_reply_is_trouble", "CLOSED"),
    106: (WIRE, "test_case_106_each_module_lists_in_the_order_of_the_chain", "# authpipe"),
    107: (WIRE, "test_case_107_an_unknown_module_is_logged_and_skipped", "skipped"),
    # SASL
    108: (SASL, "test_an_encoded_line_is_one_line", "VXNlcm5hbWU6"),
    109: (SASL, "test_an_encoded_line_is_one_line", "UGFzc3dvcmQ6"),
    110: (SASL, "test_a_client_takes_the_best", '("LOGIN PLAIN CRAM-MD5", None, "CRAM-MD5")'),
    111: (SASL, "test_a_client_takes_the_best", '("login plain", ENCRYPTED, "PLAIN")'),
}  # fmt: skip


@cache
def sources(path: str) -> dict[str, str]:
    """The text of everything that a test module defines, by name."""
    text = (TESTS / path).read_text()
    lines = text.splitlines(keepends=True)
    found = {}
    for node in ast.parse(text).body:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        piece = "".join(lines[first - 1 : node.end_lineno])
        for name in names_defined(node):
            found[name] = piece
    return found


def names_defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def evidence_of(path: str, test: str) -> str:
    """The text of a test and of what it uses of its own module."""
    pieces = sources(path)
    own = pieces[test]
    used = {node.id for node in ast.walk(ast.parse(own)) if isinstance(node, ast.Name)}
    return own + "".join(pieces[name] for name in sorted(used & set(pieces)) if name != test)


def test_the_index_has_all_111_numbers_in_order() -> None:
    assert list(CASES) == list(range(1, 112))


@pytest.mark.parametrize("number", CASES)
def test_every_pinned_case_is_asserted_where_the_index_says(number: int) -> None:
    path, test, text = CASES[number]
    assert test.startswith("test_")
    assert text in evidence_of(path, test)
