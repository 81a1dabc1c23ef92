"""The types of what servers hand out, for annotations and `isinstance`: rules, records, what `inject` gives.

    from pytest_netmocks.types import HttpRule, Server

Nothing is imported before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time `__getattr__` has them
    from pytest_netmocks.limits import Limit as Limit
    from pytest_netmocks.names.names import Lookup as Lookup
    from pytest_netmocks.names.names import Names as Names
    from pytest_netmocks.names.rules import NameRule as NameRule
    from pytest_netmocks.protocols.dns.rules import DnsRule as DnsRule
    from pytest_netmocks.protocols.grpc.metadata import Metadata as Metadata
    from pytest_netmocks.protocols.grpc.rules import GrpcRule as GrpcRule
    from pytest_netmocks.protocols.http.match import Criteria as Criteria
    from pytest_netmocks.protocols.http.rules import HttpRule as HttpRule
    from pytest_netmocks.protocols.imap.rules import ImapRule as ImapRule
    from pytest_netmocks.protocols.mqtt.broker import Session
    from pytest_netmocks.protocols.mqtt.rules import MqttRule as MqttRule
    from pytest_netmocks.protocols.redis.rules import RedisRule as RedisRule
    from pytest_netmocks.protocols.smtp.records import Envelope as Envelope
    from pytest_netmocks.protocols.socks.rules import SocksRule as SocksRule
    from pytest_netmocks.protocols.udp.server import Send as Send
    from pytest_netmocks.protocols.udp.server import UdpRule as UdpRule
    from pytest_netmocks.protocols.web.fields import Headers as Headers
    from pytest_netmocks.protocols.web.fields import Query as Query
    from pytest_netmocks.protocols.web.multipart import UploadedFile as UploadedFile
    from pytest_netmocks.protocols.web.records import HttpConnection as HttpConnection
    from pytest_netmocks.protocols.web.requests import Files as Files
    from pytest_netmocks.protocols.web.requests import SentResponse as SentResponse
    from pytest_netmocks.protocols.ws.route import WsRoute as WsRoute
    from pytest_netmocks.protocols.ws.rules import HandshakeRule as HandshakeRule
    from pytest_netmocks.protocols.ws.rules import MessageRule as MessageRule
    from pytest_netmocks.records.journal import Dropped as Dropped
    from pytest_netmocks.records.proxied import ProxyHeader as ProxyHeader
    from pytest_netmocks.records.subscription import Subscription as Subscription
    from pytest_netmocks.records.timeline import Line as Line
    from pytest_netmocks.records.timeline import Timeline as Timeline
    from pytest_netmocks.records.tls import TlsInfo as TlsInfo
    from pytest_netmocks.rules.bytes import ByteRule as ByteRule
    from pytest_netmocks.rules.commands import CommandRule as CommandRule
    from pytest_netmocks.servers.access import Banned as Banned
    from pytest_netmocks.servers.everywhere import Everywhere as Everywhere
    from pytest_netmocks.servers.handlers import Writer as Writer
    from pytest_netmocks.servers.ports import Ports as Ports
    from pytest_netmocks.servers.server import Server as Server
    from pytest_netmocks.servers.stream import StreamServer as StreamServer
    from pytest_netmocks.sweeps.run import Failure, Report
    from pytest_netmocks.virtual.held import Held as Held
    from pytest_netmocks.virtual.sleeps import Sleep as Sleep

    MqttSession = Session
    SweepFailure = Failure
    SweepReport = Report

WHERE = {
    "Banned": "servers.access:Banned",
    "ByteRule": "rules.bytes:ByteRule",
    "CommandRule": "rules.commands:CommandRule",
    "Criteria": "protocols.http.match:Criteria",
    "DnsRule": "protocols.dns.rules:DnsRule",
    "Dropped": "records.journal:Dropped",
    "Envelope": "protocols.smtp.records:Envelope",
    "Everywhere": "servers.everywhere:Everywhere",
    "Files": "protocols.web.requests:Files",
    "GrpcRule": "protocols.grpc.rules:GrpcRule",
    "HandshakeRule": "protocols.ws.rules:HandshakeRule",
    "Headers": "protocols.web.fields:Headers",
    "Held": "virtual.held:Held",
    "HttpConnection": "protocols.web.records:HttpConnection",
    "HttpRule": "protocols.http.rules:HttpRule",
    "ImapRule": "protocols.imap.rules:ImapRule",
    "Limit": "limits:Limit",
    "Line": "records.timeline:Line",
    "Lookup": "names.names:Lookup",
    "MessageRule": "protocols.ws.rules:MessageRule",
    "Metadata": "protocols.grpc.metadata:Metadata",
    "MqttRule": "protocols.mqtt.rules:MqttRule",
    "MqttSession": "protocols.mqtt.broker:Session",
    "NameRule": "names.rules:NameRule",
    "Names": "names.names:Names",
    "Ports": "servers.ports:Ports",
    "ProxyHeader": "records.proxied:ProxyHeader",
    "Query": "protocols.web.fields:Query",
    "RedisRule": "protocols.redis.rules:RedisRule",
    "Send": "protocols.udp.server:Send",
    "SentResponse": "protocols.web.requests:SentResponse",
    "Server": "servers.server:Server",
    "Sleep": "virtual.sleeps:Sleep",
    "SocksRule": "protocols.socks.rules:SocksRule",
    "StreamServer": "servers.stream:StreamServer",
    "Subscription": "records.subscription:Subscription",
    "SweepFailure": "sweeps.run:Failure",
    "SweepReport": "sweeps.run:Report",
    "Timeline": "records.timeline:Timeline",
    "TlsInfo": "records.tls:TlsInfo",
    "UdpRule": "protocols.udp.server:UdpRule",
    "UploadedFile": "protocols.web.multipart:UploadedFile",
    "Writer": "servers.handlers:Writer",
    "WsRoute": "protocols.ws.route:WsRoute",
}
"""The modules that have them, and under which name."""


if not TYPE_CHECKING:  # a name that is not here is to be an error in an editor

    def __getattr__(name: str) -> Any:
        if name not in WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        module, _, found = WHERE[name].partition(":")
        return getattr(importlib.import_module(f"pytest_netmocks.{module}"), found)


def __dir__() -> list[str]:
    return [*WHERE]
