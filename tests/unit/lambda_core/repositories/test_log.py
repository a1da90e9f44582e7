"""A partition without a leader is asked again; any other error is told at once."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import confluent_kafka as ck
import pytest

from lambda_core.errors import KafkaError
from lambda_core.repositories.log import KafkaTopics


class Admin:
    """A client that knows one topic of one partition, and answers with these in turn."""

    def __init__(self, answers: list[int | ck.KafkaException]) -> None:
        self.answers = answers

    def list_topics(self, topic, timeout):
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: None})})

    def list_offsets(self, wanted, **_):
        answer, future = self.answers.pop(0), Future()
        if isinstance(answer, int):
            future.set_result(SimpleNamespace(offset=answer))
        else:
            future.set_exception(answer)
        return dict.fromkeys(wanted, future)


def topics(*answers: int | ck.KafkaException) -> KafkaTopics:
    made = KafkaTopics("127.0.0.1:1")
    made._admin = Admin(list(answers))
    return made


def failed(code: int) -> ck.KafkaException:
    return ck.KafkaException(ck.KafkaError(code))


def test_a_partition_whose_leader_changes_is_asked_again():
    changing = failed(ck.KafkaError.NOT_LEADER_FOR_PARTITION), failed(ck.KafkaError.LEADER_NOT_AVAILABLE)

    assert topics(*changing, 7).ends("t") == {0: 7}


def test_another_error_is_told_at_once():
    with pytest.raises(KafkaError, match=r"127\.0\.0\.1:1: expected an answer, found"):
        topics(failed(ck.KafkaError.TOPIC_AUTHORIZATION_FAILED), 7).ends("t")
