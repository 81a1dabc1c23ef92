"""What the reference says that the source does not: what fields mean everywhere, and what is not for users."""

from __future__ import annotations

ALIKE = {
    "argument": "what stands behind the command, `None` without",
    "at": "when it came, in seconds since the server started",
    "client_address": "where it comes from: `(host, port)`",
    "command": "the command, in upper case",
    "connection": "the connection that it came on",
    "direction": "which way it went",
    "number": "its place on the connection, from 1",
    "payload": "the payload, as it was sent",
    "properties": "the properties of MQTT 5 by their names; empty in 3.1.1",
    "qos": "the quality of service: 0, 1 or 2",
    "retain": "whether it is to be kept for later subscribers",
    "sides": "it and its answer in words, as the timeline has them",
    "told": "whether the timeline has a line of it",
    "topic": "the topic",
}
"""Fields that mean the same wherever they are, unless they say otherwise."""

ONLY = {
    "Authority": "cert_file cert_pem client_context close crl_file issue",
    "Banned": "add clear discard",
    "ByteRule": "expect hits inject reply start_tls",
    "Certificate": "cert_file cert_pem der key_file names",
    "Everywhere": "fault hits injections lift lifted",
    "Fault": "",
    "Folder": "highest_modseq modseq name special_use subscribed uid uid_next uid_validity",
    "GrpcReply": "initial_metadata status trailing_metadata",
    "Injection": "duration fault hits lift lifted start",
    "Kinds": "",
    "Limit": "amount by hits kind lift lifted name per",
    "Mailbox": "deliver folders make_folder messages",
    "Metadata": "get get_all",
    "Names": "lift requests when",
    "Query": "get_all pairs",
    "Response": "close compress headers http_version interim interval status trailers",
    "Rule": "ask close expect hits inject limit moved reply requests tunnel websocket",
    "RpcEndpoint": "calls",
    "Session": "client expiry is_connected queued subscriptions will",
    "VirtualClock": "ahead held_by jumped jumps now patience sleeps wall",
    "WsRoute": "broadcast connections handle requests when when_connected",
}
"""What users find on a class, or on those that derive from it, where most of what it has is the house's own."""

OF_EVENTS = {
    "by": "whose end it was",
    "client": "the client's address",
    "data": "the bytes",
    "delivered": "how many bytes of it were delivered, where it is about one answer",
    "error": "what was raised",
    "fault": "the fault",
    "faults": "the faults that hold them",
    "how": "in which words the timeline says it",
    "injection": "the injection",
    "layer": "whose bytes: the application's, those of TLS, or the wire's",
    "phase": "how far it is",
    "received": "how many bytes of the client had come, where it is about one answer",
    "server": "where the client connected to",
    "size": "how many bytes",
    "step": "how far the handshake is",
    "text": "what happened, in words",
    "what": "what the fault did",
}
"""The same for events."""

INTERNAL = {
    "Connection": "count counted live transcript",
    "GrpcCall": "told",
    "HttpConnection": "become upgraded",
    "HttpRequest": "chosen comes has_come is_heavy longest more_fields parsed refused_by route rules told",
    "MailMessage": "fixed",
    "MqttPacket": "is_answered told",
    "Piece": "beginning",
    "Place": "fixed streams_before",
    "RedisConnection": "client",
    "Server": "abandon accepts access add_marked addresses always_secure answer arm_on arrived ask author_now"
    " begin_tls_later begins book broker busy busy_greeting catch_up decide default_tls delivered desk dialect"
    " endpoint exchanges fixed front fronts greet greetings handler hear hear_soon in_frames in_loop in_messages"
    " inject_into is_busy is_final is_of journal keep_association keep_wire later lets_log_in limited limits"
    " listen_in login_failed mailbox make_injection may_begin may_upgrade more_headers mounts next_client_id"
    " no_requests parting partings parts preliminary prepare_tls put_before received redraw refuses renew renewed"
    " rules run_in_loop schemes scripts_connections secure secure_scheme session_of set_option settle shared_by"
    " spoken strike_exchanges take tasks tell_unmatched told unmatched unmet upstream_host versions waiting"
    " when_due zone",
    "FtpServer": "close start",
    "StoredMessage": "fixed needs_utf8 stuffed top",
    "_Bytes": "source start",
    "": "answered arrived offer sides told",
}
"""Names without an underscore that are the house's own, by the class that has them; under "" those of all classes."""
