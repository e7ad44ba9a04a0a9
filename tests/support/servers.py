"""Real servers for tests: each is a child of the test, below a short private directory.

The directory is not pytest's: a server that refuses to run as root must be able to enter it,
and the path of a unix socket may have 107 characters only.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import attrs
from tests.support.guards import bound_words

START_SECONDS = 30.0


@contextmanager
def private_directory(name: str, owner: str | None = None) -> Iterator[Path]:
    """A new directory that is gone afterwards; as root it can be given to another user."""
    folder = Path(tempfile.mkdtemp(prefix=f"courier-{name}-"))
    try:
        if owner and os.geteuid() == 0:
            entry = pwd.getpwnam(owner)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder)


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Ask again and again; a failure when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@attrs.define(eq=False, kw_only=True)
class Server:
    """A server program that can be stopped and started again.

    Attributes:
        words: how it is started.
        log: what it says goes there.
        is_ready: True when it answers.
        user: it runs as this one when the test is root.
        stop_signal: how it is ended.
    """

    words: Sequence[str]
    log: Path
    is_ready: Callable[[], bool]
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if self._process is not None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                bound_words(self.words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **as_user(self.user),
            )
        try:
            wait_until(self._answers, self.words[0])
        except AssertionError as error:
            error.add_note(self.log.read_text(errors="replace")[-3000:])
            self.stop()
            raise

    def stop(self) -> None:
        """End it and wait for its end."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(self.stop_signal)
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.words[0]} ended at once"
        return self.is_ready()


class Identity(TypedDict, total=False):
    """Arguments of `subprocess` that make a child run as somebody."""

    user: str
    group: int
    extra_groups: list[str | int]


def as_user(name: str | None) -> Identity:
    """Run a child as a user, when we are root; else as we are."""
    if name is None or os.geteuid() != 0:
        return {}
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def connects(path: Path) -> bool:
    """Tell whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


@contextmanager
def postgres() -> Iterator[tuple[Server, str]]:
    """A PostgreSQL server and how libpq reaches it.

    It also speaks TLS on that port of 127.0.0.1; its certificate is `cert.pem` beside its socket.
    """
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    with private_directory("pg", owner) as folder:
        data, log = folder / "data", folder / "log"
        subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", owner, "-N", "-E", "UTF8",
             "--locale=C"],
            check=True, capture_output=True, cwd=folder, **as_user(owner),
        )  # fmt: skip
        certificate, key = _certificate(folder, owner)
        port = free_port()
        conninfo = f"host={folder} port={port} user={owner} dbname=postgres"
        server = Server(
            words=[str(programs / "postgres"), "-D", str(data), "-k", str(folder), "-F",
                   "-h", "127.0.0.1", "-p", str(port), "-c", "ssl=on",
                   "-c", f"ssl_cert_file={certificate}", "-c", f"ssl_key_file={key}"],
            log=log,
            is_ready=lambda: connects(folder / f".s.PGSQL.{port}") and _pg_accepts(conninfo),
            user=owner,
            stop_signal=signal.SIGINT,  # "fast": connections are cut
        )  # fmt: skip
        try:
            server.start()
            yield server, conninfo
        finally:
            server.stop()


def _pg_accepts(conninfo: str) -> bool:
    import psycopg

    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def mariadb() -> Iterator[tuple[Server, Path]]:
    """A MariaDB server and its socket; user `mail`, password `sekrit`, database `mail`.

    It also listens on 127.0.0.1 (`@@port`); the user `tls` must come by TLS.  The certificate
    is `cert.pem` beside the socket.
    """
    import pymysql

    user = pwd.getpwuid(os.geteuid()).pw_name
    with private_directory("my") as folder:
        data, path = folder / "data", folder / "s"
        common = [
            "--no-defaults", f"--datadir={data}", f"--user={user}", "--innodb-flush-method=nosync",
            "--innodb-log-file-size=4M", "--innodb-doublewrite=0",
        ]  # fmt: skip
        subprocess.run(
            ["mariadb-install-db", *common, "--skip-test-db", f"--auth-root-socket-user={user}"],
            check=True, capture_output=True,
        )  # fmt: skip
        certificate, key = _certificate(folder)
        server = Server(
            words=["/usr/sbin/mariadbd", *common, f"--socket={path}", "--bind-address=127.0.0.1",
                   f"--port={free_port()}", f"--ssl-cert={certificate}", f"--ssl-key={key}",
                   f"--pid-file={folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0",
                   "--skip-log-bin"],
            log=folder / "log",
            is_ready=lambda: connects(path),
        )  # fmt: skip
        try:
            server.start()
            with pymysql.connect(unix_socket=str(path), user=user, ssl_disabled=True) as admin:
                cursor = admin.cursor()
                cursor.execute("CREATE DATABASE mail CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
                cursor.execute("CREATE USER mail@localhost IDENTIFIED BY 'sekrit'")
                cursor.execute("GRANT ALL ON mail.* TO mail@localhost")
                cursor.execute("CREATE USER tls IDENTIFIED BY 'sekrit' REQUIRE SSL")
                cursor.execute("GRANT ALL ON mail.* TO tls")
                cursor.execute("GRANT SUPER ON *.* TO mail@localhost")  # for the server's mode
            yield server, path
        finally:
            server.stop()


LDAP_SCHEMA = """
attributetype ( 1.3.6.1.4.1.10018.1.1.901 NAME 'clearPassword' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
attributetype ( 1.3.6.1.4.1.10018.1.1.902 NAME 'mailbox' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.10018.1.1.903 NAME 'quota' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.10018.1.1.904 NAME 'defaultDelivery' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.10018.1.1.905 NAME 'disableimap' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.10018.1.1.906 NAME 'handle' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( 1.3.6.1.4.1.10018.1.2.901 NAME 'CourierMailAccount' SUP top AUXILIARY
  MUST ( mail $ homeDirectory )
  MAY ( uidNumber $ gidNumber $ mailbox $ quota $ userPassword $ clearPassword $
        defaultDelivery $ disableimap $ handle ) )
"""


@attrs.define(eq=False, kw_only=True)
class Directory:
    """A slapd with the suffix `dc=example,dc=com`.

    Attributes:
        server: the program.
        uri: how it is reached.
        authority: file with the certificate authority of its TLS.
    """

    server: Server
    uri: str
    authority: Path
    suffix: str = "dc=example,dc=com"
    admin: str = "cn=admin,dc=example,dc=com"
    password: str = "ldapsekrit"


@contextmanager
def slapd() -> Iterator[Directory]:
    """An OpenLDAP server on a free loopback port, with StartTLS."""
    with private_directory("ldap") as folder:
        (folder / "db").mkdir()
        (folder / "courier.schema").write_text(LDAP_SCHEMA)
        certificate, key = _certificate(folder)
        config = folder / "slapd.conf"
        config.write_text(
            "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in
                    ("core", "cosine", "inetorgperson", "nis"))
            + f"include {folder}/courier.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
            f"pidfile {folder}/pid\nTLSCACertificateFile {certificate}\nTLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n"
            "database mdb\nmaxsize 10000000\nsuffix dc=example,dc=com\n"
            "rootdn cn=admin,dc=example,dc=com\nrootpw ldapsekrit\n"
            f"directory {folder}/db\nindex mail eq\ndbnosync\n"
            "limits * size.soft=500 size.hard=500 size.prtotal=unlimited\n"
            "access to attrs=userPassword by self write by anonymous auth by * read\n"
            "access to * by self write by * read\n"
        )  # fmt: skip
        port = free_port()
        uri = f"ldap://127.0.0.1:{port}"

        def is_ready() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                return False
            return True

        server = Server(
            words=[
                "/usr/sbin/slapd",
                "-f",
                str(config),
                "-h",
                f"ldap://127.0.0.1:{port}",
                "-d",
                "0",
            ],
            log=folder / "log",
            is_ready=is_ready,
        )
        try:
            server.start()
            yield Directory(server=server, uri=uri, authority=certificate)
        finally:
            server.stop()


def _certificate(folder: Path, owner: str | None = None) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, which only its owner may read."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-days", "2", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)
    if owner and os.geteuid() == 0:
        os.chown(key, pwd.getpwnam(owner).pw_uid, -1)
    return certificate, key
