"""The second shipped project, on rows in the shape of its data: YAML alone takes them to answers and a split, none lost."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean

import pytest

from batch_layer.ingestion import ingest
from batch_layer.preparation import prepare
from batch_layer.preparation.training_rows import build_training_rows
from batch_layer.publishing import publish
from batch_layer.segregation import segregate
from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.loading import load_project
from lambda_core.context import RunContext
from serving_layer.client import ServingClient
from serving_layer.routing.questions import Asked

SHIPPED = load_project(Path(__file__).resolve().parents[3] / "conf" / "movies")
PROJECT = SHIPPED.model_copy(update={"project": f"movies_{uuid.uuid4().hex[:8]}"})
"""Under a name of its own: the servers may be somebody's."""
NOW_MS = 1_700_000_000_000
INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
"""Code that is generated for a table costs seconds, and saves nothing on a handful of rows."""
PARTS = ("train", "test")
BEGIN, STEP = datetime(1997, 10, 20, tzinfo=UTC), timedelta(days=4)

USERS = {number: (18 + 4 * number, "FM"[number % 2], "writer") for number in range(1, 9)}
MOVIES = {
    1: ("Tea, and Sympathy", "1956", "Drama Romance"),
    2: ("The Long Way", "1990", "Drama"),
    3: ("Laughing", "1995", "Comedy"),
    4: ("Never Shown", "V", "Comedy"),
    5: ('The "Other" One', "1997", "Sci-Fi"),
    6: ("Last", "1996", "Comedy Crime"),
}
"""One has a year that is none; another has the separator's rival in its title."""


@dataclass(frozen=True)
class Rating:
    user: int
    movie: int
    stars: int
    at: datetime

    @property
    def line(self) -> str:
        return f"{self.user}\t{self.movie}\t{self.stars}\t{int(self.at.timestamp())}"


RATED = [
    Rating(user, movie, 1 + (user + 2 * movie + place) % 5, BEGIN + place * STEP)
    for place, (movie, user) in enumerate((movie, user) for movie in MOVIES if movie != 4 for user in USERS)
]
TWICE, SIX, LATER = RATED[0], Rating(1, 4, 6, BEGIN), Rating(2, 4, 5, datetime(1998, 4, 16, tzinfo=UTC))


@pytest.fixture(scope="module")
def made(spark, store, broker, tmp_path_factory) -> Iterator[RunContext]:
    """The project's context, its files written: ratings with a copy among them, one of 6 stars and one beyond the cut."""
    folder = tmp_path_factory.mktemp("movies")
    data = folder / "data"
    (data / "ratings").mkdir(parents=True)
    write(data / "users.tsv", "user_id\tage\tgender\toccupation", rows_of(USERS))
    write(data / "movies.tsv", "item_id\tmovie_title\trelease_year\tclass", rows_of(MOVIES))
    lines = [one.line for one in (*RATED, SIX, TWICE, LATER)]
    write(data / "ratings" / "all.tsv", "user_id\titem_id\trating\ttimestamp", lines)
    environment = Environment(state=folder / "state", data=data, redis=store.url, kafka=broker.address)
    context = assemble(PROJECT, environment, FixedClock(NOW_MS))
    context.builders["spark"] = lambda _: spark
    before = {name: spark.conf.get(name) for name in INTERPRETED}
    for name, value in INTERPRETED.items():
        spark.conf.set(name, value)
    yield context
    for name, value in before.items():
        spark.conf.set(name, value)
    for key in context.redis.scan_iter(match=f"ms:{PROJECT.project}:*"):
        context.redis.delete(key)


def rows_of(declared: dict[int, tuple]) -> list[str]:
    return ["\t".join(map(quoted, (key, *values))) for key, values in declared.items()]


def quoted(value: object) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if '"' in text else text


def write(path: Path, header: str, lines: list[str]) -> None:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.servers
def test_yaml_alone_takes_the_second_projects_files_to_answers_and_every_line_is_accounted_for(made: RunContext):
    lines = {"users": len(USERS), "movies": len(MOVIES), "visits": len(RATED) + 3, "ratings": len(RATED) + 3}

    assert ingest(made).rows_added == sum(lines.values())
    reports = {one.source: one for one in prepare(made).sources}

    assert {name: one.raw for name, one in reports.items()} == lines
    assert {name: (one.accepted, one.quarantined, one.log_from, one.unique_key) for name, one in reports.items()} == {
        "users": (len(USERS), 0, 0, 0),
        "movies": (len(MOVIES) - 1, 1, 0, 0),
        "visits": (len(RATED) + 1, 0, 1, 1),  # that a rating is of 6 stars, its visit does not know
        "ratings": (len(RATED), 1, 1, 1),
    }

    visit = build_training_rows(made, "visit")
    assert (visit.rows, visit.labelled) == (len(RATED) + 1, len(RATED))
    rows = made.tables.read("training_visit").where("label is not null").orderBy("t_ms").collect()
    for place, (row, rated) in enumerate(zip(rows, RATED, strict=True)):
        assert compared(row.asDict()) == expected(rated, RATED[:place])

    parts = {part: sum(one.rows for one in segregate(made, "liked").counts if one.split == part) for part in PARTS}
    border = datetime(1998, 3, 9, tzinfo=UTC)
    assert parts == {
        "train": sum(one.at < border for one in RATED),
        "test": sum(one.at >= border for one in RATED),
    }

    assert publish(made).covered == {"ratings": lines["ratings"]}
    serving = ServingClient(PROJECT, made.definition, made.redis)
    for user, movie in ((1, 1), (2, 5), (7, 6)):
        asking = Rating(user, movie, 4, RATED[-1].at + STEP)
        keys = {"user": user, "movie": movie, "taste": [user, first(movie)], "audience": [movie, group(user)]}
        answer = serving.features("visit", Asked(keys, request_of(asking)), int(asking.at.timestamp() * 1000))
        assert answer.source == "merged"
        assert compared({**answer.values, "age_group": group(user), "label": 1}) == expected(asking, RATED)
    serving.close()


def request_of(asking: Rating) -> dict[str, object]:
    age, gender, _ = USERS[asking.user]
    _, year, genres = MOVIES[asking.movie]
    known = {"age": age, "is_female": int(gender == "F"), "genres": len(genres.split())}
    return {**known, "movie_age": asking.at.year - int(year)}


def compared(row: Mapping[str, object]) -> dict[str, object]:
    names = {"age", "is_female", "genres", "movie_age", "age_group", "label", *MADE}
    windowed = {name: name.split("__")[1] for name in row if "__" in name}
    return {name: row[name] for name in names} | {
        f"{name.split('__')[0]}.{short}": row[name] for name, short in windowed.items() if short in SHORT
    }


SHORT = {"count_all", "rating_mean_all", "liked_share_all"}
MADE = {"taste_above_usual", "audience_above_all", "share_of_last_week"}


def expected(rated: Rating, before: list[Rating]) -> dict[str, object]:
    """What is known when the rating's movie is opened, worked out by hand."""
    age, gender, _ = USERS[rated.user]
    _, year, genres = MOVIES[rated.movie]
    of = {
        "ratings_by_user": [one for one in before if one.user == rated.user],
        "ratings_by_movie": [one for one in before if one.movie == rated.movie],
        "ratings_by_taste": [
            one for one in before if one.user == rated.user and first(one.movie) == first(rated.movie)
        ],
        "ratings_by_audience": [
            one for one in before if one.movie == rated.movie and group(one.user) == group(rated.user)
        ],
    }
    found: dict[str, object] = {
        "age": age,
        "is_female": int(gender == "F"),
        "genres": len(genres.split()),
        "movie_age": rated.at.year - int(year),
        "age_group": group(rated.user),
        "label": int(rated.stars >= 4),
        "ratings_by_user.liked_share_all": None,
    }
    for name, ratings in of.items():
        stars = [one.stars for one in ratings]
        found[f"{name}.rating_mean_all"] = pytest.approx(mean(stars)) if stars else None
        if name != "ratings_by_audience":
            found[f"{name}.count_all"] = len(stars)
        if name == "ratings_by_user" and stars:
            found[f"{name}.liked_share_all"] = pytest.approx(mean(star >= 4 for star in stars))
    means = {name: mean(one.stars for one in ratings) for name, ratings in of.items() if ratings}
    week = [one for one in of["ratings_by_movie"] if one.at >= rated.at - timedelta(days=7)]
    found["share_of_last_week"] = len(week) / len(of["ratings_by_movie"]) if of["ratings_by_movie"] else None
    for made, (above, below) in ABOVE.items():
        there = above in means and below in means
        found[made] = pytest.approx(means[above] - means[below]) if there else None
    return found


ABOVE = {
    "taste_above_usual": ("ratings_by_taste", "ratings_by_user"),
    "audience_above_all": ("ratings_by_audience", "ratings_by_movie"),
}


def first(movie: int) -> str:
    return MOVIES[movie][2].split()[0]


def group(user: int) -> str:
    age = USERS[user][0]
    return "young" if age < 25 else "middle" if age < 40 else "old"
