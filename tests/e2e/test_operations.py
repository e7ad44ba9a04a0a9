"""Retries, expiry, hold, cancel, flush, mailq, drop files, restarts (spec mta.md 9, 16, 18)."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.mailsite import DEADLINE, MailSite, is_alive, kill

from couriermail.mta import load_config
from couriermail.mta.queueaccess import open_queue

MakeSite = Callable[..., MailSite]

BUSY = "| echo 'Try again later.' >&2; exit 75\n"
SLOW_RETRY = {"retryalpha": "1h\n", "retrygamma": "1h\n"}


def set_mode(site: MailSite, account: str, *, is_busy: bool) -> None:
    """Close or open a mailbox whose deliveries are asked to come again."""
    site.instructions(account, BUSY if is_busy else "./Maildir\n")


def wait_deferred(site: MailSite, times: int = 1) -> None:
    """Wait until deliveries were deferred so often."""
    site.wait(lambda: site.log_text().count("status: deferred") >= times, "a deferral")


# Retry and expiry


def test_a_deferred_message_is_tried_again_until_it_succeeds(make_site: MakeSite) -> None:
    site = make_site()
    set_mode(site, "alice", is_busy=True)
    site.start()
    site.send("patience")
    wait_deferred(site, 2)
    assert not site.messages("alice")
    set_mode(site, "alice", is_busy=False)
    assert b"Subject: patience" in site.first_message("alice")
    site.wait_empty()
    assert len(site.messages("alice")) == 1
    assert not site.messages("bob")  # no report: it arrived


def test_gaps_follow_the_timetable(make_site: MakeSite) -> None:
    """Q1: alpha, alpha, gamma, ...; measured from the end of each round."""
    site = make_site(retryalpha="1\n", retrybeta="3\n", retrygamma="2\n", retrymaxdelta="0\n")
    home = site.home("alice")
    site.instructions("alice", "| date +%s.%N >>times; exit 75\n")
    site.start()
    site.send("at its times")

    def times() -> list[float]:
        path = home / "times"
        return [float(line) for line in path.read_text().split()] if path.exists() else []

    found = site.wait(lambda: times() if len(times()) >= 5 else None, "five attempts")
    assert found is not None
    gaps = [after - before for before, after in itertools.pairwise(found)]
    for gap, least in zip(gaps, (1, 1, 2, 1), strict=False):
        assert gap >= least - 0.01


def test_an_expired_message_is_given_up_with_one_report(make_site: MakeSite) -> None:
    """Q2: expiry is noticed at the end of a round; a delay is reported once before it."""
    site = make_site(queuetime="3\n", warntime="1\n")
    set_mode(site, "alice", is_busy=True)
    site.start()
    text = b"From: bob@example.test\r\nSubject: too late\r\n\r\nx\r\n"
    with site.smtp() as client:
        client.sendmail(
            "bob@example.test", ["alice@example.test"], text, rcpt_options=["NOTIFY=DELAY,FAILURE"]
        )
    site.wait_empty()
    reports = site.messages("bob")
    actions = [re.findall(rb"^Action: (\w+)$", report, re.M) for report in reports]
    assert actions == [[b"delayed"], [b"failed"]]
    assert b"Will-Retry-Until: " in reports[0]
    assert b"Try again later." in reports[1]


# Commands on the queue


def test_hold_release_flush_and_cancel(make_site: MakeSite) -> None:
    site = make_site(**SLOW_RETRY)
    set_mode(site, "alice", is_busy=True)
    site.start()
    site.send("wanted")
    wait_deferred(site)
    (message,) = site.queued()
    assert site.command("courier", "hold", message.id, "not", "now").returncode == 0
    set_mode(site, "alice", is_busy=False)
    assert site.command("courier", "flush").returncode == 0
    assert "hold             alice@example.test" in site.command("mailq").stdout
    assert site.command("courier", "release", message.id).returncode == 0
    assert site.command("courier", "flush", message.id).returncode == 0
    assert b"Subject: wanted" in site.first_message("alice")
    site.wait_empty()

    set_mode(site, "alice", is_busy=True)
    site.send("unwanted")
    wait_deferred(site, 2)
    (message,) = site.queued()
    done = site.command("courier", "cancel", message.id, "No longer needed.")
    assert (done.returncode, done.stdout) == (0, "Message scheduled for cancellation.\n")
    report = site.first_message("bob")
    assert b"No longer needed." in report
    assert b"Action: failed" in report
    site.wait_empty()
    assert len(site.messages("alice")) == 1


def test_commands_name_a_message_that_is_not_there(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    missing = "0000000000000999.0000000000000000.00000000"
    for command in ("cancel", "hold", "release", "flush"):
        done = site.command("courier", command, missing)
        assert done.returncode != 0, command
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("courier: "), command


def test_mailq_has_couriers_form(make_site: MakeSite) -> None:
    """Q3: the table, the batch lines, the JSON lines."""
    site = make_site(accounts=("alice", "bob", "carla"), **SLOW_RETRY)
    set_mode(site, "alice", is_busy=True)
    site.instructions("carla", "| exit 67\n")
    site.start()
    site.sendmail(
        "-f",
        "bob",
        "-N",
        "never",
        "bob",
        "alice",
        "carla",
        message=b"Subject: q3\n\n",
        env={"TZ": "UTC"},
    )
    site.wait(
        lambda: any(state.is_finished for item in site.queued() for state in item.states), "a round"
    )
    wait_deferred(site)
    site.wait(
        lambda: [s.state for i in site.queued() for s in i.states].count("pending") == 1, "a round"
    )
    (message,) = site.queued()
    table = site.command("mailq").stdout.splitlines()
    user = message.user
    assert table[:4] == [
        "Size             Queue ID                                                    Date",
        "User             From",
        "Status           Recipient",
        "---------------- ---------------------------------------------------------",
    ]
    assert re.fullmatch(
        rf"{message.size:<16} {message.id:<59} [A-Z][a-z]{{2}} \d\d \d\d:\d\d", table[4]
    )
    assert table[5:] == [
        f"{user:<16} bob@example.test",
        "done             bob@example.test",
        "                 alice@example.test",
        "fail             carla@example.test",
        "",
        "   1 messages.",
    ]
    batch = site.command("mailq", "-batch").stdout.splitlines()
    assert batch[0].startswith(f"{message.size:<16};{message.id};")
    assert batch[0].endswith(
        f";{user};bob@example.test;done;bob@example.test;;alice@example.test;fail;carla@example.test;"
    )
    assert batch[1:] == ["messages: 1"]
    found = json.loads(site.command("mailq", "--json").stdout)
    assert found["id"] == message.id
    assert found["next_due"] > 0


def test_mailq_sorts_and_says_when_nothing_waits(make_site: MakeSite) -> None:
    site = make_site(**SLOW_RETRY)
    site.start()
    assert site.command("mailq").stdout.splitlines()[-1] == "   0 messages."
    set_mode(site, "alice", is_busy=True)
    for number in range(3):
        site.send(f"number {number}")
    wait_deferred(site, 3)
    ids = [message.id for message in site.queued()]
    lines = site.command("mailq", "-sort").stdout.splitlines()
    assert [line.split()[1] for line in lines[4:] if ".0000" in line] == ids
    assert site.sendmail("-bp", message=b"").stdout == site.command("mailq").stdout


# Drop files


def drop_files(site: MailSite, folder: str = "new") -> list[str]:
    return os.listdir(site.state / "drop" / folder)


def test_mail_left_while_the_system_was_down_arrives_once_after_the_start(
    make_site: MakeSite,
) -> None:
    site = make_site()
    site.start()
    site.stop()
    for number in range(3):
        done = site.sendmail("-f", "bob", "alice", message=f"Subject: n{number}\n\n".encode())
        assert (done.returncode, done.stderr) == (0, "")
    assert len(drop_files(site)) == 3
    assert not drop_files(site, "tmp")
    site.start()
    site.wait(lambda: len(site.messages("alice")) == 3, "three messages")
    site.wait(lambda: not drop_files(site), "an empty drop directory")
    site.wait_empty()
    assert len(site.messages("alice")) == 3


def test_a_refused_drop_file_is_reported_by_mail(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    site.stop()
    assert site.sendmail("-f", "bob", "nobody-x", message=b"Subject: n\n\n").returncode == 0
    site.start()
    assert b"User <nobody-x> unknown" in site.first_message("bob")


def test_a_system_killed_between_import_and_unlink_imports_once(make_site: MakeSite) -> None:
    site = make_site(**SLOW_RETRY)
    set_mode(site, "alice", is_busy=True)
    site.start()
    site.stop()
    assert site.sendmail("-f", "bob", "alice", message=b"Subject: once\n\n").returncode == 0
    site.start("--fault", "drop.imported:1")
    site.wait(lambda: "courierd: ABNORMAL TERMINATION" in site.log_text(), "courierd's death")
    site.crash()  # the restarted courierd may have removed the file by now, or not
    assert len(site.queued()) == 1
    site.start()
    site.wait(lambda: not drop_files(site), "an empty drop directory")
    assert len(site.queued()) == 1
    set_mode(site, "alice", is_busy=False)
    site.command("courier", "flush")
    site.wait_empty()
    assert len(site.messages("alice")) == 1


def test_rubbish_in_the_drop_directory_is_set_aside(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    site.stop()
    new = site.state / "drop" / "new"
    (new / "1.garbage").write_bytes(os.urandom(3000))
    (new / "2.half").write_bytes(b"couriermail-submit 1\nrcpt\talice\n\n000000ff")
    (new / "3.link").symlink_to("/etc/passwd")
    os.mkfifo(new / "4.fifo")
    site.sendmail("-f", "bob", "alice", message=b"Subject: good\n\n")
    site.start()
    site.first_message("alice")
    site.wait(lambda: not drop_files(site), "an empty drop directory")
    assert sorted(drop_files(site, "bad")) == ["1.garbage", "2.half", "3.link", "4.fifo"]
    site.assert_no_traceback()


def test_sendmail_before_the_first_start_says_try_again(make_site: MakeSite) -> None:
    site = make_site()
    done = site.sendmail("alice", message=b"Subject: early\n\n")
    assert done.returncode == 75
    assert "sendmail: Service temporarily unavailable." in done.stderr


# Processes


def test_each_killed_service_is_back_at_once_and_mail_flows(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    for number, name in enumerate(("esmtpd", "courierd", "courierlocal")):
        before = site.pids()[name]
        kill(before)
        site.wait(partial(has_new_pid, site, name, before), f"a new {name}", 5.0)
        site.send(f"after {name}")
        site.wait(partial(has_messages, site, "alice", number + 1), f"mail after {name}")
    assert "Will restart" not in site.log_text()


def has_new_pid(site: MailSite, name: str, before: int) -> bool:
    return site.pids().get(name, before) != before


def has_messages(site: MailSite, account: str, count: int) -> bool:
    return len(site.messages(account)) >= count


def test_a_restart_reads_the_configuration_and_loses_no_running_delivery(
    make_site: MakeSite,
) -> None:
    site = make_site()
    marker = site.home("alice") / "started"
    site.instructions(
        "alice", f"| : >{marker}; while [ ! -e go ]; do sleep 0.05; done\n./Maildir\n"
    )
    site.start()
    site.send("in the middle")
    site.wait(marker.exists, "a running delivery")
    site.write_config("locals", "localhost\nexample.test\nmx.example.test\nnew.test\n")
    site.write_config("esmtpacceptmailfor", "example.test\nnew.test\n")
    before = site.pids()
    done = site.command("courier", "restart")
    assert done.returncode == 0
    (site.home("alice") / "go").touch()
    site.wait(
        lambda: len(set(site.pids().values()) - set(before.values())) == 3, "three new services"
    )
    assert b"Subject: in the middle" in site.first_message("alice")
    site.wait_empty()
    assert len(site.messages("alice")) == 1
    site.wait(lambda: "new.test" in answer_of_new_domain(site), "the new domain")


def answer_of_new_domain(site: MailSite) -> str:
    """`new.test` once its mail is taken."""
    with site.smtp() as client:
        client.mail("a@example.test")
        code, text = client.rcpt("bob@new.test")
        return "new.test" if code == 250 else text.decode()


def test_start_in_the_background_twice_is_no_error_and_stop_ends_it(make_site: MakeSite) -> None:
    site = make_site()
    assert site.command("courier", "start", "--log", str(site.log)).returncode == 0
    try:
        status = json.loads(site.command("courier", "status", "--json").stdout)
        assert site.command("courier", "start", "--log", str(site.log)).returncode == 0
        again = json.loads(site.command("courier", "status", "--json").stdout)
        assert status == again
        assert set(status["services"]) == {"courierlocal", "courierd", "esmtpd"}
        assert all(map(is_alive, status["services"].values()))
        shown = site.command("courier", "status").stdout
        assert f"pid {status['pid']}" in shown
        second = site.command("courier", "start", "-f")
        assert second.returncode == 75
        assert "runs already" in second.stderr
    finally:
        assert site.command("courier", "stop").returncode == 0
    assert not any(map(is_alive, [status["pid"], *status["services"].values()]))
    assert site.command("courier", "status").returncode == 3
    assert site.command("courier", "stop").returncode == 0
    assert not (site.state / "submit.sock").exists()


def test_stop_works_while_a_service_waits_to_be_restarted(make_site: MakeSite) -> None:
    """Spec mta.md 18.11: the pause of a crash loop delays no stop."""
    site = make_site()
    site.start()
    for _ in range(4):
        pid = site.wait(lambda: site.pids().get("esmtpd"), "a running esmtpd")
        assert pid is not None
        kill(pid)
        site.wait(partial(lacks_pid, site, pid), "its burial")
    site.wait(lambda: "Will restart esmtpd" in site.log_text(), "a pause")
    assert "esmtpd" not in site.pids()
    process = site.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    assert process.wait(5.0) == 0
    site.process = None


def lacks_pid(site: MailSite, pid: int) -> bool:
    return site.pids().get("esmtpd") != pid


def test_a_supervisor_that_was_killed_takes_its_services_along(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    services = site.pids()
    site.kill_supervisor()
    assert not any(map(is_alive, services.values()))
    site.start()
    site.send("after the supervisor")
    site.first_message("alice")


def test_a_delivery_that_waits_for_a_dead_courierlocal_keeps_no_service_alive(
    make_site: MakeSite,
) -> None:
    """A courierd that lingers would hold the scheduler's lock, and all mail with it."""
    site = make_site()
    site.start()
    services = site.pids()
    os.kill(services["courierlocal"], signal.SIGSTOP)
    site.send("in between")
    site.wait(lambda: "started,id=" in site.log_text(), "a delivery that waits for its agent")
    kill(services["courierlocal"])
    site.kill_supervisor()
    assert not any(map(is_alive, services.values()))
    site.start()
    assert b"Subject: in between" in site.first_message("alice")


def test_a_configuration_that_cannot_be_used_is_named_and_nothing_runs(make_site: MakeSite) -> None:
    site = make_site()
    site.write_config("couriermail.toml", "[queue]\nmin_fre = 1\n")
    done = site.command("courier", "start", "--log", str(site.log))
    assert done.returncode == 78
    assert "did you mean 'min_free'?" in done.stderr
    assert site.command("courier", "status").returncode != 0


def test_a_taken_port_is_named(make_site: MakeSite) -> None:
    first = make_site()
    first.start()
    second = make_site(esmtpd=f"ADDRESS=127.0.0.1\nPORT={first.port}\n")
    done = second.command("courier", "start", "-f")
    assert done.returncode == 78
    assert f"cannot listen on 127.0.0.1:{first.port}" in done.stderr


def test_esmtpd_alone_queues_what_the_scheduler_delivers_later(make_site: MakeSite) -> None:
    site = make_site()
    site.start("--port", "127.0.0.1.0", program="esmtpd")
    site.send("for later")
    site.stop()
    assert len(site.queued()) == 1
    site.start()
    assert b"for later" in site.first_message("alice")


def test_an_interrupt_ends_the_foreground(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    process = site.process
    assert process is not None
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE) == 0
    site.process = None
    assert "Traceback" not in site.everything_said()


def test_a_poisoned_message_does_not_stop_the_others(make_site: MakeSite) -> None:
    """Spec mta.md 8.7: a message that cannot be handled is put on hold; the rest goes on."""
    site = make_site()
    site.start()
    site.stop()
    from couriermail.queue import Envelope, Recipient, Submission

    with open_queue(load_config(str(site.config))) as queue:
        body = queue.new_body()
        body.write(b"Subject: odd\n\n")
        odd = Recipient(address="\udcff\x00 @example.test")
        envelope = Envelope(sender="bob@example.test", recipients=(odd,))
        queue.submit([Submission(queue.new_id(), envelope, body)])
    site.give_away()
    site.start()
    site.send("ordinary")
    site.first_message("alice")
    assert site.pids()


def test_logs_go_where_they_are_sent(make_site: MakeSite, root: Path) -> None:
    site = make_site()
    done = subprocess.run(
        ["timeout", "--signal=TERM", "2", *site.argv("courier", "start", "-f")],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
        env=site.environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Started courierd, pid=" in done.stderr
    assert "SMTP on 127.0.0.1:" in done.stderr
    assert done.stdout == ""
