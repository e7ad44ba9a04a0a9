"""Laws of access control lists."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from couriermail.maildir import Acl, AclMinimumError
from couriermail.maildir.acl import ALL_RIGHTS

VISIBLE = st.characters(min_codepoint=0x21, exclude_characters="\x7f", exclude_categories=["Cs"])
IDENTIFIERS = st.one_of(
    st.sampled_from(
        [
            f"{sign}{subject}"
            for sign in ("", "-")
            for subject in (
                "owner",
                "anyone",
                "anonymous",
                "user=a",
                "administrators",
                "group=administrators",
            )
        ]
    ),
    st.text(VISIBLE, min_size=1, max_size=8),
)
RIGHTS = st.one_of(st.text(st.sampled_from(ALL_RIGHTS)), st.text(VISIBLE, max_size=4))


@st.composite
def acls(draw: st.DrawFn) -> Acl:
    acl = draw(st.sampled_from([Acl(), Acl.default()]))
    for identifier, rights in draw(st.lists(st.tuples(IDENTIFIERS, RIGHTS), max_size=6)):
        acl = acl.with_rights(identifier, rights)
    return acl


@given(acls())
def test_the_text_of_a_list_comes_back(acl: Acl) -> None:
    """Spec maildir 3.9: `identifier SP rights LF` per entry; parse then write is the identity."""
    assert Acl.parse(acl.to_bytes()) == acl


@given(st.binary(max_size=200))
def test_no_file_breaks_the_reader(data: bytes) -> None:
    """Untrusted text raises nothing, and reading what was written changes nothing."""
    acl = Acl.parse(data)
    assert Acl.parse(acl.to_bytes()) == acl


@given(acls())
def test_completing_is_done_once_and_satisfies_administrators(acl: Acl) -> None:
    """Spec maildir 4.9 rule 4: completed twice is completed once; `a` and `l` are never lost."""
    completed = acl.completed()
    assert completed.completed() == completed
    lost = set(ALL_RIGHTS) - set(completed.rights_of({"administrators"}))
    general = {"anyone", "anonymous"}
    takes = [one for one in completed if one.is_negative and one.identifier[1:] in general]
    assert not lost & {"a", "l"} or takes


@given(acls(), st.sets(IDENTIFIERS, max_size=3), RIGHTS)
def test_a_negative_entry_never_gives_and_a_positive_one_never_takes(
    acl: Acl, identities: set[str], rights: str
) -> None:
    """Spec maildir 4.9 rule 1: union of the positive entries, then the negative ones removed."""
    before = set(acl.without("user=q").without("-user=q").rights_of({*identities, "user=q"}))
    more = acl.without("-user=q").with_rights("user=q", rights)
    less = acl.without("user=q").with_rights("-user=q", rights)
    taken = set(rights) - ({"a"} if "owner" in identities else set())
    assert set(less.rights_of({*identities, "user=q"})) == before - taken
    assert set(more.rights_of({*identities, "user=q"})) >= before


@given(acls())
def test_a_list_that_passes_leaves_the_owner_and_administrators_what_they_need(acl: Acl) -> None:
    """Spec maildir 4.9 rule 5: owner keeps `l` and `a`, administrators keep all rights."""
    try:
        acl.check_minimum()
    except AclMinimumError:
        return
    assert {"l", "a"} <= set(acl.rights_of({"owner"}, owner_administers=False))
    assert set(ALL_RIGHTS) <= set(acl.rights_of({"administrators"}))
