"""The table of the servers: one line in `Kinds` is all that the rest of the house knows of a protocol.

A new one has its folder beside this file, its line and its public names here, its fixtures in `plugin/fixtures.py`
and `plugin/wider.py`, and the types of its rules in `types.py`.
Nothing is imported before somebody asks for a server. The house's test compares what is here for type checkers with the
lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_netmocks.protocols.entry import kind

if TYPE_CHECKING:  # the public names of the protocols: `pytest_netmocks` has all of them
    from pytest_netmocks.protocols.badssl.server import BadsslServer as BadsslServer
    from pytest_netmocks.protocols.dns.records import DnsQuery as DnsQuery
    from pytest_netmocks.protocols.dns.server import DnsServer as DnsServer
    from pytest_netmocks.protocols.ftp.records import FtpConnection as FtpConnection
    from pytest_netmocks.protocols.ftp.records import FtpRequest as FtpRequest
    from pytest_netmocks.protocols.ftp.server import FtpServer as FtpServer
    from pytest_netmocks.protocols.ftp.server import FtpsServer as FtpsServer
    from pytest_netmocks.protocols.grpc.records import GrpcCall as GrpcCall
    from pytest_netmocks.protocols.grpc.reply import GrpcReply as GrpcReply
    from pytest_netmocks.protocols.grpc.server import GrpcServer as GrpcServer
    from pytest_netmocks.protocols.grpc.server import GrpcsServer as GrpcsServer
    from pytest_netmocks.protocols.http.server import HttpServer as HttpServer
    from pytest_netmocks.protocols.http.server import HttpsServer as HttpsServer
    from pytest_netmocks.protocols.http_proxy.server import HttpProxyServer as HttpProxyServer
    from pytest_netmocks.protocols.httpbin.server import HttpbinServer as HttpbinServer
    from pytest_netmocks.protocols.imap.records import ImapRequest as ImapRequest
    from pytest_netmocks.protocols.imap.server import ImapServer as ImapServer
    from pytest_netmocks.protocols.imap.server import ImapsServer as ImapsServer
    from pytest_netmocks.protocols.mail.mailbox import Folder as Folder
    from pytest_netmocks.protocols.mail.mailbox import Mailbox as Mailbox
    from pytest_netmocks.protocols.mail.mailbox import StoredMessage as StoredMessage
    from pytest_netmocks.protocols.mqtt.records import MqttMessage as MqttMessage
    from pytest_netmocks.protocols.mqtt.records import MqttPacket as MqttPacket
    from pytest_netmocks.protocols.mqtt.records import MqttSubscription as MqttSubscription
    from pytest_netmocks.protocols.mqtt.server import MqttServer as MqttServer
    from pytest_netmocks.protocols.mqtt.server import MqttsServer as MqttsServer
    from pytest_netmocks.protocols.pop3.records import Pop3Request as Pop3Request
    from pytest_netmocks.protocols.pop3.server import Pop3Server as Pop3Server
    from pytest_netmocks.protocols.pop3.server import Pop3sServer as Pop3sServer
    from pytest_netmocks.protocols.proxy.server import TcpProxy as TcpProxy
    from pytest_netmocks.protocols.proxy.server import UdpProxy as UdpProxy
    from pytest_netmocks.protocols.redis.data import RedisData as RedisData
    from pytest_netmocks.protocols.redis.data import RedisSortedSet as RedisSortedSet
    from pytest_netmocks.protocols.redis.data import RedisStream as RedisStream
    from pytest_netmocks.protocols.redis.records import RedisConnection as RedisConnection
    from pytest_netmocks.protocols.redis.records import RedisRequest as RedisRequest
    from pytest_netmocks.protocols.redis.server import RedisServer as RedisServer
    from pytest_netmocks.protocols.redis.server import RedissServer as RedissServer
    from pytest_netmocks.protocols.rpc.endpoint import RpcCall as RpcCall
    from pytest_netmocks.protocols.rpc.json import JsonRpc as JsonRpc
    from pytest_netmocks.protocols.rpc.json import JsonRpcError as JsonRpcError
    from pytest_netmocks.protocols.rpc.xml import XmlRpc as XmlRpc
    from pytest_netmocks.protocols.smtp.records import MailMessage as MailMessage
    from pytest_netmocks.protocols.smtp.records import SmtpRequest as SmtpRequest
    from pytest_netmocks.protocols.smtp.server import SmtpServer as SmtpServer
    from pytest_netmocks.protocols.smtp.server import SmtpsServer as SmtpsServer
    from pytest_netmocks.protocols.socks.records import SocksRequest as SocksRequest
    from pytest_netmocks.protocols.socks.server import Socks5Server as Socks5Server
    from pytest_netmocks.protocols.syslog.records import SyslogMessage as SyslogMessage
    from pytest_netmocks.protocols.syslog.server import SyslogServer as SyslogServer
    from pytest_netmocks.protocols.tcp.records import TcpRequest as TcpRequest
    from pytest_netmocks.protocols.tcp.server import TcpServer as TcpServer
    from pytest_netmocks.protocols.tcp.server import TlsServer as TlsServer
    from pytest_netmocks.protocols.udp.server import UdpServer as UdpServer
    from pytest_netmocks.protocols.web.requests import HttpRequest as HttpRequest
    from pytest_netmocks.protocols.web.response import Response as Response
    from pytest_netmocks.protocols.ws.frames import ws_frame as ws_frame
    from pytest_netmocks.protocols.ws.records import WsConnection as WsConnection
    from pytest_netmocks.protocols.ws.records import WsMessage as WsMessage
    from pytest_netmocks.protocols.ws.server import WsServer as WsServer
    from pytest_netmocks.protocols.ws.server import WssServer as WssServer

    tcp = TcpServer
    tls = TlsServer
    udp = UdpServer
    http = HttpServer
    https = HttpsServer
    httpbin = HttpbinServer
    badssl = BadsslServer
    ws = WsServer
    wss = WssServer
    smtp = SmtpServer
    smtps = SmtpsServer
    pop3 = Pop3Server
    pop3s = Pop3sServer
    ftp = FtpServer
    ftps = FtpsServer
    tcp_proxy = TcpProxy
    udp_proxy = UdpProxy
    socks5 = Socks5Server
    http_proxy = HttpProxyServer
    imap = ImapServer
    imaps = ImapsServer
    dns = DnsServer
    syslog = SyslogServer
    redis = RedisServer
    rediss = RedissServer
    mqtt = MqttServer
    mqtts = MqttsServer
    grpc = GrpcServer
    grpcs = GrpcsServer


class Kinds:
    """Every kind of server by its name, as `pytest_netmocks` and the `netmocks` fixture have them."""

    tcp: type[TcpServer] = kind(
        "tcp.server:TcpServer",
        "tcp_server",
        "bytes over TCP: echo, rules, handlers",
        also=("tcp.records:TcpRequest",),
    )
    tls: type[TlsServer] = kind("tcp.server:TlsServer", "tls_server", "bytes over TLS: echo, rules, handlers")
    http: type[HttpServer] = kind(
        "http.server:HttpServer",
        "http_server",
        "HTTP/1.1 and HTTP/2: rules, hosted applications, directories",
        serves="serve_files",
        also=(
            "web.requests:HttpRequest",
            "web.response:Response",
            "rpc.endpoint:RpcCall",
            "rpc.json:JsonRpc",
            "rpc.json:JsonRpcError",
            "rpc.xml:XmlRpc",
        ),
    )
    https: type[HttpsServer] = kind(
        "http.server:HttpsServer", "https_server", "HTTP/1.1 and HTTP/2 over TLS", serves="serve_files"
    )
    httpbin: type[HttpbinServer] = kind(
        "httpbin.server:HttpbinServer", "httpbin_server", "HTTP/1.1 and HTTP/2 with httpbin's endpoints"
    )
    badssl: type[BadsslServer] = kind(
        "badssl.server:BadsslServer", None, "HTTPS with what badssl.com has under a name: expired, ...", takes="site"
    )
    ws: type[WsServer] = kind(
        "ws.server:WsServer",
        "ws_server",
        "WebSocket: echo, rules over messages, handlers, broadcast",
        also=("ws.records:WsConnection", "ws.records:WsMessage", "ws.frames:ws_frame"),
    )
    wss: type[WssServer] = kind("ws.server:WssServer", "wss_server", "WebSocket over TLS")
    smtp: type[SmtpServer] = kind(
        "smtp.server:SmtpServer",
        "smtp_server",
        "SMTP with STARTTLS and AUTH: messages, rules over commands",
        also=("smtp.records:MailMessage", "smtp.records:SmtpRequest"),
    )
    smtps: type[SmtpsServer] = kind("smtp.server:SmtpsServer", "smtps_server", "SMTP over TLS")
    pop3: type[Pop3Server] = kind(
        "pop3.server:Pop3Server",
        "pop3_server",
        "POP3 with STLS and AUTH: a mailbox, rules over commands",
        also=("mail.mailbox:Mailbox", "mail.mailbox:StoredMessage", "pop3.records:Pop3Request"),
    )
    pop3s: type[Pop3sServer] = kind("pop3.server:Pop3sServer", "pop3s_server", "POP3 over TLS")
    ftp: type[FtpServer] = kind(
        "ftp.server:FtpServer",
        "ftp_server",
        "FTP over a directory: rules over commands, faults on data connections",
        serves="root",
        also=("ftp.records:FtpConnection", "ftp.records:FtpRequest"),
    )
    ftps: type[FtpsServer] = kind("ftp.server:FtpsServer", "ftps_server", "FTP with AUTH TLS", serves="root")
    udp: type[UdpServer] = kind("udp.server:UdpServer", "udp_server", "datagrams: echo, rules", stream=False)
    tcp_proxy: type[TcpProxy] = kind(
        "proxy.server:TcpProxy",
        None,
        "faults and records in front of anything that listens on TCP",
        takes="upstream",
    )
    udp_proxy: type[UdpProxy] = kind(
        "proxy.server:UdpProxy",
        None,
        "faults and records in front of anything that listens on UDP",
        stream=False,
        takes="upstream",
    )
    socks5: type[Socks5Server] = kind(
        "socks.server:Socks5Server",
        "socks5_server",
        "a SOCKS5, SOCKS4 and 4a proxy: logins, rules, faults in the tunnel",
        also=("socks.records:SocksRequest",),
    )
    http_proxy: type[HttpProxyServer] = kind(
        "http_proxy.server:HttpProxyServer",
        "http_proxy_server",
        "a forward proxy of HTTP: CONNECT, logins, rules, faults in the tunnel",
    )
    imap: type[ImapServer] = kind(
        "imap.server:ImapServer",
        "imap_server",
        "IMAP with STARTTLS, AUTH and IDLE: folders, rules over commands",
        also=("mail.mailbox:Folder", "imap.records:ImapRequest"),
    )
    imaps: type[ImapsServer] = kind("imap.server:ImapsServer", "imaps_server", "IMAP over TLS")
    dns: type[DnsServer] = kind(
        "dns.server:DnsServer",
        "dns_server",
        "DNS over UDP and TCP on one port, over TLS and HTTPS: names, rules (extra dns)",
        also=("dns.records:DnsQuery",),
    )
    syslog: type[SyslogServer] = kind(
        "syslog.server:SyslogServer",
        "syslog_server",
        "syslog over UDP and TCP on one port, over TLS: messages of RFC 5424 and 3164, parsed",
        also=("syslog.records:SyslogMessage",),
    )
    redis: type[RedisServer] = kind(
        "redis.server:RedisServer",
        "redis_server",
        "Redis: data, rules over commands, RESP2 and RESP3 (extra redis)",
        also=(
            "redis.data:RedisData",
            "redis.data:RedisSortedSet",
            "redis.data:RedisStream",
            "redis.records:RedisConnection",
            "redis.records:RedisRequest",
        ),
    )
    rediss: type[RedissServer] = kind("redis.server:RedissServer", "rediss_server", "Redis over TLS (extra redis)")
    mqtt: type[MqttServer] = kind(
        "mqtt.server:MqttServer",
        "mqtt_server",
        "an MQTT broker, 3.1.1 and 5: messages, sessions, rules over packets",
        also=("mqtt.records:MqttMessage", "mqtt.records:MqttPacket", "mqtt.records:MqttSubscription"),
    )
    mqtts: type[MqttsServer] = kind("mqtt.server:MqttsServer", "mqtts_server", "an MQTT broker over TLS")
    grpc: type[GrpcServer] = kind(
        "grpc.server:GrpcServer",
        "grpc_server",
        "gRPC: servicers of generated code, rules over calls, health and reflection",
        also=("grpc.records:GrpcCall", "grpc.reply:GrpcReply"),
    )
    grpcs: type[GrpcsServer] = kind("grpc.server:GrpcsServer", "grpcs_server", "gRPC over TLS")
