"""A worker begins again when its share of the partitions is another one."""

from speed_layer.sharing import SharedHandler
from speed_layer.worker import Worker
from tests.unit.speed_layer.test_worker import MemoryLog


class Share:
    def __init__(self):
        self.own = None
        self.next = None

    def look(self):
        self.own = self.next

    def close(self):
        pass


class Handler:
    def __init__(self, share):
        self.share, self.kept, self.begun = share, {0: 0}, []

    def begin(self):
        self.begun.append(self.share.own)
        return self.kept

    def is_current(self):
        return True

    def process(self, records):
        pass

    def keep(self, positions):
        self.kept = {**self.kept, **positions}


def test_a_worker_that_was_told_nothing_yet_reads_everything_and_begins_again_when_it_is_told():
    share = Share()
    handler, log = Handler(share), MemoryLog([b"a", b"b", b"c"])
    worker = Worker(log, SharedHandler(handler, share), 1)

    worker.step()
    worker.step()
    share.next = [0]
    worker.step()
    worker.step()

    assert handler.begun == [None, [0]]
    assert log.seeks == [0, 2]
    assert handler.kept == {0: 3}
