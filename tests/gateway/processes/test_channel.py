"""The channel: typed messages cross a local socket, and a bad peer hurts nobody."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.processes import channel as channel_module
from gateway.processes.channel import MAX_FRAME, Channel, ChannelBusy, ChannelClosed, connect, listen
from gateway.processes.messages import Done, Message, ReleaseCamera, Snapshot, TakeSnapshot
from gateway.refusals import Refusal

Answer = Callable[[Message], Awaitable[Message | None]]


async def nothing(message: Message) -> Message | None:
    return None


@asynccontextmanager
async def pair(folder: Path, answer: Answer, *, outgoing: int = 256) -> AsyncIterator[tuple[Channel, Channel]]:
    """A connected pair: ours, and the peer's, which answers with ``answer``."""
    accepted: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, answer, name="peer", outgoing=outgoing)
        accepted.set_result(channel)
        await channel.run()

    server = await listen(folder / "run" / "test.sock", accept)
    ours = await connect(folder / "run" / "test.sock", nothing, name="ours", timeout=2)
    running = asyncio.create_task(ours.run())
    peer = await accepted
    try:
        yield ours, peer
    finally:
        ours.close()
        peer.close()
        await running
        server.close()
        await server.wait_closed()


async def test_a_request_gets_its_own_answer_even_when_answers_come_in_another_order(tmp_path: Path) -> None:
    async def slow_for_a(message: Message) -> Message | None:
        assert isinstance(message, TakeSnapshot)
        await asyncio.sleep(0.1 if message.code == "a" else 0)
        return Snapshot(jpeg=message.code.encode(), taken_at=1.0)

    async with pair(tmp_path, slow_for_a) as (ours, _peer):
        a, b = await asyncio.gather(
            ours.request(TakeSnapshot("a"), timeout=2), ours.request(TakeSnapshot("b"), timeout=2)
        )
    assert isinstance(a, Snapshot)
    assert isinstance(b, Snapshot)
    assert (a.jpeg, b.jpeg) == (b"a", b"b")


async def test_an_answer_that_is_too_large_is_refused_at_once_and_the_channel_goes_on(tmp_path: Path) -> None:
    """Who asked waited for the time limit, and was told that the process did not answer."""

    async def large_for_a(message: Message) -> Message | None:
        assert isinstance(message, TakeSnapshot)
        return Snapshot(jpeg=b"j" * (MAX_FRAME if message.code == "a" else 1), taken_at=1.0)

    async with pair(tmp_path, large_for_a) as (ours, _peer):
        with pytest.raises(Refusal) as caught:
            await ours.request(TakeSnapshot("a"), timeout=20)
        assert caught.value.reason == "answer_too_large"
        assert isinstance(await ours.request(TakeSnapshot("b"), timeout=20), Snapshot)


async def test_a_refusal_crosses_the_seam_whole(tmp_path: Path) -> None:
    async def refuse(message: Message) -> Message | None:
        raise Refusal("unavailable", "no_picture", "没有画面", "no picture yet", field="code")

    async with pair(tmp_path, refuse) as (ours, _peer):
        with pytest.raises(Refusal) as caught:
            await ours.request(TakeSnapshot("a"), timeout=2)
    assert (caught.value.kind, caught.value.reason, caught.value.zh, caught.value.field) == (
        "unavailable",
        "no_picture",
        "没有画面",
        "code",
    )


async def test_a_failing_handler_answers_without_its_stack(tmp_path: Path) -> None:
    async def fail(message: Message) -> Message | None:
        raise RuntimeError("secret detail")

    async with pair(tmp_path, fail) as (ours, _peer):
        with pytest.raises(Refusal, match="internal_error") as caught:
            await ours.request(TakeSnapshot("a"), timeout=2)
    assert "secret" not in str(caught.value)


async def test_an_answer_that_never_comes_is_a_timeout_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async def never(message: Message) -> Message | None:
        await asyncio.sleep(30)
        return Done()

    async with pair(tmp_path, never) as (ours, _peer):
        with pytest.raises(TimeoutError):
            await ours.request(TakeSnapshot("a"), timeout=0.05)
        assert not ours._waiting


async def test_whoever_waits_hears_when_the_peer_dies(tmp_path: Path) -> None:
    async def never(message: Message) -> Message | None:
        await asyncio.sleep(30)
        return Done()

    async with pair(tmp_path, never) as (ours, peer):
        waiting = asyncio.create_task(ours.request(TakeSnapshot("a"), timeout=5))
        await asyncio.sleep(0.05)
        peer.close()
        with pytest.raises(ChannelClosed):
            await waiting


async def test_told_to_end_while_it_parts_from_a_dead_peer_it_ends_as_told(tmp_path: Path) -> None:
    """Swallowed there, the word was lost, and who waited for the end of the whole waited for ever."""
    begun, parting, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow_to_go(message: Message) -> Message | None:
        begun.set()
        try:
            await go.wait()
        finally:
            parting.set()
            await go.wait()
        return Done()

    accepted: asyncio.Future[tuple[Channel, asyncio.Task[None]]] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, slow_to_go, name="ours")
        running = asyncio.create_task(channel.run())
        accepted.set_result((channel, running))
        await asyncio.wait([running])

    server = await listen(tmp_path / "run" / "test.sock", accept)
    peer = await connect(tmp_path / "run" / "test.sock", nothing, name="peer", timeout=2)
    peer.send(TakeSnapshot("a"))
    _, running = await accepted
    await begun.wait()
    peer.close()
    await parting.wait()
    running.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([running])
    assert running.cancelled()
    go.set()
    server.close()
    await server.wait_closed()


async def test_a_peer_that_does_not_read_is_noticed_instead_of_filling_memory(tmp_path: Path) -> None:
    async with pair(tmp_path, nothing, outgoing=4) as (_ours, peer):
        with pytest.raises(ChannelBusy):
            for _ in range(20):  # more than the kernel keeps for a socket
                peer.send(ReleaseCamera("x" * 200_000))


async def test_of_large_messages_fewer_wait_for_a_peer_that_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their number alone was bounded: pictures for a large input came to gigabytes while the engine stood still."""
    monkeypatch.setattr(channel_module, "MOST_WAITING", 1_000_000)
    reads = asyncio.Event()

    async def done(_message: Message) -> Message | None:
        return Done()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await reads.wait()
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        await Channel(reader, writer, done, name="peer").run()

    server = await listen(tmp_path / "deaf.sock", accept)
    ours = await connect(tmp_path / "deaf.sock", nothing, name="ours", timeout=2)
    running = asyncio.create_task(ours.run())
    large, sent = ReleaseCamera("x" * 400_000), 0
    with pytest.raises(ChannelBusy):
        while sent < 100:
            ours.send(large)
            sent += 1
            await asyncio.sleep(0.005)
    assert sent < 6
    reads.set()
    while ours._outgoing.qsize():
        await asyncio.sleep(0.005)
    for _ in range(10):  # and once it reads, they go as before
        await ours.request(large, timeout=5)
    ours.close()
    await running
    server.close()


async def test_a_channel_closed_towards_a_peer_that_does_not_read_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the peer never took kept the connection open: a worker told to end while control hung never ended."""
    monkeypatch.setattr(channel_module, "CLOSED_WITHIN", 0.05)
    deaf: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        deaf.append(writer)

    server = await listen(tmp_path / "deaf.sock", accept)
    ours = await connect(tmp_path / "deaf.sock", nothing, name="ours", timeout=2)
    running = asyncio.create_task(ours.run())
    while not deaf:
        await asyncio.sleep(0.005)
    for _ in range(4):
        ours.send(ReleaseCamera("x" * 400_000))
    ours.close()
    async with asyncio.timeout(5):
        await running
    deaf[0].close()
    server.close()


async def test_what_was_said_before_a_channel_was_closed_arrives(tmp_path: Path) -> None:
    heard = asyncio.Event()

    async def hear(_message: Message) -> Message | None:
        heard.set()
        return None

    async with pair(tmp_path, hear) as (ours, _peer):
        ours.send(ReleaseCamera("x" * 400_000))
        ours.close()
        async with asyncio.timeout(5):
            await heard.wait()


async def test_a_channel_that_is_closed_while_all_that_it_works_on_hangs_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "CLOSED_WITHIN", 0.05)
    begun, ended = 0, asyncio.Event()

    async def hang(_message: Message) -> Message | None:
        nonlocal begun
        begun += 1
        await asyncio.Event().wait()
        return None

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, hang, name="ours", at_once=2)
        running = asyncio.create_task(channel.run())
        while begun < 2:
            await asyncio.sleep(0.005)
        channel.close()
        await running
        ended.set()

    server = await listen(tmp_path / "hangs.sock", accept)
    peer = await connect(tmp_path / "hangs.sock", nothing, name="peer", timeout=2)
    for code in "abcde":
        peer.send(ReleaseCamera(code))
    async with asyncio.timeout(5):
        await ended.wait()
    assert begun == 2, "nothing more is begun"
    peer.close()
    server.close()


async def test_what_is_sent_at_once_and_what_had_to_wait_arrive_in_their_order(tmp_path: Path) -> None:
    heard: list[str] = []

    async def hear(message: Message) -> Message | None:
        assert isinstance(message, ReleaseCamera)
        heard.append(message.code)
        return None

    said = [f"{number}" * (150_000 if number in (2, 3) else 1) for number in range(8)]
    async with pair(tmp_path, hear) as (ours, _peer):
        for code in said:
            ours.send(ReleaseCamera(code))
        async with asyncio.timeout(10):
            while len(heard) < len(said):
                await asyncio.sleep(0.005)
    assert heard == said


@pytest.mark.parametrize(
    "garbage", [struct.pack(">I", MAX_FRAME + 1), struct.pack(">I", 4) + b"\xc1\xc1\xc1\xc1", b"\x00"]
)
async def test_garbage_ends_the_connection_and_nothing_else(tmp_path: Path, garbage: bytes) -> None:
    ended = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Channel(reader, writer, nothing, name="peer").run()
        ended.set()

    server = await listen(tmp_path / "g.sock", accept)
    _reader, writer = await asyncio.open_unix_connection(tmp_path / "g.sock")
    writer.write(garbage)
    writer.write_eof()
    async with asyncio.timeout(30):
        await ended.wait()
    writer.close()
    server.close()


async def test_nobody_listening_is_said_after_the_time_limit(tmp_path: Path) -> None:
    with pytest.raises(ChannelClosed):
        await connect(tmp_path / "none.sock", nothing, name="x", timeout=0.1)


async def test_the_socket_is_for_this_user_alone_and_names_the_peer_process(tmp_path: Path) -> None:
    async with pair(tmp_path, nothing) as (ours, peer):
        assert (tmp_path / "run" / "test.sock").stat().st_mode & 0o077 == 0
        assert ours.peer_pid() == peer.peer_pid() == os.getpid()
