import pytest

from demo import kills
from demo.kills import Kills


class Scene:
    """A replay of so many messages, in which something is under way from the given number of messages on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: list[str], messages: int, under_way_from: int) -> None:
        self.happened: list[str] = []
        self.sent = 0
        monkeypatch.setattr(kills, "kill", lambda member: self.happened.append(f"kill {member}"))
        members = {name: name for name in names}
        self.kills = Kills(
            members,
            names,
            messages,
            lambda name: self.happened.append(f"start {name}"),
            lambda: self.sent >= under_way_from,
        )
        self._messages = messages

    def play(self) -> None:
        for sent in range(1, self._messages + 1):
            self.sent = sent
            self.kills(sent)


def test_each_process_is_killed_once_and_started_again_in_the_middle(monkeypatch):
    scene = Scene(monkeypatch, ["speed", "merge"], 1_000, under_way_from=0)
    scene.play()

    assert sorted(scene.happened) == ["kill merge", "kill speed", "start merge", "start speed"]
    assert scene.happened[1] == scene.happened[0].replace("kill", "start")
    assert all(300 <= moment < 600 for moment in scene.kills.moments)
    assert len(scene.kills.told) == 2


def test_a_kill_is_put_off_until_something_is_under_way(monkeypatch):
    scene = Scene(monkeypatch, ["speed"], 1_000, under_way_from=790)
    scene.play()

    assert scene.kills.told == ["speed after 800 of 1,000 messages"]


def test_what_is_still_due_at_the_end_is_killed_then(monkeypatch):
    scene = Scene(monkeypatch, ["speed"], 1_000, under_way_from=1_001)
    scene.play()
    assert scene.happened == []

    scene.sent = 1_001
    scene.kills.finish()
    assert scene.kills.told == ["speed after 1,000 of 1,000 messages"]


def test_an_end_without_anything_under_way_is_an_error(monkeypatch):
    scene = Scene(monkeypatch, ["speed"], 1_000, under_way_from=2_000)
    scene.play()

    with pytest.raises(RuntimeError, match="kills of speed: expected updates"):
        scene.kills.finish(seconds=0)
