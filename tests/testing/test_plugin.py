"""The fixture `menura_broker`, as other projects' tests find it."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]
PLAIN = ("-p", "no:cacheprovider", "-p", "no:asyncio")


def test_a_test_gets_a_broker_of_its_own_without_any_setting_up(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket
        import threading

        ports = []

        def talk(broker):
            with socket.create_connection(("127.0.0.1", broker.amqp_port), 5) as peer:
                peer.sendall(b"AMQP\\x00\\x00\\x09\\x01")
                assert peer.recv(1) == b"\\x01"

        def test_one(menura_broker):
            talk(menura_broker)
            assert menura_broker.amqp_url.startswith("amqp://guest:guest@127.0.0.1:")
            ports.append(menura_broker.amqp_port)
            menura_broker.add_vhost("only here")

        def test_other(menura_broker):
            talk(menura_broker)
            assert "only here" not in menura_broker.node.vhosts

        def test_nothing_is_left():
            assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
            with socket.socket() as peer:
                assert peer.connect_ex(("127.0.0.1", ports[0])) != 0
        """
    )
    result = pytester.runpytest_subprocess(*PLAIN, "-W", "error")
    result.assert_outcomes(passed=3)


def test_the_fixture_is_listed_with_what_it_does(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures", *PLAIN)
    result.stdout.fnmatch_lines(["menura_broker*", "*broker of the test's own*"])


def test_it_works_beside_a_loop_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio

        async def talk(port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"AMQP\\x00\\x00\\x09\\x01")
            assert await reader.readexactly(1) == b"\\x01"
            writer.close()
            await writer.wait_closed()

        def test_it(menura_broker):
            asyncio.run(talk(menura_broker.amqp_port))
        """
    )
    pytester.runpytest_subprocess(*PLAIN).assert_outcomes(passed=1)
