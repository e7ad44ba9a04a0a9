"""Authentication modules as the authenticator of a server."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64decode, b64encode
from pathlib import Path

import attrs
import pytest

from couriermail.auth import (
    Account,
    AuthModule,
    CramResponse,
    DirectoryError,
    HmacContext,
    UserdbModule,
    hash_password,
    start_client,
)
from couriermail.smtp import AuthInfo, Mail, Server, ServerConfig, Session, Sink, serve

IN_CLEAR = ServerConfig(auth_in_clear=True)


@attrs.define
class FakeModule:
    """Knows one account, or cannot answer; `gate` holds a login up."""

    name: str
    known: str = ""
    error: DirectoryError | None = None
    gate: threading.Event | None = None
    asked: list[tuple[str, str, str | None]] = attrs.field(factory=list)

    def lookup(self, name: str, service: str) -> Account | None:
        return self._answer(name, service, None)

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        return self._answer(name, service, remote)

    def cram(self, response: CramResponse, service: str) -> Account | None:
        return self._answer(response.name, service, None)

    def idle(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""

    def _answer(self, name: str, service: str, remote: str | None) -> Account | None:
        self.asked.append((name, service, remote))
        if self.gate is not None:
            assert self.gate.wait(20)
        if self.error is not None:
            raise self.error
        if name != self.known:
            return None
        return Account(name=name, address=f"{name}@example.test", uid=1, gid=1, home="/")


@attrs.define
class Client:
    """Says lines to a server on loopback."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, server: Server) -> Client:
        client = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        await client.reply()
        await client.ask("EHLO c")
        return client

    async def reply(self) -> str:
        while (line := (await self.reader.readline()).decode().rstrip("\r\n"))[3:4] == "-":
            pass
        return line

    async def ask(self, line: str) -> str:
        self.writer.write(f"{line}\r\n".encode())
        return await self.reply()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def log_in(server: Server, mechanism: str, name: str, password: str = "secret") -> str:
    client = await Client.connect(server)
    engine = start_client(mechanism, name, password)
    initial = engine.initial()
    words = ["AUTH", mechanism, *([] if initial is None else [b64encode(initial).decode()])]
    reply = await client.ask(" ".join(words))
    while reply.startswith("334"):
        response = engine.respond(b64decode(reply[4:]))
        reply = await client.ask(b64encode(response).decode())
    await client.close()
    return reply


def logged_in(authenticate: AuthModule | list[AuthModule], mechanism: str, name: str) -> str:
    async def story() -> str:
        async with serve(Sink(), port=0, authenticate=authenticate, config=IN_CLEAR) as server:
            return await log_in(server, mechanism, name)

    return asyncio.run(story())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "CRAM-SHA1", "CRAM-SHA256"])
@pytest.mark.parametrize(("name", "code"), [("tim", "235"), ("nobody", "535")])
def test_a_userdb_is_an_authenticator(tmp_path: Path, mechanism: str, name: str, code: str) -> None:
    contexts = "".join(
        f"|hmac-{algorithm}pw={HmacContext.from_password(algorithm, 'secret').to_hex()}"
        for algorithm in ("md5", "sha1", "sha256")
    )
    userdb = tmp_path / "userdb"
    userdb.write_text(
        f"tim\tuid=1|gid=1|home=/|systempw={hash_password('secret', 'ssha')}{contexts}\n"
    )
    userdb.chmod(0o600)
    assert logged_in(UserdbModule.open(userdb), mechanism, name)[:3] == code


@pytest.mark.parametrize("mechanism", ["PLAIN", "CRAM-MD5"])
def test_modules_are_asked_in_order_until_one_knows_the_login(mechanism: str) -> None:
    first, second, third = FakeModule("a"), FakeModule("b", known="tim"), FakeModule("c")
    assert logged_in([first, second, third], mechanism, "tim").startswith("235")
    assert [len(module.asked) for module in (first, second, third)] == [1, 1, 0]


def test_a_module_hears_who_asks_for_whom() -> None:
    module = FakeModule("a", known="tim")
    logged_in(module, "PLAIN", "tim")
    assert module.asked == [("tim", "esmtp", "127.0.0.1")]


def test_one_that_cannot_answer_ends_the_search_with_454() -> None:
    """Spec auth 4.1 rule 1: asking on could let in somebody else of the same name."""
    broken = FakeModule("a", error=DirectoryError("the database is down"))
    behind = FakeModule("b", known="tim")
    reply = logged_in([broken, behind], "PLAIN", "tim")
    assert reply == "454 4.7.0 Temporary authentication failure."
    assert behind.asked == []


def test_the_identity_is_the_accounts_address() -> None:
    known: list[AuthInfo | None] = []

    class Handler(Sink):
        def mail(self, session: Session, _mail: Mail) -> None:
            known.append(session.auth)

    async def story() -> None:
        module = FakeModule("a", known="tim")
        async with serve(Handler(), port=0, authenticate=module, config=IN_CLEAR) as server:
            client = await Client.connect(server)
            await client.ask("AUTH PLAIN " + b64encode(b"\0tim\0x").decode())
            assert (await client.ask("MAIL FROM:<a@b.test>")).startswith("250")
            await client.close()

    asyncio.run(story())
    assert known == [AuthInfo("PLAIN", "tim@example.test")]


def test_a_slow_module_holds_up_nobody_else() -> None:
    gate = threading.Event()
    slow = FakeModule("slow", known="tim", gate=gate)

    async def story() -> str:
        async with asyncio.timeout(20):
            async with serve(Sink(), port=0, authenticate=slow, config=IN_CLEAR) as server:
                waiting = asyncio.create_task(log_in(server, "PLAIN", "tim"))
                while not slow.asked:  # noqa: ASYNC110 - the thread has no event of ours
                    await asyncio.sleep(0.001)
                client = await Client.connect(server)
                assert await client.ask("NOOP") == "250 2.0.0 Ok"
                assert not waiting.done()
                await client.close()
                gate.set()
                return await waiting

    assert asyncio.run(story()).startswith("235")


def test_only_listed_mechanisms_are_offered() -> None:
    config = ServerConfig(auth_in_clear=True, auth_mechanisms=("LOGIN", "GSSAPI", "CRAM-MD5"))

    async def story() -> str:
        async with serve(Sink(), port=0, authenticate=FakeModule("a"), config=config) as server:
            client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
            await client.reply()
            client.writer.write(b"EHLO c\r\n")
            data = await client.reader.readuntil(b"250 ")
            await client.close()
            return data.decode()

    assert "250-AUTH LOGIN CRAM-MD5\r\n" in asyncio.run(story())
