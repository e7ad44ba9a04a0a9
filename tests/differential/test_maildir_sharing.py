"""Our commands and files for sharing, locking and folder names beside Debian's.

Accepted differences, each with a test of its own or a note where it is made:

* sharedindexsplit: a `/` in a name stops Courier's; ours uses `_` in the file name.  The order of
  lines in group files is Courier's hash order; ours is sorted.
* maildirmake --convutf8: Courier's check leaves an empty list of subscriptions and a `.new` file
  behind; ours touches nothing.  The order of renames is the directory's; ours is sorted.
* maildirmake --convutf8, run again: Courier's fails when a name is no modified UTF-7 (`a&b`) and
  garbles names in UTF-8 otherwise, each time more; ours changes nothing and exits 0.  For that
  ours leaves the file `maildirutf8names` behind, which Courier's programs pass over.
* mail filters follow the newest Courier where Debian's is older: a failed autoresponse ends the
  recipe, a refused message gets the status 77 (not 70), blanks are allowed before `text/plain`.
  Blanks behind `##Value:` are skipped on loading.  The comment in the head is our own words, and
  the path of mailbot is kept.
* lockmail: our message for a wrong command line is always the usage, and `-t x` is refused.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import attrs
import pytest
from tests.support.commands import Done, run_ours, run_peer

from couriermail.maildir import (
    FilterRecipe,
    FilterRule,
    MailboxLock,
    Maildir,
    RuleKind,
    SharedIndex,
    Subscriptions,
    UidDatabase,
    number_messages,
)
from couriermail.maildir.locks import LockPolicy

ACCOUNTS = (
    "alice\t1\t1\t/h/alice\tMaildir\tsharedgroup=G1\nbob\t1\t1\t/h/bob\n# c\nal\t1\t1\t/h/al\t\tx\n"
    "x\ty\nbeth\t1\t1\t/h/b #c\nédith\t1\t1\t/h/e\tM\tx=1,sharedgroup=G1,y=2\nz\t0\t0\t/\tM\tsharedgroup=\n"
).encode()


def contents(root: Path) -> dict[str, list[bytes]]:
    return {
        str(path.relative_to(root)): sorted(path.read_bytes().splitlines())
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.peer("sharedindexsplit")
@pytest.mark.parametrize("words", [[], ["0"], ["1"], ["2"], ["3"]])
def test_sharedindexsplit_writes_the_same_files(tmp_path: Path, words: list[str]) -> None:
    for name in ("ours", "peer"):
        (tmp_path / name).mkdir()
    ours = run_ours("sharedindexsplit", "ours", *words, data=ACCOUNTS, cwd=tmp_path)
    peer = subprocess.run(
        ["/usr/sbin/sharedindexsplit", "peer", *words],
        input=ACCOUNTS, capture_output=True, check=False, cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=20,
    )  # fmt: skip
    assert (ours.code, ours.err) == (peer.returncode, peer.stderr) == (0, b"")
    assert contents(tmp_path / "ours") == contents(tmp_path / "peer")


def imapd(box: str, *commands: str, index: str = "", user: str = "user") -> str:
    """Debian's IMAP server on standard input and output, already logged in."""
    lines = "".join(f"{number} {line}\r\n" for number, line in enumerate([*commands, "LOGOUT"]))
    done = subprocess.run(
        ["/usr/bin/imapd", os.path.basename(box)],
        input=lines.encode(), capture_output=True, check=True, timeout=20,
        cwd=os.path.dirname(box),
        env={"PATH": "/usr/bin:/bin", "HOSTNAME": "host", "AUTHENTICATED": user,
             "IMAP_SHAREDINDEXFILE": index, "IMAP_USELOCKS": "1"},
    )  # fmt: skip
    return done.stdout.decode()


def uids(answer: str) -> dict[str, int]:
    return {
        number: int(uid) for number, uid in re.findall(r"^\* (\d+) FETCH \(UID (\d+)", answer, re.M)
    }


@pytest.mark.peer("imapd")
def test_debians_imapd_reads_our_numbers_and_we_read_its(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    for text in (b"Subject: a\n\n1\n", b"Subject: b\n\n2\n", b"Subject: c\n\n3\n"):
        box.deliver(text)
    ours = number_messages(box.path, now=1_795_334_795)
    os.unlink(ours.messages[0].entry.path)
    answer = imapd(box.path, "SELECT INBOX", "FETCH 1:* (UID)")
    assert "UIDVALIDITY 795334795" in answer
    assert uids(answer) == {"1": 2, "2": 3}
    data = Path(box.path, "courierimapuiddb").read_bytes()
    database = UidDatabase.parse(data)
    assert database is not None
    assert database.to_bytes() == data  # byte for byte the same format
    box.deliver(b"Subject: d\n\n4\n")
    again = number_messages(box.path)
    assert [message.uid for message in again.messages] == [2, 3, 4]
    assert uids(imapd(box.path, "SELECT INBOX", "FETCH 1:* (UID)")) == {"1": 2, "2": 3, "3": 4}


@pytest.mark.peer("imapd")
def test_debians_imapd_and_ours_number_a_fresh_folder_alike(tmp_path: Path) -> None:
    names = ["10.M1P1.host:2,S", "9.M1P1.host:2,", "9.M1P1.hosta,S=3:2,FT", "100.x:2,", "a.b:2,"]
    for kind in ("ours", "peer"):
        box = Maildir.create(tmp_path / kind)
        for name in names:
            Path(box.path, "cur", name).write_bytes(b"x\n")
    number_messages(tmp_path / "ours")
    imapd(str(tmp_path / "peer"), "SELECT INBOX")
    files = [(tmp_path / kind / "courierimapuiddb").read_bytes() for kind in ("ours", "peer")]
    ours, peer = (file.partition(b"\n")[2] for file in files)
    assert ours == peer


@pytest.mark.peer("imapd")
def test_subscriptions_are_shared_with_debians_imapd(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    names = Subscriptions(box.path)
    names.add("INBOX.Work")
    answer = imapd(
        box.path, "SUBSCRIBE INBOX.R&AOk-sum&AOk-", "SUBSCRIBE inbox.Work", 'LSUB "" "*"'
    )
    assert '"INBOX.R&AOk-sum&AOk-"' in answer
    assert sorted(names.names()) == ["INBOX.Résumé", "INBOX.Work"]  # inbox.Work adds nothing
    names.remove("INBOX.Work")
    assert "INBOX.Work" not in imapd(box.path, 'LSUB "" "*"')


@pytest.mark.peer("imapd")
def test_debians_imapd_lists_the_shared_accounts_that_we_list(tmp_path: Path) -> None:
    for name in ("bob", "carol", "me"):
        box = Maildir.create(tmp_path / name)
        Path(box.path, "courierimapacl").write_text("owner aceilrstwx\nanyone lrs\n")
    index = tmp_path / "index"
    index.write_text(
        f"bob.smith/x\t1\t1\t{tmp_path}\tbob\nme\t1\t1\t{tmp_path}\tme\nbad\t0\t1\t/\n"
        f"grp\t*\tindexgrp\ngone\t1\t1\t{tmp_path}\tgone\n"
    )
    (tmp_path / "indexgrp").write_text(f"carol\t1\t1\t{tmp_path}\tcarol\n")
    ours = {name for name, _ in SharedIndex(tmp_path).accounts(own_maildir=tmp_path / "me")}
    answer = imapd(str(tmp_path / "me"), 'LIST "" "#shared.*"', index=str(index), user="me")
    listed = set(re.findall(r'^\* LIST \([^)]*\) "\." "(.*)"\r$', answer, re.M))
    assert ours == {"#shared.bob smith x", "#shared.grp.carol"}
    assert listed - {"#shared.grp"} == ours


FOLDERS = ["R&AOk-sum&AOk-", "Plain.Sub", "a&-b", "A&AOkA6Q-B.&AOk-", "&U,BTFw-"]
RULE = FilterRule(name="r", header="subject", value="x", folder="INBOX.R&AOk-sum&AOk-")


def converted(
    root: Path, option: str, run: object
) -> tuple[Done, dict[str, list[bytes]], list[str]]:
    assert callable(run)
    box = Maildir.create(root / "md", parents=True)
    for name in FOLDERS:
        box.create_folder(name)
    Subscriptions(box.path).replace([f"INBOX.{name}" for name in FOLDERS] + ["INBOX.none"])
    mailfilter = root / "mf"
    mailfilter.write_text(FilterRecipe(sender="a@b", rules=(RULE,)).to_text())
    done = run("maildirmake", option, "md", "mf", cwd=root)
    files = contents(root)
    files.pop("md/courierimapsubscribed.new", None)
    files.pop("mf.new", None)
    files.pop("md/maildirutf8names", None)
    files["mf"] = [line for line in files["mf"] if not re.match(rb"# |#$|$", line)]
    lines = sorted(done.out.decode().splitlines())
    return done, files, [*lines, *sorted(path.name for path in (root / "md").glob(".*"))]


@pytest.mark.peer("maildirmake.courier")
@pytest.mark.parametrize("option", ["--checkutf8", "--convutf8"])
def test_maildirmake_converts_names_and_filters_alike(tmp_path: Path, option: str) -> None:
    ours = converted(tmp_path / "ours", option, run_ours)
    peer = converted(
        tmp_path / "peer",
        option,
        lambda name, *words, cwd: run_peer(f"{name}.courier", *words, cwd=cwd),
    )
    assert (ours[0].code, ours[0].err) == (peer[0].code, peer[0].err) == (0, b"")
    assert ours[1:] == peer[1:]


@pytest.mark.peer("maildirmake.courier")
@pytest.mark.parametrize(
    ("names", "peers_code", "peers_names"),
    [
        (["Plain", "Sub.Plain"], 0, {"Plain", "Sub.Plain"}),
        (["R&AOk-sum&AOk-", "a&-b"], 1, {"Résumé", "a&b"}),
        (["N&AOk-"], 0, {"Nￃﾩ"}),
        (["&-AOk-"], 0, {"é"}),
    ],
)
def test_a_second_conversion(
    tmp_path: Path, names: list[str], peers_code: int, peers_names: set[str]
) -> None:
    """Courier's second run fails or garbles; ours leaves what it finds, also after Courier's."""
    boxes = [Maildir.create(tmp_path / name) for name in ("ours", "peer", "both")]
    for box in boxes:
        for name in names:
            box.create_folder(name)
    assert run_ours("maildirmake", "--convutf8", "ours", cwd=tmp_path).code == 0
    converted_names = set(boxes[0].folders())
    for name in ("peer", "both"):
        assert run_peer("maildirmake.courier", "--convutf8", name, cwd=tmp_path).code == 0
    assert set(boxes[1].folders()) == set(boxes[2].folders()) == converted_names
    assert run_ours("maildirmake", "--convutf8", "ours", cwd=tmp_path).code == 0
    assert set(boxes[0].folders()) == converted_names
    assert run_peer("maildirmake.courier", "--convutf8", "peer", cwd=tmp_path).code == peers_code
    assert set(boxes[1].folders()) == peers_names
    if names != ["&-AOk-"]:  # no record and no other letters: nobody can tell
        assert run_ours("maildirmake", "--convutf8", "both", cwd=tmp_path).code == 0
        assert set(boxes[2].folders()) == converted_names


def rule(**change: object) -> FilterRule:
    plain = FilterRule(name="r", header="subject", value="v", folder="INBOX.&AOk-")
    return FilterRule(**(attrs.asdict(plain, recurse=False) | change))


@pytest.mark.peer("maildirmake.courier")
@pytest.mark.parametrize(
    "given",
    [
        rule(), rule(kind=RuleKind.STARTS_WITH, value="a v", plain=True),
        rule(kind=RuleKind.ENDS_WITH, negated=True), rule(body=True), rule(proceed=True),
        rule(kind=RuleKind.STARTS_WITH, body=True), rule(kind=RuleKind.ENDS_WITH, body=True),
        rule(plain=True, value="[courier] $x/é"), rule(kind=RuleKind.HAS_RECIPIENT, value="a@b"),
        rule(kind=RuleKind.MIME_MULTIPART), rule(kind=RuleKind.TEXT_PLAIN, negated=True),
        rule(kind=RuleKind.LARGER_THAN, value="100"), rule(kind=RuleKind.ANY_MESSAGE),
        rule(folder="!a@b c@d"), rule(folder="!a@b", proceed=True), rule(folder="*no way"),
        rule(folder="exit"), rule(folder="INBOX"), rule(folder="+away"),
        rule(folder="+away dsn=1 days=7"), rule(folder="+away noquote", sender="O'Hara <a@b>"),
    ],
    ids=lambda given: f"{given.kind.value}-{given.folder}-{given.plain:d}{given.body:d}{given.proceed:d}",
)  # fmt: skip
def test_debians_writer_of_filters_makes_the_same_code(tmp_path: Path, given: FilterRule) -> None:
    """Converting names writes the whole filter anew: that shows what Courier makes of a rule."""
    Maildir.create(tmp_path / "md")
    changing = FilterRule(name="z", header="subject", value="q", folder="INBOX.&AOk-")
    recipe = FilterRecipe(sender=r"O'Hara\ <a@b>", rules=(given, changing))
    (tmp_path / "mf").write_text(recipe.to_text())
    run_peer("maildirmake.courier", "--convutf8", "md", "mf", cwd=tmp_path)
    peer = (tmp_path / "mf").read_text()
    read = FilterRecipe.parse(peer)
    ours = read.to_text()
    assert body(ours) == body(peer)


def body(recipe: str) -> str:
    """A recipe without the accepted differences, which the comment at the top of this file lists."""
    text = recipe[recipe.index("FROM='") :].replace("`/usr/bin/mailbot ", "`mailbot ")
    text = text.replace("EXITCODE=70\n", "EXITCODE=77\n").replace(": *text", ": text")
    return re.sub(r"    if \(\$RETURNCODE != 0\)\n    \{\n     .*\n     exit\n    \}\n", "", text)


@pytest.mark.peer("maildrop")
def test_debians_maildrop_obeys_our_recipes(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "Maildir")
    for name in ("Lists", "Résumé", "Copy", "Big"):
        box.create_folder(name)
    rules = (
        rule(name="1", value="[l-ist]", plain=True, folder="INBOX.Lists"),
        rule(name="2", kind=RuleKind.ENDS_WITH, value="caf[eé]", folder="INBOX.Résumé"),
        rule(name="3", kind=RuleKind.STARTS_WITH, value="both", folder="INBOX.Copy", proceed=True),
        rule(name="4", kind=RuleKind.LARGER_THAN, value="500", folder="INBOX.Big"),
        rule(name="5", value="away", folder="exit"),
    )
    recipe = tmp_path / ".mailfilter"
    recipe.write_text(FilterRecipe(maildir="./Maildir", sender="a@b", rules=rules).to_text())
    recipe.chmod(0o600)
    for subject in ("x [l-ist] y", "a café", "both", "other", "far away", "z\n\n" + "b" * 600):
        run_maildrop(tmp_path, f"Subject: {subject}\n\ntext\n")
    count = {name: len(list(box.folder(name))) for name in ("INBOX", *box.folders())}
    assert count == {"INBOX": 2, "Big": 1, "Copy": 1, "Lists": 1, "Résumé": 1}


def run_maildrop(home: Path, message: str) -> None:
    done = subprocess.run(
        ["/usr/bin/maildrop", "./.mailfilter"],
        input=message.encode(), capture_output=True, check=False, cwd=home, timeout=20,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LOGNAME": "me", "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


LOCKMAIL = [
    ["m", "sh", "-c", "exit 7"], ["m", "sh", "-c", "kill -9 $$"], ["m", "nosuchprogram"],
    ["-r", "m", "true"], ["-t5", "m", "true"], ["-t", "-1", "m", "true"], ["m"], [], ["-x"],
    ["-t"], ["none/m", "true"], ["--", "m", "echo", "-t"], ["-rt5", "m", "true"],
]  # fmt: skip


@pytest.mark.peer("lockmail")
@pytest.mark.parametrize("words", LOCKMAIL, ids=" ".join)
def test_lockmail_gives_the_same_status_and_leaves_the_same_files(
    tmp_path: Path, words: list[str]
) -> None:
    results = []
    for kind, run in (("ours", run_ours), ("peer", run_peer)):
        (tmp_path / kind).mkdir()
        done = run("lockmail", *words, cwd=tmp_path / kind)
        modes = {path.name: path.stat().st_mode for path in (tmp_path / kind).iterdir()}
        results.append((done.code, done.out, modes))
    assert results[0] == results[1]


@pytest.mark.peer("lockmail")
def test_our_locks_keep_debians_lockmail_out_and_the_other_way_round(tmp_path: Path) -> None:
    box = tmp_path / "m"
    script = 'echo held; cat "$0.lock"; read line'
    with subprocess.Popen(
        ["/usr/bin/lockmail", str(box), "sh", "-c", script, str(box)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as peer:  # fmt: skip
        assert peer.stdout is not None
        assert peer.stdout.readline() == b"held\n"
        assert not MailboxLock(box, LockPolicy(patience=0)).try_acquire()
        holder, _ = peer.communicate(b"\n", timeout=20)
    assert holder.decode() == f"{peer.pid}:{os.uname().nodename}"
    with MailboxLock(box) as lock:
        assert not lock.is_shared
        waiting = subprocess.Popen(["/usr/bin/lockmail", "-t", "0", str(box), "touch", f"{box}.x"])
        assert waiting.wait(20) == 75  # one attempt, then its pause of five seconds
    assert not (tmp_path / "m.x").exists()


@pytest.mark.peer("sharedindexinstall")
@pytest.mark.root
@pytest.mark.parametrize("story", ["empty", "no-source", "no-target", "replace"])
def test_sharedindexinstall_does_the_same(tmp_path: Path, story: str) -> None:
    """Debian's knows one place only, so it runs with a private view of it."""
    if shutil.which("unshare") is None or not _can_unshare():
        pytest.skip("no private mounts here")
    results = []
    for kind in ("ours", "peer"):
        root = tmp_path / kind
        (root / "shared.tmp").mkdir(parents=True)
        (root / "shared").mkdir()
        (root / "shared" / "indexold").write_text("old")
        if story in {"no-target", "replace"}:
            (root / "shared.tmp" / "index").write_text("new")
        for name in {"no-source": ["shared.tmp"], "no-target": ["shared"]}.get(story, []):
            shutil.rmtree(root / name)
        if kind == "ours":
            done = run_ours("sharedindexinstall", "-C", str(root))
        else:
            mount = 'mount --bind "$0" /etc/courier && exec sharedindexinstall'
            run = subprocess.run(
                ["unshare", "-m", "sh", "-c", mount, str(root)],
                capture_output=True, check=False, timeout=20,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )  # fmt: skip
            done = Done(run.returncode, run.stdout, run.stderr)
        said = done.out.decode().replace(str(root), "/etc/courier")
        results.append((done.code, said, contents(root)))
    assert results[0] == results[1]


def _can_unshare() -> bool:
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False, timeout=20)
    return done.returncode == 0 and os.path.isdir("/etc/courier")
