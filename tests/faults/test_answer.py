"""`Answer` as a value: it is written as `reply` is, and keeps what it was given."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest

from pytest_netmocks import faults
from pytest_netmocks.faults import Answer, Corrupt, Duplicate, Fault, Loss, Reorder
from pytest_netmocks.plugin.factory import Netmocks

ANSWERS = [
    Answer(503, headers={"Retry-After": "1"}),
    Answer(200, json={"a": [1, None, {"base64": "x"}]}),
    Answer(200, headers=[("a", "b"), ("a", "c")]),
    Answer("451 4.3.0 try later", delay=0.5, then_close=True),
    Answer(b"\xff\x00", b"text"),
    Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n"),
    Answer(None),
    Answer(),
]


@pytest.mark.parametrize("fault", ANSWERS, ids=repr)
def test_it_comes_back_from_json_text_pickle_and_copies(fault: Answer) -> None:
    again = [
        faults.from_json(json.loads(json.dumps(faults.to_json(fault)))),
        faults.parse(repr(fault))[0],
        pickle.loads(pickle.dumps(fault)),
        dataclasses.replace(fault),
    ]
    assert again == [fault] * 4
    assert {hash(one) for one in again} == {hash(fault)}


def test_answers_that_differ_are_not_equal() -> None:
    assert len(set(ANSWERS)) == len(ANSWERS)
    assert Answer(503) != 503


def test_it_is_written_as_the_reply() -> None:
    assert repr(ANSWERS[0]) == "Answer(503, headers={'Retry-After': '1'})"
    assert ANSWERS[0].id == repr(ANSWERS[0])


def test_what_is_changed_after_it_was_given_changes_nothing() -> None:
    headers = {"a": "b"}
    fault = Answer(200, headers=headers)
    headers["a"] = "c"
    assert fault == Answer(200, headers={"a": "b"})


def test_how_often_it_strikes_is_said_by_selectors() -> None:
    with pytest.raises(TypeError, match=r"times= has no place.*nth="):
        Answer(503, times=2)


@pytest.mark.parametrize(
    "given",
    [lambda request: None, [b"a", object()], {1: 2}, {"base64": "x"}],
    ids=["function", "object", "key", "base64"],
)
def test_what_has_no_form_in_json_says_so(given: Any) -> None:
    with pytest.raises(TypeError, match="has no form in JSON"):
        faults.to_json(Answer(stream=given))


@pytest.mark.parametrize(
    "obj",
    [{"answer": 503}, {"options": []}, {"status": 503}, {"answer": [{"base64": "?"}]}, {"options": {"times": 1}}],
    ids=repr,
)
def test_json_that_is_no_answer_is_refused(obj: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Answer: "):
        faults.from_json({"fault": "Answer", **obj})


@pytest.mark.parametrize("fault", [Loss(), Duplicate(), Reorder(), Corrupt(direction="both")], ids=repr)
def test_a_chance_may_be_left_out_and_is_missed_where_it_is_injected(fault: Fault, netmocks: Netmocks) -> None:
    assert faults.from_json(faults.to_json(fault)) == fault
    server = netmocks.udp()
    for call in (server.inject, lambda one: server.script([one]), server.when(b"x").inject, netmocks.inject):
        with pytest.raises(ValueError, match=r"needs probability=.*only in a sweep"):
            call(fault)
