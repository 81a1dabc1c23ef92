"""The DNS server, by dnspython and by bytes."""

from __future__ import annotations

import base64
import socket
import ssl
import struct
import subprocess
import threading
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import dns.update
import pycares
import pytest
import requests
from helpers import connect, program, udp_client

from pytest_netmocks import DnsServer
from pytest_netmocks.faults import Answer, Latency, Loss, Reset
from pytest_netmocks.plugin.factory import Netmocks


def resolver(server: DnsServer, **options: object) -> dns.resolver.Resolver:
    made = dns.resolver.Resolver(configure=False)
    made.nameservers = [server.host]
    made.port = server.port
    made.lifetime = made.timeout = 10
    for name, value in options.items():
        setattr(made, name, value)
    return made


def addresses(server: DnsServer, name: str, kind: str = "A", **options: bool) -> list[str]:
    return [row.to_text() for row in resolver(server).resolve(name, kind, **options)]  # type: ignore[arg-type]


def asked(name: str, kind: str = "A") -> bytes:
    return dns.message.make_query(name, kind, use_edns=False, id=7).to_wire()  # the same on every worker


def outcomes(server: DnsServer, name: str, *transports: str) -> dict[str, str]:
    """What becomes of a question, by what it is sent over."""
    query = dns.message.make_query(name, "A")
    found = {}
    for transport in transports or ("udp", "tcp"):
        ask = dns.query.udp if transport == "udp" else dns.query.tcp
        seconds = 0.5 if transport == "udp" else 10  # datagrams are lost wherever this is asked
        try:
            found[transport] = ask(query, server.host, seconds, server.port).answer[0][0].to_text()
        except dns.exception.Timeout:
            found[transport] = "timeout"
        except (ConnectionResetError, EOFError):
            found[transport] = "reset"
    return found


def test_names_of_the_zone_are_answered_over_udp_and_tcp(dns_server: DnsServer) -> None:
    dns_server.zone["api.example.com"] = "10.0.0.1"
    dns_server.zone["both.example.com"] = ["10.0.0.2", "2001:db8::1"]
    assert addresses(dns_server, "api.example.com") == ["10.0.0.1"]
    assert addresses(dns_server, "both.example.com", "AAAA", tcp=True) == ["2001:db8::1"]
    first, second = dns_server.requests
    assert (first.name, first.type, first.transport, first.reply) == ("api.example.com", "A", "udp", "NOERROR 10.0.0.1")
    assert second.transport == "tcp"
    assert "RD" in first.flags


def test_addresses_of_a_list_go_round(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = ["10.0.0.1", "10.0.0.2"]
    assert [addresses(dns_server, "a.test")[0] for _ in range(3)] == ["10.0.0.1", "10.0.0.2", "10.0.0.1"]


def test_other_types_chains_and_stars(dns_server: DnsServer) -> None:
    dns_server.add("example.com", "MX", "10 mail.example.com", ttl=60)
    dns_server.add("www.example.com", "CNAME", "web.example.com")
    dns_server.add("web.example.com", "CNAME", "host.example.com")
    dns_server.zone["host.example.com"] = "10.0.0.3"
    dns_server.add("*.wild.example.com", "TXT", '"any"')
    assert addresses(dns_server, "example.com", "MX") == ["10 mail.example.com."]
    assert addresses(dns_server, "www.example.com") == ["10.0.0.3"]
    assert addresses(dns_server, "a.b.wild.example.com", "TXT") == ['"any"']
    with pytest.raises(dns.resolver.NXDOMAIN):
        addresses(dns_server, "nobody.example.com")
    with pytest.raises(dns.resolver.NoAnswer):
        addresses(dns_server, "host.example.com", "AAAA")
    answer = dns.query.udp(dns.message.make_query("nobody.test", "A"), dns_server.host, 10, dns_server.port)
    assert "SOA" in answer.authority[0].to_text()


@pytest.mark.parametrize("code", ["NXDOMAIN", "SERVFAIL", "REFUSED"])
def test_a_rule_fails_a_name_for_once(dns_server: DnsServer, code: str) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    dns_server.when("a.test", "A").reply(code, times=1)
    query = dns.message.make_query("a.test", "A")
    answers = [dns.query.udp(query, dns_server.host, 10, dns_server.port) for _ in range(2)]
    assert [dns.rcode.to_text(answer.rcode()) for answer in answers] == [code, "NOERROR"]


def test_a_truncated_answer_is_asked_for_again_over_tcp(dns_server: DnsServer) -> None:
    dns_server.when("a.test").reply("10.0.0.1", truncated=True)
    assert addresses(dns_server, "a.test") == ["10.0.0.1"]
    assert [(query.transport, query.reply) for query in dns_server.requests] == [
        ("udp", "NOERROR truncated"),
        ("tcp", "NOERROR 10.0.0.1"),
    ]


def test_so_is_one_that_does_not_fit(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = [f"10.0.{high}.{low}" for high in range(4) for low in range(1, 101)]
    assert len(addresses(dns_server, "a.test")) == 400
    assert [query.transport for query in dns_server.requests] == ["udp", "tcp"]


def test_who_takes_more_by_edns_gets_it_over_udp(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = [f"10.0.0.{low}" for low in range(1, 61)]
    plain = dns.message.make_query("a.test", "A", use_edns=False)
    large = dns.message.make_query("a.test", "A", use_edns=0, payload=4096)
    where = dns_server.host, 10, dns_server.port
    assert dns.query.udp(plain, *where).flags & dns.flags.TC
    assert len(dns.query.udp(large, *where).answer[0]) == 60
    assert [query.edns for query in dns_server.requests] == [0, 4096]


@pytest.mark.parametrize("wrong", ["wrong_id", "wrong_question"])
def test_an_answer_to_another_query_is_none_for_the_client(dns_server: DnsServer, wrong: str) -> None:
    dns_server.when("a.test").reply("10.0.0.1", **{wrong: True})  # type: ignore[arg-type]
    with pytest.raises(dns.query.BadResponse):
        dns.query.udp(dns.message.make_query("a.test", "A"), dns_server.host, 10, dns_server.port)


def test_extra_bytes_raw_bytes_and_silence(dns_server: DnsServer) -> None:
    dns_server.when("extra.test").reply("10.0.0.1", extra=b"more")
    dns_server.when("raw.test").reply(raw=b"no message")
    dns_server.when("silent.test").reply(None)
    where = dns_server.host, 10, dns_server.port
    with pytest.raises(dns.message.TrailingJunk):
        dns.query.udp(dns.message.make_query("extra.test", "A"), *where)
    with pytest.raises(dns.message.ShortHeader):
        dns.query.udp(dns.message.make_query("raw.test", "A"), *where)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(dns_server.address)
        client.send(asked("silent.test"))
        dns_server.wait_for(lambda server: server.requests[-1].reply == "nothing")
    dns_server.when("raw.test").reply("10.0.0.9")
    assert addresses(dns_server, "raw.test") == ["10.0.0.9"]


def test_a_function_answers(dns_server: DnsServer) -> None:
    dns_server.when("*.test").reply(lambda query: "NXDOMAIN" if query.name.startswith("no") else ["10.0.0.1", "::1"])
    assert addresses(dns_server, "a.test") == ["10.0.0.1"]
    assert addresses(dns_server, "a.test", "AAAA") == ["::1"]
    with pytest.raises(dns.resolver.NXDOMAIN):
        addresses(dns_server, "no.test")


def test_an_address_is_no_answer_to_a_question_of_another_type(dns_server: DnsServer) -> None:
    dns_server.when("constant.test").reply("10.0.0.1")
    dns_server.when("function.test").reply(lambda query: "10.0.0.1")
    for name in ("constant.test", "function.test"):
        assert addresses(dns_server, name) == ["10.0.0.1"]
        for kind in ("MX", "TXT", "AAAA"):
            with pytest.raises(dns.resolver.NoAnswer):
                addresses(dns_server, name, kind)


def test_a_star_is_for_names_directly_below_the_closest_that_exists(dns_server: DnsServer) -> None:
    for name in ("*.example.com", "a.b.example.com"):
        dns_server.zone[name] = "10.0.0.1"
    assert addresses(dns_server, "x.c.example.com") == ["10.0.0.1"]
    with pytest.raises(dns.resolver.NoAnswer):
        addresses(dns_server, "b.example.com")
    for name in ("x.b.example.com", "x.a.b.example.com"):
        with pytest.raises(dns.resolver.NXDOMAIN):
            addresses(dns_server, name)


def test_capitals_are_kept_as_they_were_asked_for(dns_server: DnsServer) -> None:
    dns_server.zone["api.test"] = "10.0.0.1"
    answer = dns.query.udp(dns.message.make_query("aPi.TeSt", "A"), dns_server.host, 10, dns_server.port)
    assert answer.question[0].name.to_text() == "aPi.TeSt."
    assert answer.answer[0].name.to_text() == "aPi.TeSt."
    assert dns_server.requests[0].name == "aPi.TeSt"


@pytest.mark.virtual_time
def test_a_resolver_asks_again_when_a_datagram_is_lost_or_late(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    dns_server.inject(Loss(1.0), first=1)
    dns_server.when("late.test").reply("10.0.0.2", delay=30, times=1).reply("10.0.0.2")
    found = resolver(dns_server, timeout=20, lifetime=600)
    assert [row.to_text() for row in found.resolve("a.test", "A")] == ["10.0.0.1"]
    assert [row.to_text() for row in found.resolve("late.test", "A")] == ["10.0.0.2"]
    assert [query.name for query in dns_server.requests] == ["a.test", "a.test", "late.test", "late.test"]


def test_faults_of_streams_strike_connections_only(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    dns_server.when("a.test").inject(Reset(after_bytes=5))
    assert addresses(dns_server, "a.test") == ["10.0.0.1"]
    with pytest.raises((ConnectionResetError, EOFError)):
        dns.query.tcp(dns.message.make_query("a.test", "A"), dns_server.host, 10, dns_server.port)


def test_faults_of_datagrams_strike_datagrams_only(netmocks: Netmocks, dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    rule = dns_server.when("a.test")
    lost = rule.inject(Loss(1.0))
    reset = rule.inject(Reset())
    assert outcomes(dns_server, "a.test") == {"udp": "timeout", "tcp": "reset"}
    reset.lift()
    assert outcomes(dns_server, "a.test") == {"udp": "timeout", "tcp": "10.0.0.1"}
    assert (lost.hits, reset.hits, rule.hits) == (2, 1, 3)
    secure = netmocks.dns(tls=True)
    for inject in (secure.inject, secure.when("a.test").inject):
        with pytest.raises(ValueError, match="strikes datagrams"):
            inject(Loss(1.0))


def test_a_fault_that_does_not_fit_hides_no_older_rules_and_is_not_counted(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    dns_server.when("a.test").inject(Reset())
    dns_server.when("a.test").inject(Loss(1.0), first=1)
    assert outcomes(dns_server, "a.test", "tcp", "udp") == {"tcp": "reset", "udp": "timeout"}


def test_an_answer_by_chance(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    dns_server.inject(Answer("SERVFAIL"), first=1)
    query = dns.message.make_query("a.test", "A")
    codes = [dns.query.udp(query, dns_server.host, 10, dns_server.port).rcode() for _ in range(2)]
    assert codes == [dns.rcode.SERVFAIL, dns.rcode.NOERROR]


def test_over_tls(netmocks: Netmocks) -> None:
    server = netmocks.dns(tls=True)
    server.zone["a.test"] = "10.0.0.1"
    context: ssl.SSLContext = server.client_context()
    query = dns.message.make_query("a.test", "A")
    answer = dns.query.tls(query, server.host, 10, server.port, ssl_context=context, server_hostname="localhost")
    assert answer.answer[0][0].to_text() == "10.0.0.1"
    assert server.requests[0].transport == "tls"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_over_https(netmocks: Netmocks, dns_server: DnsServer, method: str) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    dns_server.when("late.test").reply("10.0.0.2", delay=0.01)
    web = netmocks.http()
    web.mount(dns_server.over_http, at="/dns-query")
    url = web.url_for("/dns-query")
    for name, address in (("a.test", "10.0.0.1"), ("late.test", "10.0.0.2")):
        wire = asked(name)
        if method == "GET":
            dns_ = base64.urlsafe_b64encode(wire).rstrip(b"=").decode()
            got = requests.get(url, params={"dns": dns_}, timeout=10)
        else:
            got = requests.post(url, data=wire, headers={"Content-Type": "application/dns-message"}, timeout=10)
        assert got.headers["content-type"] == "application/dns-message"
        assert dns.message.from_wire(got.content).answer[0][0].to_text() == address
    assert {query.transport for query in dns_server.requests} == {"https"}
    assert requests.get(url, timeout=10).status_code == 400
    assert requests.get(url, params={"dns": "***"}, timeout=10).status_code in (400, 502)


def test_many_questions_on_one_connection_are_answered_in_turn(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    messages = [dns.message.make_query("a.test", "A") for _ in range(20)]
    with connect(dns_server) as client:
        client.sendall(b"".join(struct.pack("!H", len(one.to_wire())) + one.to_wire() for one in messages))
        stream = client.makefile("rb")
        for message in messages:
            size = struct.unpack("!H", stream.read(2))[0]
            assert dns.message.from_wire(stream.read(size)).id == message.id


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\0" * 11,
        b"\0" * 12,
        b"\xff" * 600,
        b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1",
        asked("a.test")[:20],
        asked("a.test") + b"trailing",
        b"\0\1\x29\0\0\0\0\0\0\0\0\0",
    ],
)
def test_what_is_no_question_harms_nobody(dns_server: DnsServer, data: bytes) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(dns_server.address)
        client.send(data)
        with connect(dns_server) as stream:
            stream.sendall(struct.pack("!H", len(data)) + data)
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(1000):
                pass
        assert addresses(dns_server, "a.test") == ["10.0.0.1"]


def test_what_a_zone_cannot_have_is_refused_at_the_call(dns_server: DnsServer) -> None:
    with pytest.raises(ValueError, match="must be an IP address or a list"):
        dns_server.zone["a.test"] = "host.test"
    with pytest.raises(ValueError, match="type must be a type of record"):
        dns_server.add("a.test", "NOTYPE", "x")
    with pytest.raises(ValueError, match="data must be what a record of the type MX has"):
        dns_server.add("a.test", "MX", "mail")
    with pytest.raises(ValueError, match="name must be a name"):
        dns_server.zone["a..test"] = "10.0.0.1"
    with pytest.raises(TypeError, match="needs addresses"):
        dns_server.when("a.test").reply()
    with pytest.raises(ValueError, match="reply must be an IP address or a code"):
        dns_server.when("a.test").reply("NODOMAIN")
    with pytest.raises(ValueError, match="ttl"):
        dns_server.when("a.test").reply("10.0.0.1", ttl=-1)
    with pytest.raises(ValueError, match="cipher text"):
        dns_server.inject(Latency(1, layer="tls"))


def test_a_server_that_is_reset_has_the_names_that_it_began_with() -> None:
    server = DnsServer()
    server.zone["a.test"] = "10.0.0.1"
    with server:
        server.zone["b.test"] = "10.0.0.2"
        server.reset()
        assert list(server.zone) == ["a.test"]


def test_pycares_does(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    found: list[Any] = []
    done = threading.Event()

    def answered(result: Any, error: Any) -> None:
        found.append((error, result))
        done.set()

    channel = pycares.Channel(servers=[f"{dns_server.host}:{dns_server.port}"], timeout=10, tries=1)
    channel.query("a.test", pycares.QUERY_TYPE_A, callback=answered)
    assert done.wait(20)
    channel.close()
    assert found[0][0] is None, found
    assert found[0][1].answer[0].data.addr == "10.0.0.1"


@program("kdig")
@pytest.mark.parametrize("tls", [False, True])
def test_kdig_does_with_several_questions_on_one_connection(netmocks: Netmocks, tls: bool) -> None:
    server = netmocks.dns(tls=tls)
    server.zone["a.test"], server.zone["b.test"] = "10.0.0.1", "10.0.0.2"
    over = [f"+tls-ca={server.ca.cert_file}", "+tls-hostname=localhost", "+tls"] if tls else ["+tcp"]
    command = ["kdig", f"@{server.host}", "-p", str(server.port), *over, "+keepopen", "+short", "a.test", "b.test"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"10.0.0.1\n10.0.0.2\n"
    assert len({query.connection.id for query in server.requests}) == 1


@program("dig")
def test_dig_does(dns_server: DnsServer) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    for option in ("+notcp", "+tcp"):
        command = ["dig", f"@{dns_server.host}", "-p", str(dns_server.port), option, "+short", "+time=10", "a.test"]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"10.0.0.1\n"


@pytest.mark.parametrize("transport", [dns.query.udp, dns.query.tcp])
def test_what_it_does_not_do_is_said_in_the_words_of_the_protocol(dns_server: DnsServer, transport: Any) -> None:
    dns_server.add("a.test", "SOA", "ns.a.test. hostmaster.a.test. 1 3600 600 86400 60")
    dns_server.zone["a.test"] = "10.0.0.1"

    def code(message: dns.message.Message) -> str:
        return dns.rcode.to_text(transport(message, dns_server.host, 10, dns_server.port).rcode())

    assert code(dns.message.make_query("a.test", "AXFR")) == "REFUSED"
    assert code(dns.message.make_query("a.test", "IXFR")) == "REFUSED"
    assert code(dns.message.make_query("version.bind", "TXT", "CH")) == "REFUSED"
    assert code(dns.message.make_query("a.test", "A", use_edns=1)) == "BADVERS"
    assert code(dns.update.UpdateMessage("a.test")) == "NOTIMP"
    notify = dns.message.make_query("a.test", "SOA", use_edns=False)
    notify.set_opcode(dns.opcode.NOTIFY)
    assert code(notify) == "NOTIMP"
    dns_server.when("a.test", "AXFR").reply("SERVFAIL")
    assert code(dns.message.make_query("a.test", "AXFR")) == "SERVFAIL"


def test_a_signature_of_somebody_unknown_is_not_believed(dns_server: DnsServer) -> None:
    query = dns.message.make_query("a.test", "A")
    query.use_tsig({dns.name.from_text("key."): b"secret"})
    with udp_client(dns_server) as client:
        client.send(query.to_wire())
        answer = client.recv(1000)
    assert answer[3] & 15 == dns.rcode.NOTAUTH


def test_capitals_are_kept_in_every_answer_though_names_are_the_same(dns_server: DnsServer) -> None:
    dns_server.zone["api.test"] = ["10.0.0.1", "10.0.0.2"]
    dns_server.when("rule.test").reply("10.0.0.3")
    for name in ("api.test.", "API.test.", "aPi.TeSt.", "RULE.test.", "rule.TEST."):
        answer = dns.query.udp(dns.message.make_query(name, "A"), dns_server.host, 10, dns_server.port)
        assert {str(row.name) for row in [*answer.question, *answer.answer]} == {name}
