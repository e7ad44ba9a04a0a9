"""Access control lists: values, files, inheritance (spec maildir 3.9, 4.9, 6)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from couriermail.core import FaultPlan, ManualClock, clear_faults, install_faults
from couriermail.maildir import (
    Acl,
    AclEntry,
    AclMinimumError,
    AclStore,
    InvalidNameError,
    Maildir,
    MaildirError,
    MaildirMissingError,
    identities_of,
)
from couriermail.maildir.acl import ALL_RIGHTS, normalize_rights

ALL = ALL_RIGHTS
DEFAULT = f"owner {ALL}\nadministrators {ALL}\n"


def acl_of(*lines: str) -> Acl:
    return Acl.parse("".join(f"{line}\n" for line in lines).encode())


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "a")


def contents(box: Maildir) -> dict[str, str]:
    root = Path(box.path)
    found = [*root.glob("**/courierimapacl"), *root.glob("courierimaphieracl/*")]
    return {str(path.relative_to(root)): path.read_text() for path in found}


def test_pinned_1_a_fresh_inbox_gives_all_to_owner_and_administrators(box: Maildir) -> None:
    assert box.acl().to_bytes().decode() == DEFAULT
    assert contents(box) == {}


def test_pinned_2_a_name_without_folder_is_kept_aside_inherited_and_moves(box: Maildir) -> None:
    acl = box.acl("Folder").with_rights("user=user1", "rw")
    box.set_acl("INBOX.Folder", acl)
    three = f"{DEFAULT}user=user1 rw\n"
    assert contents(box) == {"courierimaphieracl/Folder": three}
    assert box.acl("Folder.Subfolder") == acl
    assert contents(box)["courierimaphieracl/Folder.Subfolder"] == three
    box.create_folder("Folder")
    assert box.acl("Folder") == acl
    assert contents(box) == {
        ".Folder/courierimapacl": three,
        "courierimaphieracl/Folder.Subfolder": three,
    }


def test_pinned_3_rights_are_sorted_added_and_taken() -> None:
    acl = Acl.default().with_change("user=x", "zqr9")
    assert acl.get("user=x") == "9qrz"
    assert acl.with_change("user=x", "+w").with_change("user=x", "-zq9").get("user=x") == "rw"
    assert acl.with_change("user=x", "").get("user=x") == ""
    assert acl.with_change("user=y", "+r").get("user=y") == "r"


@pytest.mark.parametrize(
    "change",
    [("owner", "r"), ("-owner", "a"), ("owner", "-l"), ("-anyone", "l"), ("-anonymous", "a")],
    ids=" ".join,
)
def test_pinned_4_the_owner_cannot_be_locked_out(box: Maildir, change: tuple[str, str]) -> None:
    with pytest.raises(AclMinimumError) as caught:
        box.set_acl("INBOX", box.acl().with_change(*change))
    assert caught.value.identifier == "owner"
    assert contents(box) == {}


def test_pinned_4_the_owners_entry_cannot_be_deleted(box: Maildir) -> None:
    with pytest.raises(AclMinimumError):
        box.set_acl("INBOX", box.acl().without("owner"))


def test_an_owner_is_protected_under_his_own_name_too(box: Maildir) -> None:
    acl = box.acl().with_rights("-user=bob", "l")
    box.set_acl("INBOX", acl)
    with pytest.raises(AclMinimumError) as caught:
        box.set_acl("INBOX", acl, owner="user=bob")
    assert caught.value.identifier == "user=bob"


@pytest.mark.parametrize(
    "change", [("administrators", "r"), ("-administrators", "alrs"), ("-group=administrators", "w")]
)
def test_pinned_5_administrators_lose_nothing(box: Maildir, change: tuple[str, str]) -> None:
    with pytest.raises(AclMinimumError) as caught:
        box.set_acl("INBOX", box.acl().with_change(*change))
    assert (caught.value.identifier, caught.value.errno) == ("administrators", errno.EINVAL)


def test_pinned_6_anyone_applies_to_all() -> None:
    acl = Acl.default().with_rights("anyone", "lr")
    assert acl.rights_of({"user=x"}) == "lr"
    assert acl.rights_of({"owner"}) == ALL


def test_pinned_7_without_a_maildir_the_inbox_has_its_default(tmp_path: Path) -> None:
    store = AclStore(tmp_path / "nomd")
    assert store.read("INBOX") == Acl.default()
    with pytest.raises(MaildirMissingError):
        store.read("INBOX.x")
    with pytest.raises(MaildirMissingError):
        store.write("INBOX", Acl.default())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["INBOX..x", "a/b", "..", "../x", "a.", "a\nb", "a\0b"])
def test_pinned_8_a_name_that_is_no_folders_reaches_no_file(box: Maildir, name: str) -> None:
    store = AclStore(box.path)
    for call in (
        lambda: store.read(name),
        lambda: store.write(name, Acl.default()),
        lambda: store.delete(name),
    ):
        with pytest.raises(InvalidNameError):
            call()
    assert sorted(os.listdir(box.path)) == ["cur", "new", "tmp"]


DOCUMENTED = acl_of(
    f"owner {ALL}", "anyone lr", "user=john w", "-user=mary r", f"administrators {ALL}"
)
COMPUTED = {
    "mary": (identities_of("mary"), "l"),
    "john": (identities_of("john"), "lrw"),
    "somebody else": (identities_of("eve"), "lr"),
    "nobody": (frozenset[str](), "lr"),
    "the owner": (identities_of("john", owner="john"), ALL),
    "an owner who is mary": (identities_of("mary", owner="mary"), ALL.replace("r", "")),
    "an administrator": (identities_of("eve", groups=["administrators"]), ALL),
    "an administrator by the other spelling": (frozenset({"administrators"}), ALL),
    "in another group": (identities_of("eve", groups=["staff"]), "lr"),
}


@pytest.mark.parametrize("who", COMPUTED)
def test_pinned_9_the_documented_example(who: str) -> None:
    identities, expected = COMPUTED[who]
    assert DOCUMENTED.rights_of(identities) == expected


def test_the_owner_administers_whatever_the_list_says_unless_told() -> None:
    acl = acl_of("owner lr")
    assert acl.rights_of({"owner"}) == "alr"
    assert acl.rights_of({"owner"}, owner_administers=False) == "lr"


LINES = {
    "later entries replace earlier ones in place": (
        b"user=x r\nanyone l\nuser=x w\n", b"user=x w\nanyone l\n"
    ),
    "blanks": (b"anyone   l  r\nuser=y\tlr\n", b"anyone lr\nuser=y lr\n"),
    "repeated rights": (b"user=z rrzz\n", b"user=z rz\n"),
    "no rights": (b"user=a\nuser=b \n", b"user=a \nuser=b \n"),
    "empty lines": (b"\n\nanyone l\n\n l\n", b"anyone l\n"),
    "control characters": (b"us\1er l\nanyone l\1\nuser=q\x7f r\nanyone r\n", b"anyone r\n"),
    "no last line end": (b"anyone l", b"anyone l\n"),
    "not UTF-8": (b"user=\xff l\n", b"user=\xff l\n"),
    "UTF-8": ("user=Résumé lr\n".encode(), "user=Résumé lr\n".encode()),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_files_are_read_leniently(name: str) -> None:
    data, expected = LINES[name]
    assert Acl.parse(data).to_bytes() == expected


COMPLETED = {
    "missing": ("anyone l", f"anyone l\nadministrators {ALL}\n"),
    "too few": ("administrators l\nanyone l", f"administrators {ALL}\nanyone l\n"),
    "the other spelling": ("group=administrators l", f"group=administrators {ALL}\n"),
    "both spellings": (
        "administrators l\nanyone l\ngroup=administrators r",
        f"anyone l\ngroup=administrators {ALL}\n",
    ),
    "taken away": (
        f"administrators {ALL}\n-administrators alw\n-group=administrators al",
        f"administrators {ALL}\n-administrators w\n",
    ),
}


@pytest.mark.parametrize("name", COMPLETED)
def test_a_list_is_completed_for_administrators(name: str) -> None:
    text, expected = COMPLETED[name]
    assert Acl.parse(text.encode()).completed().to_bytes().decode() == expected


@pytest.mark.parametrize("identifier", ["", "user=a b", "a\tb", "a\nb", "a\0b", "a\x7f", "\ud800"])
def test_an_identifier_that_cannot_be_stored(identifier: str) -> None:
    with pytest.raises(InvalidNameError):
        AclEntry(identifier, "l")


@pytest.mark.parametrize("rights", ["r R", "r\1", "l\n", "\ud800"])
def test_rights_that_cannot_be_stored(rights: str) -> None:
    with pytest.raises(InvalidNameError):
        normalize_rights(rights)


def test_deleting_a_list_forgets_both_files_and_none_is_no_error(box: Maildir) -> None:
    store = AclStore(box.path)
    store.write("A.B", Acl.default())
    box.create_folder("A.B")
    (Path(box.path) / ".A.B/courierimapacl").write_text(DEFAULT)
    store.write("INBOX", Acl.default())
    for name in ("A.B", "INBOX", "A.B", "INBOX", "never"):
        store.delete(name)
    assert contents(box) == {}


def test_writing_into_a_folder_removes_the_list_that_was_kept_aside(box: Maildir) -> None:
    store = AclStore(box.path)
    store.write("F", Acl.default())
    box.create_folder("F")
    store.write("F", Acl.default().with_rights("anyone", "l"))
    assert contents(box) == {".F/courierimapacl": f"{DEFAULT}anyone l\n"}


def test_a_list_that_the_folder_has_is_not_replaced_by_one_kept_aside(box: Maildir) -> None:
    store = AclStore(box.path)
    store.write("F", Acl.default())
    box.create_folder("F")
    (Path(box.path) / ".F/courierimapacl").write_text(f"{DEFAULT}anyone l\n")
    assert store.read("F").get("anyone") == "l"


def test_reset_removes_old_lists_of_names_without_folders_below(
    box: Maildir, tmp_path: Path
) -> None:
    clock = ManualClock()
    store = AclStore(box.path, clock=clock)
    for name in ("P.Q", "M", "Young"):
        store.write(name, Acl.default())
    box.create_folder("P.Q.R")
    aside = Path(box.path, "courierimaphieracl")
    for name, age in (("P.Q", 7200), ("M", 3601), ("Young", 3599)):
        os.utime(aside / name, (clock.time - age, clock.time - age))
    store.reset()
    assert sorted(os.listdir(aside)) == ["P.Q", "Young"]


def test_reset_makes_the_directory_and_says_where_it_cannot(box: Maildir, tmp_path: Path) -> None:
    AclStore(box.path).reset()
    mode = os.stat(f"{box.path}/courierimaphieracl").st_mode
    assert stat.S_IMODE(mode) == 0o755
    with pytest.raises(MaildirMissingError):
        AclStore(tmp_path / "nomd").reset()


def test_a_disabled_store_touches_nothing(box: Maildir) -> None:
    store = AclStore(box.path, is_disabled=True)
    assert store.read("Any").to_bytes() == b"owner ceilrstwx\n"
    store.write("Any", Acl.default())
    assert contents(box) == {}


@pytest.mark.root
def test_a_maildir_that_may_not_be_written_inherits_without_saving(box: Maildir) -> None:
    for path in (*Path(box.path).parents[:3], Path(box.path), Path(box.path, "tmp")):
        path.chmod(0o755)
    child = os.fork()
    if not child:
        os.setresuid(65534, 65534, 65534)
        try:
            os._exit(0 if box.acl("A.B") == Acl.default() else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert contents(box) == {}


def test_a_full_disk_leaves_the_old_list(box: Maildir) -> None:
    box.set_acl("INBOX", box.acl().with_rights("anyone", "l"))
    before = contents(box)
    install_faults([FaultPlan("maildir.replace-before-rename", error=errno.ENOSPC)])
    try:
        with pytest.raises(MaildirError) as caught:
            box.set_acl("INBOX", box.acl().with_rights("anyone", "lr"))
    finally:
        clear_faults()
    assert caught.value.errno == errno.ENOSPC
    assert contents(box) == before
    assert os.listdir(f"{box.path}/tmp") == []


def test_the_file_has_the_mode_that_the_umask_allows(box: Maildir) -> None:
    old = os.umask(0o027)
    try:
        box.set_acl("INBOX", Acl.default())
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(f"{box.path}/courierimapacl").st_mode) == 0o640


def test_a_symbolic_link_is_not_followed(box: Maildir, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("anyone aceilrstwx\n")
    os.symlink(tmp_path / "other", f"{box.path}/courierimapacl")
    with pytest.raises(MaildirError):
        box.acl()
