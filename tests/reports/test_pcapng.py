"""Captures, as tshark reads them: nothing malformed, decrypted, and everything at its place."""

from __future__ import annotations

import contextlib
import ftplib
import io
import poplib
import re
import smtplib
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Suite, abort, connect, echo, program, read_exactly, read_to_end, shake, udp_client
from mqtt_talk import Talk
from tshark import Capture, recorded

from pytest_netmocks import (
    FtpServer,
    HttpServer,
    HttpsServer,
    MqttServer,
    Netmocks,
    Pop3Server,
    SmtpServer,
    TcpServer,
    UdpServer,
    WssServer,
)
from pytest_netmocks.faults import (
    Bandwidth,
    Blackhole,
    Close,
    Corrupt,
    Duplicate,
    Fault,
    Garbage,
    HandshakeFailure,
    HandshakeStall,
    Latency,
    Loss,
    MalformedChunk,
    Reorder,
    Replace,
    Reset,
    Slice,
    SlowClose,
    Stall,
)
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.reports import writers
from pytest_netmocks.reports.recording import Recording
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.stream import StreamServer

pytestmark = [program("tshark"), pytest.mark.on_sockets]

Write = Callable[..., Capture]


@pytest.fixture
def capture_of(tmp_path: Path) -> Write:
    """Writes the capture, and checks what holds for each: tshark finds nothing wrong."""

    def write(*recordings: Recording, decode: tuple[str, ...] = ()) -> Capture:
        path = tmp_path / "it.pcapng"
        writers.save(path, recordings)
        capture = Capture(path, *decode)
        assert capture.complaints() == []
        return capture

    return write


def to_client(server: Server) -> str:
    return f"tcp.srcport == {server.port}"


def get(url: str, context: ssl.SSLContext | None = None) -> bytes:
    with urllib.request.urlopen(url, timeout=10, context=context) as answer:
        return bytes(answer.read())


# Streams


def test_a_connection_has_its_beginning_its_bytes_and_its_end(tcp_server: TcpServer, capture_of: Write) -> None:
    with recorded(tcp_server) as recording, connect(tcp_server) as client:
        mine = client.getsockname()[1]
        client.sendall(b"ask")
        assert read_exactly(client, 3) == b"ask"
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b""
    rows = capture_of(recording).rows("tcp.srcport", "tcp.flags", "tcp.seq", "tcp.ack", "tcp.payload")
    theirs, ours = str(mine), str(tcp_server.port)
    ask = b"ask".hex()
    assert [(row[0], int(row[1], 16), *row[2:]) for row in rows] == [
        (theirs, 0x02, "0", "0", ""),
        (ours, 0x12, "0", "1", ""),
        (theirs, 0x10, "1", "1", ""),
        (theirs, 0x18, "1", "1", ask),
        (ours, 0x10, "1", "4", ""),
        (ours, 0x18, "1", "4", ask),
        (theirs, 0x10, "4", "4", ""),
        (theirs, 0x11, "4", "4", ""),
        (ours, 0x10, "4", "5", ""),
        (ours, 0x11, "4", "5", ""),
        (theirs, 0x10, "5", "5", ""),
    ]


def test_times_and_addresses_are_the_true_ones(tcp_server: TcpServer, capture_of: Write) -> None:
    with recorded(tcp_server) as recording:
        echo(tcp_server)
    sent = next(event for event in recording.events if event["event"] == "wire_sent")
    capture = capture_of(recording)
    row = capture.rows("frame.time_epoch", "ip.src", "ip.dst", where=f"{to_client(tcp_server)} && tcp.len > 0")[0]
    assert float(row[0]) == pytest.approx(recording.began_of(sent) + sent["at"], abs=1e-5)
    assert row[1:] == ("127.0.0.1", "127.0.0.1")


def test_ten_megabytes_are_there_as_the_client_got_them(http_server: HttpServer, capture_of: Write) -> None:
    body = bytes(range(256)) * 40_000
    http_server.when("GET", "/big").reply(body=body)
    with recorded(http_server) as recording:
        assert get(http_server.url_for("/big")) == body
    capture = capture_of(recording)
    answer = capture.payload(to_client(http_server))
    assert answer.endswith(body)
    assert max(map(int, capture.column("tcp.len"))) <= 1460
    # A byte that nobody acknowledges would be on its way for ever, and one that was not sent is acknowledged by nobody.
    problems = ("ack_lost_segment", "lost_segment", "window_full", "retransmission", "out_of_order")
    assert capture.column("frame.number", " or ".join(f"tcp.analysis.{problem}" for problem in problems)) == []
    assert capture.column("http.content_length", "http.response") == [str(len(body))]


def test_a_hundred_connections_stand_side_by_side_in_order_of_time(tcp_server: TcpServer, capture_of: Write) -> None:
    with recorded(tcp_server) as recording, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(tcp_server)) for _ in range(100)]
        for number, client in enumerate(clients):
            client.sendall(b"%03d" % number)
        for number, client in enumerate(clients):
            assert read_exactly(client, 3) == b"%03d" % number
    capture = capture_of(recording)
    times = [float(at) for at in capture.column("frame.time_epoch")]
    assert times == sorted(times)
    streams = set(capture.column("tcp.stream"))
    assert len(streams) == 100
    for stream, data in capture.rows("tcp.stream", "tcp.payload", where=f"{to_client(tcp_server)} && tcp.len > 0"):
        assert bytes.fromhex(data) == b"%03d" % int(stream)


def test_a_half_closed_connection_goes_on_the_other_way(tcp_server: TcpServer, capture_of: Write) -> None:
    async def handler(reader: Any, writer: Any) -> None:
        asked = await reader.read()
        writer.write(asked[::-1])
        writer.close()

    tcp_server.handle(handler)
    with recorded(tcp_server) as recording, connect(tcp_server) as client:
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b"cba"
    rows = capture_of(recording).rows("tcp.srcport", "tcp.len", where="tcp.flags.fin == 1 || tcp.len > 0")
    ours = str(tcp_server.port)
    assert [(row[0] == ours, row[1]) for row in rows] == [(False, "3"), (False, "0"), (True, "3"), (True, "0")]


def test_ipv6_has_its_own_packets(netmocks: Netmocks, capture_of: Write) -> None:
    tcp, udp = netmocks.tcp(host="::1"), netmocks.udp(host="::1")
    with recorded(tcp, udp) as recording:
        echo(tcp, b"x" * 5000)
        with udp_client(udp) as client:
            client.send(b"ping")
            assert client.recv(10) == b"ping"
    capture = capture_of(recording)
    assert set(capture.column("ipv6.src")) == {"::1"}
    assert capture.column("udp.length", "udp") == ["12", "12"]
    assert max(map(int, filter(None, capture.column("tcp.len")))) == 1440


def test_a_client_of_a_server_on_all_addresses_is_on_the_one_that_it_chose(
    netmocks: Netmocks, capture_of: Write
) -> None:
    server = netmocks.tcp(host="::")
    with recorded(server) as recording, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    assert set(capture_of(recording).rows("ip.src", "ip.dst")) == {("127.0.0.1", "127.0.0.1")}


# Faults

BODY = bytes(range(32, 122)) * 100
ASK = b"GET / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"


def raw_get(server: StreamServer, *, tls: bool, silence: Injection | None = None) -> bytes:
    """All that a client gets of an answer, as plain text, however it ends; it does not wait for that in `silence`."""
    got = b""
    with contextlib.suppress(OSError):
        sock: Any = shake(server) if tls else connect(server)
        with sock:
            sock.settimeout(30)
            sock.sendall(ASK)
            if silence is not None:
                server.wait_for(lambda _: silence.hits, timeout=30)
                server.settle()  # what comes before it has left
                sock.settimeout(0.2)
            while chunk := sock.recv(65536):
                got += chunk
    return got


ENDS: list[tuple[Fault, str]] = [
    (Reset(after_bytes=400), "RST"),
    (Reset(), "RST"),
    (Close(after_bytes=400), "FIN"),
    (Blackhole(after_bytes=400, direction="downstream"), ""),
    (Stall(after_bytes=400), ""),
    (Reset(after_bytes=10, direction="upstream"), "RST"),
    (Blackhole(direction="upstream"), ""),
    (SlowClose(0.1), "FIN"),
    (Latency(0.1), "FIN"),
    (Slice(1000), "FIN"),
    (Bandwidth(100_000), "FIN"),
    (Corrupt(0.01), "FIN"),
    (Replace(b"ABC", b"XYZ"), "FIN"),
    (Garbage(), ""),
    (MalformedChunk(), ""),
]


@pytest.mark.parametrize(("fault", "sign"), ENDS, ids=[repr(fault) for fault, _ in ENDS])
def test_what_a_client_got_past_a_fault_is_what_the_server_sent(
    http_server: HttpServer, capture_of: Write, fault: Fault, sign: str
) -> None:
    http_server.when("GET", "/").reply(body=BODY)
    injection = http_server.inject(fault)
    with recorded(http_server) as recording:
        got = raw_get(http_server, tls=False, silence=injection if isinstance(fault, Blackhole | Stall) else None)
    assert injection.hits
    capture = capture_of(
        recording, decode=(f"tcp.port=={http_server.port},data",)
    )  # what is wrong is the fault's doing
    assert capture.payload(to_client(http_server)) == got
    said = {
        re.sub(r" strikes.*", "", text) for text in capture.column("frame.comment", "frame.comment") for text in [text]
    }
    assert any(repr(fault) in text for text in said)
    (struck,) = capture.column("frame.comment", 'frame.comment contains "strikes"')
    assert f"{fault!r} strikes" in struck
    ours = capture.rows("tcp.flags.reset", "tcp.flags.fin", where=to_client(http_server))
    if sign == "RST":
        assert ours[-1] == ("1", "0")
        assert "cut by the fault" in capture.column("frame.comment", "tcp.flags.reset == 1")[-1]
    elif sign == "FIN":
        assert ("0", "1") in ours
        assert ("1", "0") not in ours


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize(
    "fault", [Reset(after_bytes=400), Close(after_bytes=400), Latency(0.1), Slice(500)], ids=lambda fault: fault.name
)
def test_what_a_client_got_over_tls_is_what_the_capture_has_once_decrypted(
    netmocks: Netmocks, capture_of: Write, version: str, fault: Fault
) -> None:
    server = netmocks.https(min_version=version, max_version=version)
    server.when("GET", "/").reply(body=BODY)
    server.inject(fault)
    with recorded(server) as recording:
        got = raw_get(server, tls=True)
    capture = capture_of(recording, decode=(f"tls.port=={server.port},http",))
    told = capture.run("-q", "-z", "follow,tls,raw,0")
    # The lines of one side are indented; of which is not the same in all versions of TLS.
    lines = [line for line in told.splitlines() if re.fullmatch("\t?[0-9a-f]+", line)]
    sides = [b"".join(bytes.fromhex(line) for line in lines if line.startswith("\t") is tab) for tab in (True, False)]
    asked, answered = sorted(sides, key=lambda side: not side.startswith(b"GET "))
    assert asked == ASK
    assert answered == got
    assert got


@pytest.mark.parametrize("layer", ["application", "tls"])
def test_a_reset_over_tls_is_where_the_client_met_it(netmocks: Netmocks, capture_of: Write, layer: Any) -> None:
    server = netmocks.https()
    server.when("GET", "/").reply(body=BODY)
    server.inject(Reset(after_bytes=3000, layer=layer))
    with recorded(server) as recording:
        raw_get(server, tls=True)
    capture = capture_of(recording)
    last = capture.rows("tcp.srcport", "tcp.flags.reset", "frame.comment")[-1]
    assert last[:2] == (str(server.port), "1")
    assert "Reset(" in last[2]
    if layer == "tls":
        assert len(capture.payload(to_client(server))) == 3000


def test_what_is_in_force_is_said_where_a_connection_begins_and_where_it_changes(
    tcp_server: TcpServer, capture_of: Write
) -> None:
    tcp_server.when(b"x").reply(b"y")
    with recorded(tcp_server) as recording, connect(tcp_server) as client:
        client.sendall(b"x")
        read_exactly(client, 1)
        injection = tcp_server.inject(Latency(0.01))
        client.sendall(b"x")
        read_exactly(client, 1)
        injection.lift()
        client.sendall(b"x")
        read_exactly(client, 1)
    rows = capture_of(recording).rows("tcp.srcport", "tcp.len", "frame.comment", where="tcp.len > 0")
    said = [row[2] for row in rows]
    assert said == ["", "", "Latency(0.01) is in force", "Latency(0.01) strikes", "Latency(0.01) is lifted", ""]


def test_the_clients_own_reset_is_the_clients(tcp_server: TcpServer, capture_of: Write) -> None:
    with recorded(tcp_server) as recording:
        client = connect(tcp_server)
        client.sendall(b"x")
        client.recv(1)
        abort(client)
        tcp_server.wait_for(lambda server: not server.connections[0].is_open)
    resets = capture_of(recording).column("tcp.dstport", "tcp.flags.reset == 1")
    assert resets == [str(tcp_server.port)]


@pytest.mark.parametrize(("fault", "alert"), [(HandshakeFailure(), "40"), (HandshakeStall(), "")])
def test_a_handshake_that_a_fault_ends_is_as_it_was(
    netmocks: Netmocks, capture_of: Write, fault: Fault, alert: str
) -> None:
    server = netmocks.tls()
    server.inject(fault)
    patience, error = (60, "alert") if alert else (0.5, "timed out")
    with recorded(server) as recording, connect(server, patience) as raw, pytest.raises(OSError, match=error):
        server.client_context().wrap_socket(raw, server_hostname="localhost")
    capture = capture_of(recording)
    assert capture.column("tls.alert_message.desc", "tls.alert_message") == ([alert] if alert else [])
    struck = capture.rows("tcp.srcport", "frame.comment", where='frame.comment contains "strikes"')
    assert len(struck) == 1
    assert (struck[0][0] == str(server.port)) == bool(alert)


def test_the_alert_of_a_client_that_trusts_nobody_can_be_read_and_is_said(
    netmocks: Netmocks, capture_of: Write
) -> None:
    server = netmocks.tls()
    with recorded(server) as recording, pytest.raises(ssl.SSLCertVerificationError):
        shake(server, ssl.create_default_context())
    capture = capture_of(recording)
    rows = capture.rows("tcp.dstport", "tls.alert_message.desc", "frame.comment", where="tls.alert_message")
    assert [(row[0], row[1]) for row in rows] == [(str(server.port), "48")]
    assert "unknown_ca" in rows[0][2]


# Protocols


def test_https_is_decrypted(https_server: HttpsServer, capture_of: Write) -> None:
    https_server.when("GET", "/secret").reply(json={"answer": 42})
    with recorded(https_server) as recording:
        assert get(https_server.url_for("/secret"), https_server.client_context()) == b'{"answer": 42}'
    capture = capture_of(recording, decode=(f"tls.port=={https_server.port},http",))
    assert capture.column("http.request.uri", "http.request") == ["/secret"]
    assert capture.column("json.value.number", "json") == ["42"]


def test_a_resumed_session_is_decrypted_too(netmocks: Netmocks, capture_of: Write) -> None:
    server = netmocks.https(max_version="TLSv1.2")
    server.when("GET", "/").reply(text="here")
    context = server.client_context()
    session = None
    with recorded(server) as recording:
        for _ in range(2):
            with context.wrap_socket(connect(server), server_hostname="localhost", session=session) as client:
                client.sendall(ASK)
                assert read_to_end(client).endswith(b"here")
                session = client.session
    assert "resumed" in str(recording.events)
    capture = capture_of(recording, decode=(f"tls.port=={server.port},http",))
    assert capture.column("http.response.code", "http.response") == ["200", "200"]


def test_mail_after_starttls_is_decrypted(smtp_server: SmtpServer, capture_of: Write) -> None:
    with recorded(smtp_server) as recording, smtplib.SMTP(*smtp_server.address, timeout=10) as client:
        client.starttls(context=smtp_server.client_context())
        client.sendmail("me@here.test", ["you@there.test"], "Subject: hush\r\n\r\nA secret.\r\n")
    capture = capture_of(recording, decode=(f"tcp.port=={smtp_server.port},smtp",))
    commands = capture.column("smtp.req.command", "smtp.req.command")
    assert commands[:2] == ["ehlo", "STAR"]  # as tshark cuts them
    assert {"DATA", "QUIT"} <= {command.upper() for command in commands}
    assert capture.column("imf.subject", "imf") == ["hush"]


def test_mail_that_is_fetched_can_be_read(pop3_server: Pop3Server, capture_of: Write) -> None:
    pop3_server.mailbox.deliver(b"Subject: hi\r\n\r\nHello.\r\n")
    with recorded(pop3_server) as recording:
        client = poplib.POP3(*pop3_server.address, timeout=10)
        client.user("a")
        client.pass_("b")
        client.retr(1)
        client.quit()
    capture = capture_of(recording, decode=(f"tcp.port=={pop3_server.port},pop",))
    assert capture.column("pop.request.command", "pop.request.command") == ["USER", "PASS", "RETR", "QUIT"]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_packets_of_mqtt_are_what_tshark_takes_them_for(
    mqtt_server: MqttServer, capture_of: Write, version: Any
) -> None:
    with recorded(mqtt_server) as recording, Talk(mqtt_server, "c", version, keep_alive=60) as client:
        client.subscribe("a/#")
        given = {"content_type": "text/plain", "user_property": [("a", "b")], "message_expiry_interval": 60}
        mqtt_server.publish("a/1", b"one", qos=2, properties=given)
        assert client.hear().payload == b"one"
        client.ask("PUBREC", packet_id=1)
        client.say("PUBCOMP", packet_id=1)
        client.publish("b", b"two", qos=1, packet_id=7)
        client.hear()
        client.synchronise()
        client.ask("UNSUBSCRIBE", packet_id=9, filters=["a/#", "b"])
        client.say("DISCONNECT")
    capture = capture_of(recording, decode=(f"tcp.port=={mqtt_server.port},mqtt",))
    types = [int(kind) for row in capture.column("mqtt.msgtype", "mqtt") for kind in row.split("|")]
    assert types == [1, 2, 8, 9, 3, 5, 6, 7, 3, 4, 12, 13, 10, 11, 14]
    assert capture.column("mqtt.ver", "mqtt.ver") == ["5" if version == "5" else "4"]
    assert capture.column("mqtt.topic", "mqtt.msgtype == 3 && mqtt.topic") == ["a/1", "b"]
    if version == "5":
        assert capture.column("mqtt.property_id", 'mqtt.msgtype == 3 && mqtt.topic == "a/1"') == ["0x03|0x26|0x02"]


def test_websocket_over_tls_is_decrypted(wss_server: WssServer, capture_of: Write) -> None:
    from websockets.sync.client import connect as open_websocket

    wss_server.when("ask").reply("answer")
    with (
        recorded(wss_server) as recording,
        open_websocket(wss_server.url, ssl=wss_server.client_context(), compression=None) as client,
    ):
        client.send("ask")
        assert client.recv(timeout=10) == "answer"
    capture = capture_of(recording, decode=(f"tls.port=={wss_server.port},http",))
    assert capture.column("websocket.payload.text", "websocket.payload.text")[:2] == ["ask", "answer"]


@pytest.mark.parametrize("passive", [True, False], ids=["passive", "active"])
def test_ftp_has_its_data_connections_by_whom_they_were_opened(
    ftp_server: FtpServer, capture_of: Write, passive: bool
) -> None:
    (ftp_server.root / "it.txt").write_bytes(BODY)
    got = io.BytesIO()
    with recorded(ftp_server) as recording, ftplib.FTP() as client:
        client.connect(*ftp_server.address, timeout=10)
        client.login()
        client.set_pasv(passive)
        client.retrbinary("RETR it.txt", got.write)
        client.quit()
    capture = capture_of(recording, decode=(f"tcp.port=={ftp_server.port},ftp",))
    assert "RETR" in capture.column("ftp.request.command", "ftp.request")
    syns = capture.rows("tcp.srcport", "tcp.dstport", where="tcp.flags.syn == 1 && tcp.flags.ack == 0")
    assert len(syns) == 2
    data = set(syns[1])
    sent = capture.rows("tcp.srcport", "tcp.payload", where="tcp.stream == 1 && tcp.len > 0")
    assert b"".join(bytes.fromhex(row[1]) for row in sent) == got.getvalue() == BODY
    ours = {row[0] for row in sent}
    assert ours < data
    assert (syns[1][0] in ours) is not passive


def test_https_through_a_proxy_with_tls_of_its_own_is_decrypted_on_both_sides(
    netmocks: Netmocks, capture_of: Write
) -> None:
    behind = netmocks.https()
    behind.when("GET", "/it").reply(text="through")
    proxy = netmocks.tcp_proxy(behind, tls=True, upstream_tls=True)
    with recorded(proxy, behind) as recording:
        assert get(f"https://localhost:{proxy.port}/it", proxy.client_context()) == b"through"
    ports = [f"tls.port=={server.port},http" for server in (proxy, behind)]
    capture = capture_of(recording, decode=tuple(ports))
    assert capture.column("http.request.uri", "http.request") == ["/it", "/it"]
    assert len(set(capture.column("frame.interface_name"))) == 2


def test_datagrams_that_were_lost_are_not_there_and_said_of_their_neighbour(
    udp_server: UdpServer, capture_of: Write
) -> None:
    udp_server.inject(Loss(1.0, direction="downstream"), nth=2)
    with recorded(udp_server) as recording, udp_client(udp_server) as client:
        for data in (b"one", b"two", b"three"):
            client.send(data)
        assert [client.recv(10), client.recv(10)] == [b"one", b"three"]
    capture = capture_of(recording)
    rows = capture.rows("udp.srcport", "udp.payload", "frame.comment")
    ours = str(udp_server.port)
    assert [bytes.fromhex(row[1]) for row in rows if row[0] == ours] == [b"one", b"three"]
    said = [row for row in rows if "lost on the way to the client" in row[2]]
    assert [bytes.fromhex(row[1]) for row in said] == [b"two"]


@pytest.mark.parametrize(
    ("fault", "times"),
    [(Duplicate(1.0), 2), (Reorder(0.5), 1), (Latency(0.05), 1), (Corrupt(1.0), 1)],
    ids=lambda one: getattr(one, "name", None),
)
def test_datagrams_leave_as_the_client_gets_them(
    udp_server: UdpServer, capture_of: Write, fault: Fault, times: int
) -> None:
    udp_server.inject(fault)
    with recorded(udp_server) as recording, udp_client(udp_server, 60) as client:
        for number in range(10):
            client.send(b"%d" % number)
        got = [client.recv(10) for _ in range(10 * times)]
    capture = capture_of(recording)
    sent = [bytes.fromhex(data) for data in capture.column("udp.payload", f"udp.srcport == {udp_server.port}")]
    assert sent == got


def test_the_largest_datagram_fits(udp_server: UdpServer, capture_of: Write) -> None:
    with recorded(udp_server) as recording, udp_client(udp_server) as client:
        client.send(bytes(65507))
        assert len(client.recv(70000)) == 65507
    assert capture_of(recording).column("udp.length") == ["65515", "65515"]


# What is on record


def test_what_is_on_record_of_a_server_is_a_capture_of_what_tls_carried(
    https_server: HttpsServer, capture_of: Write
) -> None:
    https_server.when("GET", "/it").reply(text="plain")
    https_server.inject(Reset(after_bytes=30), nth=2)
    with recorded(https_server, wire=False) as recording:
        get(https_server.url_for("/it"), https_server.client_context())
        with contextlib.suppress(OSError):
            get(https_server.url_for("/it"), https_server.client_context())
    capture = capture_of(recording, decode=(f"tcp.port=={https_server.port},http",))
    assert capture.column("http.request.uri", "http.request") == ["/it", "/it"]
    second = capture.rows("tcp.len", "tcp.flags.reset", where=f"tcp.stream == 1 && {to_client(https_server)}")
    assert sum(int(row[0]) for row in second) == 30
    assert second[-1][1] == "1"


def test_a_server_saves_its_capture(tcp_server: TcpServer, tmp_path: Path) -> None:
    echo(tcp_server, b"hello")
    tcp_server.save(tmp_path / "it.pcapng")
    capture = Capture(tmp_path / "it.pcapng")
    assert capture.complaints() == []
    assert capture.payload(to_client(tcp_server)) == b"hello"


def test_bytes_that_were_not_kept_have_their_length(netmocks: Netmocks, capture_of: Write) -> None:
    server = netmocks.tcp(record_limit=1000)
    with recorded(server, wire=False):
        echo(server, b"x" * 5000)
        from pytest_netmocks.reports.tape import on_record

        recording = on_record(server)
    capture = capture_of(recording)
    rows = capture.rows("tcp.len", "frame.len", "frame.cap_len", where=f"{to_client(server)} && tcp.len > 0")
    assert sum(int(row[0]) for row in rows) == 5000
    missing = [event["missing"] for event in recording.events if event["event"] == "sent" and "missing" in event]
    assert sum(int(length) - int(kept) for _, length, kept in rows) == sum(missing) > 0


def test_the_times_of_virtual_tests_are_virtual(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(
        """
    import socket, time
    import pytest

    @pytest.mark.virtual_time
    def test_it(tcp_server):
        with socket.create_connection(tcp_server.address) as client:
            client.sendall(b"a")
            client.recv(1)
            time.sleep(3600)
            client.sendall(b"b")
            client.recv(1)
    """,
        "--netmocks-capture=there",
        "--netmocks-keep=all",
    )
    (path,) = (pytester.path / "there").iterdir()
    capture = Capture(path)
    assert capture.complaints() == []
    times = [float(at) for at in capture.column("frame.time_relative", "tcp.len > 0")]
    assert 3600 <= times[2] - times[0] < 3700
    assert b"Times are virtual" in path.read_bytes()


def test_a_failing_test_leaves_its_capture_with_keys(suite: Suite, pytester: pytest.Pytester) -> None:
    result = suite(
        """
    import urllib.request

    def test_it(https_server):
        https_server.when("GET", "/it").reply(text="secret")
        url = https_server.url_for("/it")
        assert urllib.request.urlopen(url, context=https_server.client_context()).read() == b"other"
    """,
        "--netmocks-capture=there",
    )
    result.assert_outcomes(failed=1)
    (path,) = (pytester.path / "there").iterdir()
    result.stdout.fnmatch_lines([f"*there*{path.name}"])
    capture = Capture(path)
    assert capture.complaints() == []
    assert capture.column("http.request.uri", "http.request") == ["/it"]


def test_several_recordings_are_sections_of_one_file(netmocks: Netmocks, capture_of: Write) -> None:
    first, second = netmocks.tcp(name="first"), netmocks.tcp(name="second")
    with recorded(first) as one:
        echo(first, b"1")
    with recorded(second) as two:
        echo(second, b"2")
    capture = capture_of(one, two)
    assert capture.payload(to_client(first)) == b"1"
    assert capture.payload(to_client(second)) == b"2"


def test_clients_at_once_are_all_there(tcp_server: TcpServer, capture_of: Write) -> None:
    sizes = [1, 1459, 1460, 1461, 100_000]

    def talk(size: int) -> None:
        echo(tcp_server, bytes(size))

    with recorded(tcp_server) as recording:
        threads = [threading.Thread(target=talk, args=(size,)) for size in sizes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    capture = capture_of(recording)
    sums: dict[str, int] = {}
    for stream, length in capture.rows("tcp.stream", "tcp.len", where=to_client(tcp_server)):
        sums[stream] = sums.get(stream, 0) + int(length)
    assert sorted(sums.values()) == sizes
