"""From a directory to a `Config` (spec mta 3.2-3.6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.mta.config import BackupRelay, Config, ConfigDir, QueueLimits, load_config
from couriermail.mta.errors import ConfigErrors

Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def write_and_load(vhost: str | None = None, **texts: str) -> Config:
        for name, text in texts.items():
            (tmp_path / name.replace("__", "-").replace("_", ".")).write_text(text)
        return load_config(tmp_path, hostname="HOST.example", vhost=vhost)

    return write_and_load


def test_a_missing_directory_gives_a_usable_configuration(tmp_path: Path) -> None:
    config = load_config(tmp_path / "none", hostname="Box.Example")
    assert config.me == config.defaultdomain == config.msgidhost == "box.example"
    assert config.state == str(tmp_path / "none/state")
    assert config.domains.match("box.example").kind == "local"
    assert "box.example" in config.accept
    assert config.queue == QueueLimits(low=200, high=400)
    assert config.dsnfrom == '"Courier mail server at box.example" <postmaster@box.example>'
    assert config.esmtp.greeting == "box.example ESMTP"
    assert config.environment["DEFAULTDELIVERY"] == "./Maildir"
    assert config.warnings == ()


def test_the_system_directory_keeps_its_state_where_courier_does() -> None:
    config = ConfigDir("/etc/courier/", hostname="x").load(state=None)
    assert config.state == "/var/lib/courier"
    assert ConfigDir("/etc/courier", hostname="x").load(state="/srv/q").state == "/srv/q"


def test_paths_are_absolute_whatever_directory_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config("here/../there")
    assert (config.directory, config.state) == (f"{tmp_path}/there", f"{tmp_path}/there/state")


@pytest.mark.parametrize(
    ("me", "expected"),
    [
        ("Mail.Example.COM\n", "mail.example.com"),
        ("*.example.com", "host.example.example.com"),
        ("xn--80akhbyknj4f.example", "испытание.example"),
    ],
)
def test_me_is_lower_case_utf_8_and_may_name_the_machine(
    load: Load, me: str, expected: str
) -> None:
    assert load(me=me).me == expected


def test_an_empty_me_is_warned_about(load: Load, tmp_path: Path) -> None:
    config = load(me="")
    assert config.me == "host.example"
    assert [warning.path for warning in config.warnings] == [str(tmp_path / "me")]


@pytest.mark.parametrize(
    ("texts", "low", "high"),
    [
        pytest.param({}, 200, 400, id="defaults"),
        pytest.param({"queuelo": "5"}, 20, 40, id="low values become 20"),
        pytest.param({"queuelo": "600"}, 600, 1600, id="from 500 on 1000 are added"),
        pytest.param({"queuelo": "100", "queuehi": "7"}, 100, 100, id="high never below low"),
        pytest.param({"module_esmtp": "MAXDELS=300"}, 319, 638, id="all deliveries fit"),
    ],
)
def test_watermarks_follow_each_other(
    load: Load, texts: dict[str, str], low: int, high: int
) -> None:
    queue = load(**texts).queue
    assert (queue.low, queue.high) == (low, high)


@pytest.mark.parametrize(("text", "batch"), [("0", 100), ("7", 7), ("many", 100)])
def test_batchsize_is_never_zero(load: Load, text: str, batch: int) -> None:
    assert load(batchsize=text).queue.batch == batch


@pytest.mark.parametrize(
    ("text", "relay"),
    [
        ("relay.example", BackupRelay("relay.example")),
        ("relay.example uucp", BackupRelay("relay.example", "uucp")),
        ("\n", None),
    ],
)
def test_backuprelay_has_a_module(load: Load, text: str, relay: BackupRelay | None) -> None:
    assert load(backuprelay=text).backuprelay == relay


@pytest.mark.parametrize(("text", "separators"), [("+=", "-+="), ("", "-"), ("-", "-")])
def test_defaultsep_is_added_to_the_hyphen(load: Load, text: str, separators: str) -> None:
    assert load(defaultsep=text).separators == separators


def test_retrybeta_never_divides_by_zero(load: Load) -> None:
    assert load(retrybeta="0").retry.beta == 1


@pytest.mark.parametrize(("text", "filter_"), [("/usr/bin/f\n", "/usr/bin/f"), ("f", ""), ("", "")])
def test_a_recipient_filter_is_an_absolute_path(load: Load, text: str, filter_: str) -> None:
    assert load(maildropfilter=text).maildropfilter == filter_


def test_a_maildrop_that_does_not_exist_is_ignored(load: Load, tmp_path: Path) -> None:
    assert load(maildrop=str(tmp_path / "none")).maildrop != str(tmp_path / "none")
    (tmp_path / "mine").touch()
    assert load(maildrop=f"{tmp_path}/mine\n").maildrop == str(tmp_path / "mine")


def test_filtered_modules_are_words(load: Load) -> None:
    assert load(enablefiltering="esmtp  local\n").enablefiltering == ("esmtp", "local")


def test_the_environment_of_courierd_completes_its_defaults(load: Load) -> None:
    environment = load(courierd='ARCHIVEDIR="/a"\nPATH=/bin\n').environment
    assert environment["PATH"] == "/bin"
    assert environment["ARCHIVEDIR"] == "/a"
    assert environment["SHELL"] == "/bin/sh"
    assert "DSNTOAUTHADDR" not in environment  # unset in the file means on


def test_the_smtp_server_reads_its_settings(load: Load) -> None:
    config = load(
        esmtpd='PORT="25,587"\nADDRESS=0\nMAXDAEMONS=7\nTLS_CERTFILE=/c.pem\nNOADDDATE=0\n'
        'ESMTPAUTH="LOGIN CRAM-MD5"\nNOADDRREWRITE=1\nESMTPDSTART=YES\nBOFHNOVRFY=1\n',
        esmtpd__msa="AUTH_REQUIRED=1\n",
    )
    server = config.esmtpd
    assert (server.ports, server.address, server.max_connections) == ("25,587", "", 7)
    assert server.tls_certificate == "/c.pem"
    assert server.auth_mechanisms == ("LOGIN", "CRAM-MD5")
    assert (server.add_date, server.add_message_id, server.rewrite_headers) == (True, False, 0)
    assert (server.start, server.allow_vrfy, server.allow_expn) == (True, False, True)
    assert (config.msa.ports, config.msa.auth_required) == ("587", True)
    assert config.msa.tls_certificate == "/c.pem"


def test_bofh_limits_recipients(load: Load) -> None:
    bofh = load(bofh="MaxRcpts 5 hard\nopt A=1\nopt A=2\nbadfrom x@y # other rooms\n").bofh
    assert (bofh.max_recipients, bofh.is_hard, dict(bofh.options)) == (5, True, {"A": "1"})


def test_domains_for_smtp_come_from_file_and_directory(load: Load, tmp_path: Path) -> None:
    (tmp_path / "esmtpacceptmailfor.dir").mkdir()
    (tmp_path / "esmtpacceptmailfor.dir/more").write_text(".wild.example\n")
    accept = load(esmtpacceptmailfor="!no.example\nA.example\n").accept
    assert "a.example" in accept
    assert "x.wild.example" in accept
    assert "wild.example" not in accept
    assert "host.example" not in accept


def test_a_virtual_host_sees_its_own_settings(load: Load, tmp_path: Path) -> None:
    (tmp_path / "sizelimit.tiny.example").write_text("99")
    assert load(sizelimit="1000").sizelimit == 1000
    assert load(vhost="tiny.example").sizelimit == 99


def test_vhost_labels_cannot_leave_the_directory(tmp_path: Path) -> None:
    (tmp_path / "vhost.192.0.2.1").touch()
    directory = ConfigDir(str(tmp_path))
    assert directory.has_vhost("192.0.2.1")
    assert not directory.has_vhost("192.0.2.2")
    assert not directory.has_vhost("../x")


def test_couriermail_toml_sets_what_control_files_cannot(load: Load, tmp_path: Path) -> None:
    (tmp_path / "couriermail.toml").write_text(
        '[paths]\nstate = "run"\n[mta]\ndsn_early = false\n[queue]\nmin_free = 5\n'
    )
    config = load()
    assert config.state == str(tmp_path / "run")
    assert not config.settings.mta.dsn_early
    assert config.min_free == 5


def test_all_problems_are_reported_together_with_their_places(load: Load, tmp_path: Path) -> None:
    (tmp_path / "couriermail.toml").write_text(
        "[mta]\ndsn_erly = true\nledger = 1\n[queue]\nmin_free = -1\n[qeue]\n"
    )
    with pytest.raises(ConfigErrors) as caught:
        load(courierd="A=1\nid\n", module_local="MAXRCPT=5\nMAXDELLS=3\n", esmtpd="MAXDAEMONS=x\n")
    assert [str(error).removeprefix(f"{tmp_path}/") for error in caught.value.errors] == [
        "couriermail.toml:6: table 'qeue' is not a known setting; did you mean 'queue'?",
        "couriermail.toml:2: [mta] 'dsn_erly' is not a known setting; did you mean 'dsn_early'?",
        "couriermail.toml:3: ledger must be true or false",
        "couriermail.toml:5: [queue] min_free cannot be -1",
        "courierd:2:1: only NAME=value and `. FILE` are understood here",
        "module.local:2: 'MAXDELLS' is not a known setting; did you mean 'MAXDELS'?",
        "module.local: MAXRCPT of local must be 1",
        "esmtpd: MAXDAEMONS must be a number, not 'x'",
    ]
    assert caught.value.exit_code == 78
    assert "couriermail.toml:2" in str(caught.value)


def test_a_misspelt_name_in_an_environment_file_is_warned_about(load: Load) -> None:
    config = load(courierd="ARCHIVDIR=/x\nMY_OWN=1\n")
    assert [warning.message for warning in config.warnings] == [
        "ARCHIVDIR is not a known setting; did you mean 'ARCHIVEDIR'?"
    ]


def test_a_default_domain_of_others_is_warned_about(load: Load) -> None:
    config = load(me="a.example", defaultdomain="b.example")
    assert [warning.message for warning in config.warnings] == [
        "b.example is neither in locals nor hosted"
    ]
    assert load(locals="a.example\nb.example\n").warnings == ()


@pytest.mark.parametrize("text", ["two words", "a\rb", "<x>", "a@b"])
def test_a_name_that_is_no_host_is_an_error(load: Load, text: str) -> None:
    with pytest.raises(ConfigErrors, match="me:1: is no host name"):
        load(me=text)


def test_an_error_of_a_file_that_two_servers_read_is_reported_once(load: Load) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(esmtpd="id\n")
    assert len(caught.value.errors) == 1


def test_a_hosted_domain_may_come_from_many_files(load: Load, tmp_path: Path) -> None:
    (tmp_path / "hosteddomains").mkdir()
    (tmp_path / "hosteddomains/one").write_text("A.test\n# b.test\n")
    (tmp_path / "hosteddomains/two").write_text("c.test\ta.test # alias\n")
    (tmp_path / "hosteddomains/.hidden").write_text("d.test\n")
    domains = load().domains
    assert [domains.match(name).effective for name in ("a.test", "b.test", "c.test", "d.test")] == [
        "a.test", None, "a.test", None,
    ]  # fmt: skip


def test_a_label_that_is_a_path_is_no_virtual_host(load: Load, tmp_path: Path) -> None:
    (tmp_path / "sizelimit.x").mkdir()
    (tmp_path / "secret").write_text("5")
    assert load(vhost="x/../secret").vhost is None


def test_text_that_is_no_toml_is_an_error(load: Load, tmp_path: Path) -> None:
    (tmp_path / "couriermail.toml").write_text("[mta\n")
    with pytest.raises(ConfigErrors, match="is not TOML"):
        load()
