"""Password files as userdb records (spec auth 2.8, 6)."""

from __future__ import annotations

import pytest

from couriermail.auth.userdb_import import ImportRules, passwd_records, read_shadow

VPOPMAIL = ImportRules(domain=b"d.org", with_reverse=False, ids=(89, 90), has_quota=True)


@pytest.mark.parametrize(
    ("passwd", "shadow", "rules", "records"),
    [
        pytest.param(
            b"vm:x:1012:1012:V|M,,,:/home/vm:",
            b"vm:*:19000:0:99999:7:::",
            ImportRules(),
            [b"vm\tuid=1012|gid=1012|home=/home/vm|systempw=*|gecos=V.M,,,", b"1012=\tvm"],
            id="pinned-shadow",
        ),
        pytest.param(
            b"nop::5:6:::/bin/sh\n",
            b"",
            ImportRules(),
            [b"nop\tuid=5|gid=6|home=|shell=/bin/sh", b"5=\tnop"],
            id="pinned-empty-fields",
        ),
        pytest.param(
            b"vm:x:1012:1012::/home/vm:",
            b"",
            ImportRules(with_reverse=False, domain=b"example.com"),
            [b"vm@example.com\tuid=1012|gid=1012|home=/home/vm"],
            id="pinned-domain",
        ),
        pytest.param(
            b"# c\n\nbad\na|b:x:1:1::/h:\na:x:1|2:1::/h:\na:x:1:1::/h|i:\n:x:1:1::/h:\n",
            b"",
            ImportRules(),
            [],
            id="what is no entry",
        ),
        pytest.param(
            b"joe:$1$a$b:1:0:Joe:/var/joe:1000S,5C",
            b"",
            VPOPMAIL,
            [b"joe@d.org\tuid=89|gid=90|home=/var/joe|systempw=$1$a$b|gecos=Joe|quota=1000S,5C"],
            id="vpopmail",
        ),
        pytest.param(
            b"joe:h:1:0:Joe:/var/joe:NOQUOTA\njim:h:1:0::/var/jim",
            b"",
            VPOPMAIL,
            [
                b"joe@d.org\tuid=89|gid=90|home=/var/joe|systempw=h|gecos=Joe",
                b"jim@d.org\tuid=89|gid=90|home=/var/jim|systempw=h",
            ],
            id="vpopmail-no-quota",
        ),
        pytest.param(
            b"a:h|i:1:1::/h:", b"", ImportRules(with_reverse=False), [b"a\tuid=1|gid=1|home=/h"],
            id="a password that would end the field",
        ),
    ],
)  # fmt: skip
def test_entries_become_records(
    passwd: bytes, shadow: bytes, rules: ImportRules, records: list[bytes]
) -> None:
    assert list(passwd_records(passwd, read_shadow(shadow), rules)) == records
