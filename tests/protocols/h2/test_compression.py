"""Blocks of fields that come again are read and written once, and mean what they would."""

from __future__ import annotations

from hpack import Decoder, Encoder, HeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks.protocols.h2.compression import FieldReader, FieldWriter

NAMES = st.sampled_from([b":status", b"x-a", b"x-b", b"content-type"])
FIELD = st.tuples(NAMES, st.sampled_from([b"200", b"a", b"b" * 30, b"c" * 60, b""]))
SIZE = st.sampled_from([0, 64, 100, 4096])
TALK = st.lists(st.lists(FIELD, max_size=4) | SIZE, max_size=40)


@given(TALK)
def test_what_is_read_is_what_hpack_reads(talk: list[list[tuple[bytes, bytes]] | int]) -> None:
    encoder, plain, ours = Encoder(), Decoder(), FieldReader()
    for said in talk:
        if isinstance(said, int):
            if said == encoder.header_table_size:
                continue  # hpack would forget to say the size before
            encoder.header_table_size = said
            continue
        block = encoder.encode(said)
        assert ours.decode(block, raw=True) == plain.decode(block, raw=True) == [HeaderTuple(*pair) for pair in said]


@given(TALK)
def test_what_is_written_is_what_hpack_writes(talk: list[list[tuple[bytes, bytes]] | int]) -> None:
    plain, ours, decoder = Encoder(), FieldWriter(), Decoder()
    for said in talk:
        if isinstance(said, int):
            if said == plain.header_table_size:
                continue  # as above
            plain.header_table_size = ours.header_table_size = said
            continue
        block = ours.encode(said)
        assert block == plain.encode(said)
        assert decoder.decode(block, raw=True) == [HeaderTuple(*pair) for pair in said]
