"""`Broker`: sessions, subscriptions, retained messages and wills; it knows packets, and no bytes or connections."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from pytest_netmocks.protocols.mqtt.outgoing import Delivery, Live, Outgoing
from pytest_netmocks.protocols.mqtt.records import MqttMessage, MqttSubscription, Properties
from pytest_netmocks.protocols.mqtt.topics import Tree
from pytest_netmocks.records.connection import Connection

FOREVER = 0xFFFFFFFF
"""A session expiry interval that never ends (section 3.1.2.11.2)."""

SESSIONS = 1000
"""Sessions of clients that are not there; of more the oldest end."""

SUBSCRIPTIONS = 1000
"""Of one client."""

SUBSCRIBED_BYTES = 4 << 20
"""What those may take."""

RETAINED = 10_000
RETAINED_BYTES = 64 << 20
"""Retained messages, and the bytes that they take, that clients may leave."""

LEVEL = 400
"""Bytes that a level of a topic or filter takes where it is kept."""


def _size(name: str) -> int:
    """Bytes that a topic or filter takes where it is kept."""
    return len(name) + LEVEL * (name.count("/") + 1)


class Connected(Live, Protocol):
    """What a session needs of its connection besides."""

    connection: Connection

    def taken_over(self) -> None:
        """Another connection has the session from now on."""

    def disconnect(self, code: int, properties: Properties) -> None:
        """End the connection; a client of MQTT 5 is told why."""


class Session:
    """What is kept of one client, from one connection to the next (section 4.1)."""

    def __init__(self, client: str) -> None:
        self.client = client
        """The client identifier."""
        self.subscriptions: dict[str, MqttSubscription] = {}
        """What the client subscribed to, by filter."""
        self.subscribed_bytes = 0
        """What they take."""
        self.outgoing = Outgoing()
        self.incoming: set[int] = set()
        """Packet identifiers of what came with QoS 2 and is not released."""
        self.live: Connected | None = None
        self.expiry = 0
        """How many seconds the session outlives its connection."""
        self.will: MqttMessage | None = None
        """What is published if the client goes without a DISCONNECT."""
        self.timer: asyncio.TimerHandle | None = None
        """When it ends."""
        self.will_timer: asyncio.TimerHandle | None = None

    @property
    def is_connected(self) -> bool:
        """Whether its client is there."""
        return self.live is not None

    @property
    def queued(self) -> list[MqttMessage]:
        """The messages that wait for its client or for its acknowledgement, oldest first."""
        outgoing = self.outgoing
        return [delivery.message for delivery in [*outgoing.flying.values(), *outgoing.queue]]

    def __repr__(self) -> str:
        state = "connected" if self.is_connected else "away"
        return f"<{type(self).__name__} {self.client!r}: {state}, {len(self.subscriptions)} subscriptions>"


class Group:
    """The sessions that share a subscription: each message goes to one, in turn."""

    def __init__(self) -> None:
        self.members: dict[Session, MqttSubscription] = {}

    def choose(self) -> tuple[Session, MqttSubscription] | None:
        """Whose turn it is: of those that are there, if any is."""
        session = next((one for one in self.members if one.is_connected), next(iter(self.members), None))
        if session is None:
            return None
        subscription = self.members.pop(session)
        self.members[session] = subscription
        return session, subscription


class Node:
    """The subscriptions with one filter."""

    def __init__(self) -> None:
        self.alone: dict[Session, MqttSubscription] = {}
        self.groups: dict[str, Group] = {}


class Receiver:
    """One session that a message goes to."""

    def __init__(self) -> None:
        self.qos = 0
        self.as_published = False
        self.identifiers: list[int] = []

    def add(self, subscription: MqttSubscription) -> None:
        """One more of its subscriptions has the topic: the message goes out once, with the highest QoS."""
        self.qos = max(self.qos, subscription.qos)
        self.as_published = self.as_published or subscription.retain_as_published
        if subscription.identifier is not None:
            self.identifiers.append(subscription.identifier)


Receivers = dict[Session, Receiver]


class Broker:
    """One server's; methods belong to the loop's thread. `on_will` hears of every will that is published."""

    def __init__(self, loop: Callable[[], asyncio.AbstractEventLoop], on_will: Callable[[MqttMessage], object]) -> None:
        self._loop = loop
        self._on_will = on_will
        self.sessions: dict[str, Session] = {}
        self.retained: dict[str, tuple[MqttMessage, float | None]] = {}
        """Messages by topic, and when they expire."""
        self._retained_bytes = 0
        self._topics: Tree[str] = Tree()
        self._nodes: Tree[Node] = Tree()

    # Sessions

    def connect(self, client: str, live: Connected, *, clean: bool) -> tuple[Session, bool]:
        """The session of a client that connects, and whether it was there: a connection that had it loses it."""
        session = self.sessions.get(client)
        ends = clean
        if session is not None and session.live is not None:
            ends = clean or not session.expiry  # it ends with its connection
            before, session.live = session.live, None
            will, session.will = session.will, None
            delayed = will is not None and bool(will.properties.get("will_delay_interval"))
            if will is not None and (ends or not delayed):
                self._publish_will(will)
            before.taken_over()
        if session is not None and ends:
            if session.will_timer is not None:
                self._end_delay(session)
            self.end(session)
            session = None
        present = session is not None
        if session is None:
            self.sessions[client] = session = Session(client)
        for timer in (session.timer, session.will_timer):
            if timer is not None:
                timer.cancel()
        session.timer = session.will_timer = None
        session.live = live
        return session, present

    def disconnected(self, session: Session, live: Connected, *, with_will: bool) -> None:
        """A connection is over; one that was taken over changes nothing."""
        if session.live is not live:
            return
        session.live = None
        will = session.will
        if not with_will:
            session.will = will = None
        delay = min(will.properties.get("will_delay_interval", 0), session.expiry) if will is not None else 0
        if will is not None and delay:
            session.will_timer = self._loop().call_later(delay, self._end_delay, session)
        elif will is not None:
            session.will = None
            self._publish_will(will)
        if not session.expiry:
            self.end(session)
        elif session.expiry != FOREVER:
            session.timer = self._loop().call_later(session.expiry, self.end, session)
        away = [one for one in self.sessions.values() if not one.is_connected] if len(self.sessions) > SESSIONS else []
        for one in away[: max(0, len(away) - SESSIONS)]:
            self.end(one)

    def _end_delay(self, session: Session) -> None:
        will, session.will = session.will, None
        if session.will_timer is not None:
            session.will_timer.cancel()
            session.will_timer = None
        if will is not None:
            self._publish_will(will)

    def _publish_will(self, will: MqttMessage) -> None:
        self._on_will(will)
        self.publish(will, None)

    def end(self, session: Session) -> None:
        """Forget what was kept of a client; a will that was delayed goes out (section 3.1.3.2.2)."""
        if session.will_timer is not None:
            self._end_delay(session)
        if session.timer is not None:
            session.timer.cancel()
        for name in list(session.subscriptions):
            self.unsubscribe(session, name)
        if self.sessions.get(session.client) is session:
            del self.sessions[session.client]

    @property
    def waits(self) -> bool:
        """Whether the end of a session or a will is due."""
        return any(one.timer is not None or one.will_timer is not None for one in self.sessions.values())

    def live_on(self, connection: Connection) -> Connected | None:
        """What is connected there."""
        lives = (one.live for one in self.sessions.values() if one.live is not None)
        return next((live for live in lives if live.connection is connection), None)

    def forget(self) -> None:
        """Be as new; timers end."""
        for session in list(self.sessions.values()):
            session.will = None
            self.end(session)
        self.forget_retained()

    def forget_retained(self) -> None:
        """No message is retained."""
        self.retained.clear()
        self._topics = Tree()
        self._retained_bytes = 0

    # Subscriptions

    def subscribe(self, session: Session, subscription: MqttSubscription) -> Callable[[], None] | None:
        """Subscribe, or subscribe otherwise; gives what sends the retained messages, `None` if there is no room."""
        known = subscription.filter in session.subscriptions
        size = _size(subscription.filter)
        if not known and (
            len(session.subscriptions) >= SUBSCRIPTIONS or session.subscribed_bytes + size > SUBSCRIBED_BYTES
        ):
            return None
        session.subscribed_bytes += 0 if known else size
        session.subscriptions[subscription.filter] = subscription
        node = self._nodes.get(subscription.pattern)
        if node is None:
            self._nodes[subscription.pattern] = node = Node()
        if subscription.group is not None:
            node.groups.setdefault(subscription.group, Group()).members[session] = subscription
            return _nothing
        node.alone[session] = subscription
        if subscription.retain_handling == 2 or (subscription.retain_handling == 1 and known):
            return _nothing
        return functools.partial(self._send_retained, session, subscription)

    def unsubscribe(self, session: Session, name: str) -> bool:
        """End a subscription; whether there was one."""
        subscription = session.subscriptions.pop(name, None)
        if subscription is None:
            return False
        session.subscribed_bytes -= _size(name)
        node = self._nodes.get(subscription.pattern)
        assert node is not None
        if subscription.group is None:
            node.alone.pop(session, None)
        else:
            group = node.groups[subscription.group]
            group.members.pop(session, None)
            if not group.members:
                del node.groups[subscription.group]
        if not node.alone and not node.groups:
            self._nodes.remove(subscription.pattern)
        return True

    def _send_retained(self, session: Session, subscription: MqttSubscription) -> None:
        now = self._loop().time()
        for topic in list(self._topics.of_topics(subscription.filter)):
            if session.live is None or session.outgoing.is_full:
                return
            message, expires_at = self.retained[topic]
            if expires_at is not None and expires_at <= now:
                self._discard(topic)
                continue
            qos = min(message.qos, subscription.qos)
            identifiers = [] if subscription.identifier is None else [subscription.identifier]
            session.outgoing.put(Delivery(message, qos, True, identifiers, expires_at), session.live)

    # Messages

    def receivers(self, topic: str, origin: Session | None = None) -> Receivers:
        """The sessions that a message of this topic goes to."""
        found: Receivers = {}
        chosen: list[Iterable[tuple[Session, MqttSubscription]]] = []
        for node in self._nodes.of_filters(topic):
            chosen.append(node.alone.items())
            chosen += [[one] for group in node.groups.values() if (one := group.choose()) is not None]
        for pairs in chosen:
            for session, subscription in pairs:
                if not (subscription.no_local and session is origin):
                    found.setdefault(session, Receiver()).add(subscription)
        return found

    def publish(self, message: MqttMessage, receivers: Receivers | None, *, again: bool = False) -> int:
        """Keep it if it is to be retained, and send it to all whom it is for; gives to how many."""
        self.keep(message)
        receivers = self.receivers(message.topic) if receivers is None else receivers
        self.send(message, receivers, again=again)
        return len(receivers)

    def keep(self, message: MqttMessage) -> None:
        """Retain it, if it is to be."""
        if not message.retain:
            return
        self._discard(message.topic)
        if not message.payload:
            return
        size = len(message.payload) + _size(message.topic)
        full = len(self.retained) >= RETAINED or self._retained_bytes + size > RETAINED_BYTES
        if full and message.client:  # what the test puts in is its own affair
            return
        self.retained[message.topic] = (message, self._end_of(message))
        self._topics[message.topic] = message.topic
        self._retained_bytes += size

    def send(self, message: MqttMessage, receivers: Receivers, *, again: bool = False) -> None:
        """Send it to them."""
        expires_at = self._end_of(message)
        for session, receiver in receivers.items():
            qos = min(message.qos, receiver.qos)
            retain = message.retain and receiver.as_published
            delivery = Delivery(message, qos, retain, receiver.identifiers, expires_at, again)
            session.outgoing.put(delivery, session.live)

    def _end_of(self, message: MqttMessage) -> float | None:
        expiry = message.properties.get("message_expiry_interval")
        return None if expiry is None else self._loop().time() + expiry

    def _discard(self, topic: str) -> None:
        before = self.retained.pop(topic, None)
        if before is not None:
            self._retained_bytes -= len(before[0].payload) + _size(topic)
            self._topics.remove(topic)


def _nothing() -> Any:
    return None
