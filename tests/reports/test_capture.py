"""The writer and the reader of captures by themselves: numbers that add up, checksums, garbage."""

from __future__ import annotations

import ipaddress
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from helpers import connect, echo, read_exactly, udp_client
from hypothesis import given, settings
from hypothesis import strategies as st
from tshark import recorded

from pytest_netmocks import HttpServer, Netmocks, TcpServer, UdpServer
from pytest_netmocks.faults import Loss, Reset
from pytest_netmocks.records.plain import data_of, plain_data
from pytest_netmocks.reports import pcapng, pcapng_read
from pytest_netmocks.reports.capture import blocks, parse
from pytest_netmocks.reports.capture.frames import Carried, carried
from pytest_netmocks.reports.capture.packets import ACK, FIN, SYN, End, checksum, datagram, end, segment
from pytest_netmocks.reports.capture.talk import DOWN, UP, Packet, Talk
from pytest_netmocks.reports.recording import Recording

CLIENT = End(ipaddress.ip_address("127.0.0.1"), 50000)
SERVER = End(ipaddress.ip_address("127.0.0.1"), 80)
CLIENT_6 = End(ipaddress.ip_address("::1"), 50000)
SERVER_6 = End(ipaddress.ip_address("::1"), 80)


def slow_checksum(data: bytes) -> int:
    """As RFC 1071 writes it down."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@given(st.binary(max_size=2000) | st.sampled_from([b"", b"\0", b"\xff\xff", b"\xff\xff\xff\xff", b"\0\0\xff\xff"]))
def test_a_checksum_is_the_one_of_the_rfc(data: bytes) -> None:
    assert checksum(data) == slow_checksum(data)


@given(st.binary(max_size=100), st.booleans(), st.integers(0, 2**40), st.booleans())
def test_the_sum_over_a_packet_with_its_checksum_is_zero(data: bytes, is_6: bool, number: int, is_udp: bool) -> None:
    client, server = (CLIENT_6, SERVER_6) if is_6 else (CLIENT, SERVER)
    packet = datagram(client, server, data) if is_udp else segment(client, server, number, 7, ACK, data)
    head = 40 if is_6 else 20
    if not is_6:
        assert slow_checksum(packet[:20]) == 0
        assert int.from_bytes(packet[2:4]) == len(packet)
    size, protocol = len(packet) - head, 17 if is_udp else 6
    around = client.host.packed + server.host.packed + struct.pack("!IHBB", size, 0, 0, protocol)
    assert slow_checksum(around + packet[head:]) == 0
    found = carried(blocks.RAW, packet)
    assert found is not None
    assert (found.source, found.target, found.data) == (client, server, data)
    assert is_udp or found.sequence == number & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        (("127.0.0.1", 80), "127.0.0.1", 80),
        (["::1", 80, 0, 0], "::1", 80),
        (("fe80::1%lo", 80, 0, 1), "fe80::1", 80),
        (("::ffff:10.0.0.1", 80, 0, 0), "10.0.0.1", 80),
        (("no address", 80), "127.0.0.1", 0),
        ((), "127.0.0.1", 0),
        (None, "127.0.0.1", 0),
    ],
)
def test_an_end_is_what_is_on_the_wire(address: Any, host: str, port: int) -> None:
    assert end(address) == End(ipaddress.ip_address(host), port)


def test_the_end_of_a_server_on_all_addresses_is_where_its_client_is() -> None:
    assert end(("0.0.0.0", 80), CLIENT).host == CLIENT.host
    assert end(("::", 80, 0, 0), CLIENT).host == CLIENT.host


# Talks


def told(*, first: int | None = None) -> tuple[Talk, list[Packet]]:
    packets: list[Packet] = []
    talk = Talk(1, "", CLIENT, SERVER, 6, packets.append)
    if first is not None:
        talk._first = {UP: first, DOWN: first}
    return talk, packets


def segments(packets: list[Packet]) -> list[Carried]:
    found = [carried(blocks.RAW, packet.data) for packet in packets]
    assert None not in found
    return [one for one in found if one is not None]


@pytest.mark.parametrize("first", [0, 2**32 - 1, 2**32 - 3000, 2**31])
def test_numbers_add_up_where_they_begin_again(first: int) -> None:
    talk, packets = told(first=first)
    talk.open(0, dialled=False)
    talk.carry(0, UP, 0, bytes(5000), 5000)
    talk.carry(0, DOWN, 0, bytes(7000), 7000)
    talk.end(0, UP, "FIN")
    talk.end(0, DOWN, "FIN")
    after: dict[str, int] = {}
    for packet, one in zip(packets, segments(packets), strict=True):
        if packet.way in after:
            assert one.sequence == after[packet.way]
        after[packet.way] = (one.sequence + one.size + bool(one.flags & (SYN | FIN))) & 0xFFFFFFFF
    assert after == {UP: (first + 5002) & 0xFFFFFFFF, DOWN: (first + 7002) & 0xFFFFFFFF}


def test_after_an_rst_nothing_comes_and_bytes_that_passed_do_not_pass_again() -> None:
    talk, packets = told()
    talk.open(0, dialled=False)
    talk.carry(0, UP, 0, b"0123", 4)
    talk.carry(0, UP, 2, b"2345", 4)
    talk.end(0, DOWN, "FIN")
    talk.end(0, DOWN, "RST")
    talk.end(0, UP, "FIN")
    talk.carry(0, UP, 6, b"67", 2)
    found = segments(packets)
    assert b"".join(one.data for one in found) == b"012345"
    assert [one.flags & 7 for one in found if one.flags & 7] == [2, 2, 1, 4]


def test_bytes_of_which_none_is_on_record_leave_a_gap_in_the_numbers() -> None:
    talk, packets = told(first=100)
    talk.carry(0, UP, 0, b"ab", 2)
    talk.carry(0, UP, 1000, b"cd", 2)
    assert [one.sequence for one in segments(packets) if one.size] == [101, 1101]


def test_a_comment_that_waits_for_what_never_comes_is_said_of_what_came_before() -> None:
    talk, packets = told()
    talk.open(0, dialled=False)
    talk.carry(0, UP, 0, b"ask", 3)
    talk.say_of_bytes("strikes", DOWN)
    talk.end(5, UP, "FIN")
    talk.close()
    said = [(one.size, packet.said()) for packet, one in zip(packets, segments(packets), strict=True) if packet.said()]
    assert said == [(3, ["strikes"])]


def test_what_was_withheld_is_summed_up() -> None:
    talk, packets = told()
    talk.open(0, dialled=False)
    for _ in range(3):
        talk.take("withheld", 1000)
    assert packets[-1].said() + packets[0].said() + packets[1].said() == ["3000 B withheld"]


# Files


def test_the_same_ends_in_another_recording_have_other_numbers() -> None:
    opened = {"server": 1, "at": 0.0, "event": "opened", "connection": 1, "client": ["127.0.0.1", 5], "text": "opened"}
    made = [Recording(began=float(second), events=[opened]) for second in range(2)]
    (one,), (two,) = ([frame.data for frame in section.frames[:1]] for section in parse.sections(pcapng.write(made)))
    first, second = (carried(blocks.RAW, data) for data in (one, two))
    assert first is not None
    assert second is not None
    assert first.sequence != second.sequence


def test_keys_stand_before_the_packets_that_are_read_with_them() -> None:
    line = "CLIENT_RANDOM 00 11"
    recording = Recording(servers=[{"id": 1, "name": "é", "began": 1.5}])
    recording.events = [
        {"server": 1, "at": 0.0, "event": "opened", "connection": 1, "client": ["127.0.0.1", 5], "text": "opened by"},
        {"server": 1, "at": 0.1, "event": "keys", "connection": 1, "text": f"{line}\n"},
        {"server": 1, "at": 0.2, "event": "keys", "connection": 2, "text": f"{line}\n"},
    ]
    made = pcapng.write([recording])
    (section,) = parse.sections(made)
    assert section.keys == [f"{line}\n"]
    assert made.index(line.encode()) < made.index(struct.pack("<II", blocks.PACKET, 84))
    assert section.interfaces[0].name == "é"
    assert "no packet was captured" in section.comment


def test_a_comment_is_cut_between_characters() -> None:
    code, value = blocks.comment("é" * 5000)
    assert code == blocks.COMMENT
    assert value.decode().endswith("é…")
    assert len(value) <= blocks.LONGEST + 3


def test_the_capture_of_nothing_is_one() -> None:
    assert [one.events for one in pcapng_read.read(pcapng.write([Recording(), Recording()]))] == [[], []]


def streams(events: list[dict[str, Any]], *kinds: str) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for event in events:
        if event["event"] in kinds:
            found[event["connection"]] = found.get(event["connection"], b"") + data_of(event)
    return found


def test_what_was_written_is_read_again(tcp_server: TcpServer, udp_server: UdpServer) -> None:
    injection = tcp_server.inject(Reset(after_bytes=4000), nth=2)
    udp_server.inject(Loss(1.0, direction="upstream"), nth=1)
    with recorded(tcp_server, udp_server, title="it") as recording:
        echo(tcp_server, b"x" * 5000)
        with connect(tcp_server) as client, pytest.raises(ConnectionResetError):
            client.sendall(b"y" * 5000)
            read_exactly(client, 5000)
        with udp_client(udp_server) as client:
            for data in (b"1", b"", b"3"):
                client.send(data)
            assert [client.recv(9), client.recv(9)] == [b"", b"3"]
    assert injection.hits
    (again,) = pcapng_read.read(pcapng.write([recording]))
    assert again.title == "it"
    mine, others = ([event for event in again.events if event["server"] == number] for number in (1, 2))
    assert streams(mine, "received") == {1: b"x" * 5000, 2: b"y" * 5000}
    assert streams(mine, "sent") == {1: b"x" * 5000, 2: b"y" * 4000}
    assert [data_of(event) for event in others if event["event"] == "sent"] == [b"", b"3"]
    assert [event.get("sign") for event in mine if event["event"] == "ended"][-1] == "RST"
    assert [one["transport"] for one in again.servers] == ["tcp", "udp"]
    assert [one["name"] for one in again.servers] == ["tcp_server", "udp_server"]
    notes = [event["text"] for event in again.events if event["event"] == "note"]
    assert "Reset(after_bytes=4000) strikes" in notes
    assert any("lost on the way to the server" in text for text in notes)
    assert {event["connection"] for event in mine} == {1, 2}


def test_reading_and_writing_again_changes_no_bytes(http_server: HttpServer) -> None:
    http_server.when("GET", "/").reply(body=bytes(range(256)) * 100)
    with recorded(http_server) as recording, connect(http_server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
        while client.recv(1 << 16):
            pass
    (once,) = pcapng_read.read(pcapng.write([recording]))
    (twice,) = pcapng_read.read(pcapng.write([once]))
    kinds = ("received", "sent")
    assert streams(once.events, "received") == streams(recording.events, "wire_received")
    assert streams(once.events, "sent") == streams(recording.events, "wire_sent")
    assert streams(twice.events, *kinds) == streams(once.events, *kinds)
    assert [one["event"] for one in twice.events if one["event"] != "note"] == [
        one["event"] for one in once.events if one["event"] != "note"
    ]


def test_bytes_that_were_not_kept_are_counted_when_read() -> None:
    recording = Recording(servers=[{"id": 1, "address": ["127.0.0.1", 80], "began": 1.0}])
    where = {"server": 1, "connection": 1}
    recording.events = [
        {**where, "at": 0.0, "event": "opened", "client": ["127.0.0.1", 5], "text": "opened by"},
        {**where, "at": 0.1, "event": "received", "offset": 0, "size": 5000, **plain_data(b"a" * 2000, 5000)},
        {**where, "at": 0.2, "event": "received", "offset": 5000, "size": 2, **plain_data(b"bc")},
    ]
    (again,) = pcapng_read.read(pcapng.write([recording]))
    first, second = [event for event in again.events if event["event"] == "received"]
    assert (first["size"], first["missing"], len(data_of(first))) == (5000, 3000, 2000)
    assert (second["offset"], data_of(second)) == (5000, b"bc")


# Captures of others


def frames(link: int, *packets: bytes, order: str = "<", options: bytes = b"") -> bytes:
    """A file as another would write it: microseconds, without options of ours."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack(f"{order}I", len(body) + 12)
        return struct.pack(f"{order}I", kind) + size + body + size

    made = block(blocks.SECTION, struct.pack(f"{order}IHHq", blocks.MAGIC, 1, 0, -1))
    made += block(blocks.INTERFACE, struct.pack(f"{order}HHI", link, 0, 262144) + options)
    for number, packet in enumerate(packets):
        at = 1_700_000_000_000_000 + number * 1000
        head = struct.pack(f"{order}IIIII", 0, at >> 32, at & 0xFFFFFFFF, len(packet), len(packet))
        made += block(blocks.PACKET, head + packet)
    return made


ETHERNET = bytes(12)

LINKS = {
    1: [ETHERNET + b"\x08\x00", ETHERNET + b"\x81\x00\x00\x07\x08\x00"],
    0: [b"\x02\0\0\0"],
    108: [b"\0\0\0\x02"],
    113: [bytes(14) + b"\x08\x00"],
    276: [b"\x08\x00" + bytes(18)],
    101: [b""],
    228: [b""],
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("link", "head"), [(link, head) for link, heads in LINKS.items() for head in heads])
def test_every_usual_kind_of_link_is_read(link: int, head: bytes, order: str) -> None:
    talk, packets = told()
    talk.open(0, dialled=False)
    talk.carry(0, UP, 0, b"ask", 3)
    talk.end(0, UP, "FIN")
    data = frames(link, *(head + packet.data for packet in packets), order=order)
    (recording,) = pcapng_read.read(data)
    kinds = [(event["event"], event["at"]) for event in recording.events]
    assert kinds == [("opened", 0.0), ("received", 0.003), ("ended", 0.005)]
    assert recording.began == 1_700_000_000
    assert recording.events[0]["client"] == ["127.0.0.1", 50000]


def test_an_ethernet_frame_that_is_padded_has_no_more_bytes() -> None:
    packet = ETHERNET + b"\x08\x00" + segment(CLIENT, SERVER, 1, 1, ACK) + bytes(6)
    (recording,) = pcapng_read.read(frames(1, packet))
    assert [event["event"] for event in recording.events] == ["opened"]


def test_segments_that_come_late_and_twice_are_put_in_order() -> None:
    data = bytes(range(250))
    pieces = [segment(CLIENT, SERVER, 1 + at, 1, ACK, data[at : at + 30]) for at in range(0, 250, 25)]
    chance = random.Random(7)
    for _ in range(20):
        mixed = [pieces[0], *chance.sample(pieces * 2, len(pieces) * 2)]
        (recording,) = pcapng_read.read(frames(101, segment(CLIENT, SERVER, 0, 0, SYN), *mixed))
        assert streams(recording.events, "received") == {1: data}


def test_a_segment_that_was_not_captured_leaves_a_gap_that_can_be_seen() -> None:
    packets = [segment(CLIENT, SERVER, 1, 1, ACK, b"abc"), segment(CLIENT, SERVER, 10, 1, ACK, b"def")]
    (recording,) = pcapng_read.read(frames(101, *packets))
    found = [(event["offset"], data_of(event)) for event in recording.events if event["event"] == "received"]
    assert found == [(0, b"abc"), (9, b"def")]


def test_the_same_ends_may_connect_again() -> None:
    one = [segment(CLIENT, SERVER, 5, 0, SYN), segment(CLIENT, SERVER, 6, 1, ACK, b"one")]
    two = [segment(CLIENT, SERVER, 900, 0, SYN), segment(CLIENT, SERVER, 901, 1, ACK, b"two")]
    (recording,) = pcapng_read.read(frames(101, *one, *two))
    assert streams(recording.events, "received") == {1: b"one", 2: b"two"}


def test_of_a_conversation_whose_beginning_is_not_there_the_larger_port_is_the_clients() -> None:
    (recording,) = pcapng_read.read(frames(101, segment(SERVER, CLIENT, 5, 1, ACK, b"answer")))
    assert streams(recording.events, "sent") == {1: b"answer"}
    assert recording.servers[0]["address"] == ["127.0.0.1", 80]


@pytest.mark.parametrize(
    "data",
    [b"", b"x", bytes(100), b"\x0a\x0d\x0d\x0a" + bytes(20), b"\xd4\xc3\xb2\xa1" + bytes(20), frames(1)[:4] * 10],
)
def test_what_is_no_capture_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="pcapng"):
        pcapng_read.read(data)


def test_a_file_that_was_cut_is_read_as_far_as_it_goes() -> None:
    whole = frames(101, segment(CLIENT, SERVER, 1, 1, ACK, b"abc"), segment(CLIENT, SERVER, 4, 1, ACK, b"def"))
    (recording,) = pcapng_read.read(whole[:-10])
    assert streams(recording.events, "received") == {1: b"abc"}
    assert recording.notes == ["the file ends in the middle of a block"]


def sample() -> bytes:
    talk, packets = told()
    talk.open(0, dialled=False)
    talk.carry(0, UP, 0, b"ask", 3)
    talk.carry(0, DOWN, 0, b"answer", 6)
    made = [blocks.section([blocks.comment("x")]), blocks.interface([]), blocks.secrets("A 1 2\n")]
    made += [blocks.packet(0, 1, packet.data, packet.size, [blocks.comment("y")]) for packet in packets]
    made.append(blocks.packet(0, 2, datagram(CLIENT, SERVER, b"dns"), 31, []))
    return b"".join(made)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_garbage_is_an_error_that_is_told_or_is_passed_over(data: st.DataObject) -> None:
    damaged = bytearray(sample())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
        if not damaged:
            break
    try:
        recordings = pcapng_read.read(bytes(damaged))
    except ValueError as error:
        assert "pcapng" in str(error)
    else:
        pcapng.write(recordings)
        for recording in recordings:
            list(recording.lines())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([0, 1, 12, 101, 108, 113, 228, 229, 276, 999]), st.lists(st.binary(max_size=120), max_size=5))
def test_frames_of_anything_are_passed_over(link: int, packets: list[bytes]) -> None:
    for recording in pcapng_read.read(frames(link, *packets)):
        pcapng.write([recording])


def test_a_server_that_was_in_no_test_is_saved_and_read(netmocks: Netmocks, tmp_path: Path) -> None:
    server = netmocks.tcp()
    echo(server, b"hello")
    server.save(tmp_path / "it.pcapng")
    (recording,) = pcapng_read.read((tmp_path / "it.pcapng").read_bytes())
    assert streams(recording.events, "received") == streams(recording.events, "sent") == {1: b"hello"}
