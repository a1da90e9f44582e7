"""Requests to scores: the first stands, repeats are dropped by id, and nothing is lost between keeping and sending."""

import msgspec
import pytest
import structlog

from lambda_core.clock import FixedClock
from lambda_core.errors import KafkaError
from lambda_core.models.predicting import Prediction
from lambda_core.schemas.messages import Answer, Request
from speed_layer.monitoring import Measures
from speed_layer.scoring.handling import ScoreHandler
from speed_layer.worker import Record

LOG = structlog.get_logger()


def record(place, prediction, model="returns", feature_set="order"):
    request = Request("d", model, feature_set, prediction, "c1", 900, 1_000, {"orders": "c1"}, {"amount": 1.5})
    return Record(0, place, msgspec.json.encode(request))


class MemoryOutbox:
    """Keeps the first score of an id; its topic may be away."""

    def __init__(self, standing=None):
        self.standing = {} if standing is None else standing
        self.sent, self.asked = [], []
        self.away = False

    def open(self):
        pass

    def positions(self):
        return {0: 0}

    def knows(self, model, feature_set):
        return (model, feature_set) == ("returns", "order")

    def predict(self, requests):
        self.asked += [request.prediction_id for request in requests]
        answer = Answer(900, "order", "f", "default", {})
        return [Prediction(0.5 + len(self.standing) / 100, None, "c1", answer) for _ in requests]

    def stand(self, scores):
        standing = []
        for one in scores:
            standing.append(self.standing.get(one.prediction_id))
            self.standing.setdefault(one.prediction_id, one)
        return standing

    def send(self, scores):
        if self.away:
            raise KafkaError("away")
        self.sent += scores

    def keep(self, positions):
        pass


def handler_of(outbox):
    clock = FixedClock(2_000)
    measures = Measures("test", clock, LOG)
    handler = ScoreHandler(outbox, clock, measures, LOG, lambda _: 0)
    handler.begin()
    return handler, measures


def test_a_repeated_request_is_counted_and_neither_scored_nor_sent_again():
    outbox = MemoryOutbox()
    handler, measures = handler_of(outbox)
    handler.process([record(0, "t/0/1"), record(1, "t/0/1"), record(2, "t/0/2")])
    handler.process([record(3, "t/0/1")])
    assert [score.prediction_id for score in outbox.sent] == ["t/0/1", "t/0/2"]
    assert measures.totals == {"default": 2, "repeats": 2}


def test_what_was_kept_but_not_sent_before_a_crash_is_sent_as_it_stands():
    outbox = MemoryOutbox()
    outbox.away = True
    first, _ = handler_of(outbox)
    with pytest.raises(KafkaError):
        first.process([record(0, "t/0/1")])
    outbox.away = False
    second, _ = handler_of(outbox)
    second.process([record(0, "t/0/1")])
    assert [(score.prediction_id, score.score) for score in outbox.sent] == [("t/0/1", 0.5)]


def test_what_redis_lost_after_it_was_sent_stands_again_as_it_was_sent():
    outbox = MemoryOutbox()
    handler, measures = handler_of(outbox)
    handler.process([record(0, "t/0/1"), record(1, "t/0/2")])
    (first, second), outbox.standing = outbox.sent, {}
    handler.begin()
    handler.process([record(1, "t/0/2"), record(2, "t/0/1")])  # another order would give other scores
    assert outbox.standing == {"t/0/1": first, "t/0/2": second}
    assert outbox.sent == [first, second]
    assert outbox.asked == ["t/0/1", "t/0/2"]
    assert measures.totals == {"default": 4}


def test_requests_of_no_declared_model_and_other_records_are_counted_and_left():
    outbox = MemoryOutbox()
    handler, measures = handler_of(outbox)
    handler.process([record(0, "t/0/1", model="other"), record(1, "t/0/1", feature_set="other"), Record(0, 2, b"{}")])
    assert (outbox.sent, measures.totals) == ([], {"other_model": 2, "unreadable": 1})
