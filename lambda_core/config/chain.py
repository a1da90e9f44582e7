"""What happens by itself: the stages that follow when data of a source came, and when a schedule asks for that."""

from typing import Any

from pydantic import Field, field_validator

from lambda_core.config.section import Name, Section


class Chain(Section):
    """What follows the messages that sources have data.

    Attributes:
        then: batch stages after ingestion and preparation, in this order, once for all messages that are followed
            together; they begin once every source that features need is prepared. By default `publishing` in a project
            with features, which generates them.
        tries: how often a stage is tried whose servers are away; with what waits in between grows to half a minute.
    """

    then: tuple[Name, ...] | None = None
    tries: int = Field(default=5, ge=1, le=100)


class Schedule(Section):
    """When the messages that sources have data are sent without anybody sending them.

    Attributes:
        cron: minute, hour, day of the month, month and day of the week (by names, `mon-fri`), in UTC.
        sources: which ones; what follows them is done once, after all of them.
        full: whether all of their records are looked at, and not only new ones.
    """

    cron: str
    sources: tuple[Name, ...] = Field(min_length=1)
    full: bool = False
    description: str = ""

    @property
    def trigger(self) -> Any:
        """Return what tells the moments, in UTC."""
        from apscheduler.triggers.cron import CronTrigger  # only who has schedules waits for it

        return CronTrigger.from_crontab(self.cron, timezone="UTC")

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, text: str) -> str:
        from apscheduler.triggers.cron import CronTrigger

        fields = text.split()
        if len(fields) == 5 and any(character.isdecimal() for character in fields[4]):
            raise ValueError(
                f"expected days of the week by name, such as mon-fri, found {fields[4]!r}: numbers mean Sunday first to some "
                "and Monday first to others"
            )
        try:
            CronTrigger.from_crontab(text, timezone="UTC")
        except ValueError as error:
            raise ValueError(
                f"expected five fields of cron, such as '0 3 * * mon-fri', found {text!r}: {error}"
            ) from error
        return text
