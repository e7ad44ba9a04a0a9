"""The pinned cases of spec maildir 6, numbered in the order of its text, and where each is tested.

Each case names a test function, and words that the test's file must have, such as the row of a
table.  A case that points at no test, or at one without these words, is a failure.  The login
cache at the end of the section is the webmail's, which this library leaves out.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

PINNED = "unit/maildir/test_pinned_cases.py::test_"
MAKE = "unit/cli/test_maildirmake.py::test_"
QUOTA = "unit/maildir/test_quota.py::test_"
DELIVERQUOTA = "unit/cli/test_deliverquota.py::test_"
WARNING = "unit/maildir/test_quota_warning.py::test_"
NAMES = "unit/maildir/test_names.py::test_"
ACL = "unit/maildir/test_acl.py::test_"
ACL_COMMAND = "unit/cli/test_maildiracl.py::test_"
KEYWORDS = "unit/maildir/test_keywords.py::test_"
UIDS = "unit/maildir/test_uid_numbers.py::test_"
CONVERSION = "unit/cli/test_sharing_commands.py::test_"
FOLDERS = "unit/maildir/test_folders.py::test_"
INDEX = "unit/maildir/test_shared_index.py::test_"
MAKEDAT = "unit/cli/test_makedat.py::test_"
LOCKS = "unit/maildir/test_mailbox_locks.py::test_"
MBOX = "unit/maildir/test_mbox.py::test_"
RULES = "unit/maildir/test_filter_rules.py::test_"

# Number: what is pinned, the test, words of it.
CASES: dict[int, tuple[str, str, str]] = {
    # Layout
    1: ("md and its three are 0700", PINNED + "maildirmake_makes_private_directories_once", "0o700"),
    2: ("md again", MAKE + "failures_say_what_courier_says", "pinned-exists"),
    3: ("-f Drafts", PINNED + "folders_have_an_empty_private_mark", '".Drafts"'),
    4: ("-fJoined.Sub", PINNED + "folders_have_an_empty_private_mark", "-fJoined.Sub"),
    5: ("-f .Bad", MAKE + "failures_say_what_courier_says", "pinned-dot"),
    6: ("-f A/B", MAKE + "pinned_bad_folder_names_exit_1", '"A/B"'),
    7: ("-f Foo nomd", MAKE + "failures_say_what_courier_says", "pinned-no-maildir"),
    8: ("-S sh", PINNED + "sharable_folders_have_these_modes", '"-S", "sh"'),
    9: ("-s read", PINNED + "sharable_folders_have_these_modes", '("read", 0o755, 0o755)'),
    10: ("-s write", PINNED + "sharable_folders_have_these_modes", '("write", 0o1755, 0o1777)'),
    11: ("-s read,group", PINNED + "sharable_folders_have_these_modes", "read,group"),
    12: ("-s write,group", PINNED + "sharable_folders_have_these_modes", "write,group"),
    13: ("-s group", PINNED + "sharable_folders_have_these_modes", '("group", 0o750, 0o750)'),
    14: ("-F a.b", PINNED + "a_name_of_one_component_is_escaped", '"a.b"'),
    15: ("-F x/y", PINNED + "a_name_of_one_component_is_escaped", '"x/y"'),
    16: ("-F t~il:de&amp", PINNED + "a_name_of_one_component_is_escaped", "t~il:de&amp"),
    17: ("-F Résumé", PINNED + "a_name_of_one_component_is_escaped", '"Résumé"'),
    18: ("Résumé in C", MAKE + "a_component_is_read_in_the_console_charset", "Cannot convert"),
    19: ("--add", PINNED + "sharable_maildirs_are_a_line_each_of_a_public_file", "0o644"),
    20: ("--add again", PINNED + "sharable_maildirs_are_a_line_each_of_a_public_file", "code == 2"),
    21: ("--add n.x", MAKE + "failures_say_what_courier_says", "pinned-add-name"),
    22: ("--add relative", MAKE + "failures_say_what_courier_says", "pinned-add-relative"),
    23: ("--del nothere", MAKE + "failures_say_what_courier_says", "pinned-del-unknown"),
    # Quota
    24: ("-q 1000000S,10C", PINNED + "quotas_are_installed_and_reordered", "1000000S,10C"),
    25: ("-q 5C,30000000S", PINNED + "quotas_are_installed_and_reordered", "30000000S,5C"),
    26: ("-q 100X", PINNED + "quotas_are_installed_and_reordered", "100X"),
    27: ("three of 3C", QUOTA + "pinned_three_messages_fit_and_the_fourth_is_refused", "3C"),
    28: ("the fourth", DELIVERQUOTA + "pinned_a_quota_of_three_refuses_the_fourth", "54 3"),
    29: ("its code", DELIVERQUOTA + "the_exit_code_over_quota_can_be_chosen", "== 77"),
    30: ("-q 500C newdir", PINNED + "a_quota_for_a_name_that_is_not_there_makes_the_maildir", "500C"),
    31: ("fresh file", QUOTA + "old_or_composite_totals_are_counted_again_before_refusing",
         "pinned-fresh"),
    32: ("14 minutes", QUOTA + "old_or_composite_totals_are_counted_again_before_refusing",
         "pinned-14-minutes"),
    33: ("16 minutes", QUOTA + "old_or_composite_totals_are_counted_again_before_refusing",
         "pinned-16-minutes"),
    34: ("two lines", QUOTA + "old_or_composite_totals_are_counted_again_before_refusing",
         "pinned-two-lines"),
    35: ("negative sum", QUOTA + "pinned_a_negative_sum_is_counted_again", "-50 -3"),
    36: ("junk lines", QUOTA + "pinned_junk_lines_add_nothing", "-5 -1 trailing"),
    37: ("5103 bytes", QUOTA + "pinned_a_long_file_is_rewritten", "(5103, False)"),
    38: ("5207 bytes", QUOTA + "pinned_a_long_file_is_rewritten", "(5207, True)"),
    39: ("40S", DELIVERQUOTA + "pinned_the_second_word_sets_a_quota_first", '"40S", "0 0"'),
    # The `36 2` of the text is what two messages come to: with one delivery before it, Debian's
    # writes `18 1` as ours does (differential/test_maildir_quota.py).
    40: ("400S", DELIVERQUOTA + "pinned_the_second_word_sets_a_quota_first", '"400S", "36 2"'),
    41: ("NOQUOTA", DELIVERQUOTA + "pinned_the_second_word_sets_a_quota_first", "NOQUOTA"),
    42: ("S=100", QUOTA + "pinned_recalculation_sizes", '("1,S=100:2,S", 100, 1)'),
    43: ("S= after flags", QUOTA + "pinned_recalculation_sizes", '("1:2,S,S=100", 18, 1)'),
    44: ("S=abc", QUOTA + "pinned_recalculation_sizes", '("1,S=abc", 0, 1)'),
    45: ("two sizes", QUOTA + "pinned_recalculation_sizes", '("1,S=50,S=70", 70, 1)'),
    46: ("trashed", QUOTA + "pinned_recalculation_sizes", '("1:2,ST", 0, 0)'),
    47: ("small letter", QUOTA + "pinned_recalculation_sizes", '("1:2,SaT", 18, 1)'),
    48: ("no flags", QUOTA + "pinned_recalculation_sizes", '("1:1,T", 18, 1)'),
    49: ("hidden", QUOTA + "pinned_recalculation_sizes", '(".hidden", 0, 0)'),
    50: ("1350 3", QUOTA + "pinned_what_counts_across_folders", "1350 3"),
    51: ("into .Trash", QUOTA + "pinned_what_counts_across_folders", "len(lines_of(box)) == 2"),
    52: ("into .Foo", QUOTA + "pinned_what_counts_across_folders", ".Foo/maildirsize"),
    53: ("the warning", WARNING + "pinned_it_goes_from_a_folder_to_its_maildir_and_is_charged",
         "quotawarn"),
    54: ("its headers", WARNING + "the_warning_is_the_template_behind_two_headers",
         "overquota"),
    55: ("23 h and 25 h", WARNING + "pinned_it_is_repeated_after_a_day", "23 * 3600"),
    56: ("no arguments", DELIVERQUOTA + "the_answer_to_a_command_line", "pinned-no-words"),
    57: ("-w 101", DELIVERQUOTA + "the_answer_to_a_command_line", "pinned-percent-too-large"),
    58: ("-w -2", DELIVERQUOTA + "the_answer_to_a_command_line", "pinned-percent-too-small"),
    59: ("-w -1", DELIVERQUOTA + "the_answer_to_a_command_line", "pinned-percent-never"),
    60: ("nosuch", DELIVERQUOTA + "the_answer_to_a_command_line", "pinned-missing"),
    61: ("-c", DELIVERQUOTA + "pinned_a_missing_maildir_is_created_with_its_parents", "auto/x/y"),
    62: ("the name", NAMES + "the_pinned_name_is_made_from_its_parts", "00000000002320D5_1.vm,S=18"),
    # ACL
    63: ("fresh", ACL + "pinned_1_a_fresh_inbox_gives_all_to_owner_and_administrators", "DEFAULT"),
    64: ("aside", ACL + "pinned_2_a_name_without_folder_is_kept_aside_inherited_and_moves",
         "courierimaphieracl/Folder"),
    65: ("moves", ACL + "pinned_2_a_name_without_folder_is_kept_aside_inherited_and_moves",
         ".Folder/courierimapacl"),
    66: ("zqr9", ACL + "pinned_3_rights_are_sorted_added_and_taken", "9qrz"),
    67: ("owner", ACL + "pinned_4_the_owner_cannot_be_locked_out", '("owner", "-l")'),
    68: ("-delete owner", ACL + "pinned_4_the_owners_entry_cannot_be_deleted", "without"),
    69: ("its words", ACL_COMMAND + "failures_are_one_line_and_change_nothing",
         "Trying to set invalid access rights for owner"),
    70: ("administrators", ACL + "pinned_5_administrators_lose_nothing", '"alrs"'),
    71: ("-compute", ACL + "pinned_6_anyone_applies_to_all", '"lr"'),
    72: ("no maildir", ACL_COMMAND + "pinned_the_default_list_needs_no_maildir", "INBOX"),
    73: ("no maildir, a folder", ACL + "pinned_7_without_a_maildir_the_inbox_has_its_default",
         "MaildirMissingError"),
    74: ("INBOX..x, inbox", ACL + "pinned_8_a_name_that_is_no_folders_reaches_no_file",
         "inbox"),
    75: ("mary", ACL + "pinned_9_the_documented_example", '"mary": (identities_of("mary"), "l")'),
    76: ("john", ACL + "pinned_9_the_documented_example", '"lrw"'),
    77: ("other", ACL + "pinned_9_the_documented_example", '"somebody else"'),
    # Keywords
    78: ("set and list", KEYWORDS + "pinned_1_an_update_is_a_file_of_lines_and_a_load_makes_the_list",
         "PERIOD + 1"),
    79: ("-a", KEYWORDS + "pinned_2_adding_and_removing_do_not_mind_case_and_flags", "msg1:2,S"),
    80: ("-r", KEYWORDS + "pinned_2_adding_and_removing_do_not_mind_case_and_flags", "label0"),
    81: ("newest", KEYWORDS + "pinned_3_the_newest_aged_file_counts", "zeta"),
    82: ("a load", KEYWORDS + "pinned_4_what_a_load_reads_removes_and_renames", ".7.m5"),
    # UID database and subscriptions
    83: ("UIDVALIDITY and file", UIDS + "pinned_database_of_two_new_messages", "795334795"),
    84: ("R&AOk-sum&AOk-", PINNED + "a_subscription_in_unicode_is_stored_as_utf8", "INBOX.Résumé"),
    85: ("inbox.Work", UIDS + "subscriptions_are_lines_and_inbox_counts_in_any_case", "inbox.Work"),
    86: ("FRST", PINNED + "flags_that_are_stored_in_any_order_stand_in_order", "2,FRST"),
    # UTF-8 conversion
    87: ("--convutf8", CONVERSION + "pinned_conversion_says_what_courier_says", "Updating cv/"),
    88: ("Bad&Name", CONVERSION + "conversions_that_cannot_be", "Bad&Name"),
    89: ("a&-b", FOLDERS + "modified_utf7_is_written_and_read", '"a&-b"'),
    90: ("台北", FOLDERS + "modified_utf7_is_written_and_read", "pinned-taipei"),
    91: ("AééB.é", FOLDERS + "modified_utf7_is_written_and_read", "pinned-two-components"),
    92: ("x&AOk", FOLDERS + "what_is_not_modified_utf7_is_refused", '"x&AOk"'),
    93: ("&2D0-", FOLDERS + "what_is_not_modified_utf7_is_refused", '"&2D0-"'),
    94: ("U+1F600", FOLDERS + "modified_utf7_is_written_and_read", "pinned-surrogate-pair"),
    # Shared index
    95: ("bob.smith/x", INDEX + "pinned_names_become_components", '"bob smith x"'),
    96: ("complex", INDEX + "pinned_names_become_components", r"bob\:smith\;x"),
    97: ("grp", INDEX + "accounts_are_listed_without_those_gone_and_ones_own_and_circles_stop",
         "#shared.grp.carol"),
    98: ("user bad", PINNED + "a_right_that_is_taken_from_one_user_is_left_to_the_others", '"ls"'),
    99: ("administrators", PINNED + "a_right_that_is_taken_from_one_user_is_left_to_the_others",
         'groups=["administrators"]'),
    100: ("disableshared", ACL + "a_disabled_store_touches_nothing", "is_disabled=True"),
    101: ("uid 0", INDEX + "bad_lines_are_logged_as_courier_does", "(3): syntax error."),
    102: ("sharedgroup", INDEX + "pinned_lines_of_a_split", "/h/alice"),
    103: ("letters=1", INDEX + "pinned_splits", '"indexa": "alice al"'),
    104: ("letters=2", INDEX + "pinned_splits", '"indexbo": "bob"'),
    # makedat
    105: ("values", MAKEDAT + "pinned_values", "foo.domain.com"),
    106: ("duplicate", MAKEDAT + "failures_leave_the_old_table", "duplicate"),
    107: ("/30", MAKEDAT + "pinned_ranges", "1.2.3.0/30"),
    108: ("a range", MAKEDAT + "pinned_ranges", "10.0.0.5-10.0.0.6"),
    109: ("/31", MAKEDAT + "pinned_ranges", ":2001:0db9"),
    # lockmail
    110: ("both files", LOCKS + "pinned_names_and_contents", "0o644"),
    111: ("rc of cmd", "unit/cli/test_lockmail.py::test_the_programs_status_is_returned", "exit 7"),
    112: ("dead pid", LOCKS + "a_lock_of_a_dead_process_goes_and_the_next_attempt_succeeds", "5"),
    113: ("-t 0", "differential/test_maildir_sharing.py::"
          "test_our_locks_keep_debians_lockmail_out_and_the_other_way_round", '"-t"'),
    # mbox
    114: ("beginning", MBOX + "a_message_gets_its_from_line_its_prefix_and_an_empty_line",
          "Delivered-To"),
    115: ("quoting", MBOX + "a_message_gets_its_from_line_its_prefix_and_an_empty_line",
          ">>From there"),
    116: ("maildrop's", MBOX + "maildrop_style_puts_an_empty_line_before_the_second_message",
          "MAILER-DAEMON"),
    # Filter rules
    117: ("startswith", RULES + "conditions", "pinned-startswith"),
    118: ("to INBOX", RULES + "actions", "pinned-inbox"),
    119: ("-endswith", RULES + "conditions", "pinned-not-endswith"),
    120: ("[courier]", RULES + "conditions", "pinned-plain"),
    121: ("+dummy", RULES + "pinned_autoresponse", "+dummy dsn=1 days=7"),
    122: ("no/good", RULES + "a_rule_that_could_mean_something_else_has_a_code", '"no/good"'),
    123: ("no(good", RULES + "a_rule_that_could_mean_something_else_has_a_code", '"no(good"'),
    124: ("no()good", RULES + "a_rule_that_could_mean_something_else_has_a_code", '"no()good"'),
    125: ("subject:", RULES + "a_rule_that_could_mean_something_else_has_a_code", '"subject:"'),
    126: ("/subject", RULES + "a_rule_that_could_mean_something_else_has_a_code", '"/subject"'),
    127: ("!…; foo", RULES + "a_rule_that_could_mean_something_else_has_a_code", "; foo"),
    128: ("x100000", RULES + "a_rule_that_could_mean_something_else_has_a_code", '"x100000"'),
    # Flag removal
    129: ("T", PINNED + "a_flag_is_taken_from_the_name_alone", "messagefile:2,RTV"),
    130: ("no flags", PINNED + "a_flag_is_taken_from_the_name_alone", '("messagefile", "e"'),
}  # fmt: skip


def test_the_numbers_are_consecutive() -> None:
    assert list(CASES) == list(range(1, 131))


@pytest.mark.parametrize("number", CASES, ids=lambda number: f"{number} {CASES[number][0]}")
def test_every_pinned_case_has_its_test(number: int) -> None:
    _, test, words = CASES[number]
    file, _, function = test.partition("::")
    text = (TESTS / file).read_text()
    assert re.search(rf"^def {function}\(", text, re.MULTILINE), f"{file} has no {function}"
    assert words in text
