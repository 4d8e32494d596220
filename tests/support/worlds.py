"""Small worlds written by hand: students, organizers, events and what happened, row by row."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.database import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""The moment of every hand-written world; the reference's half life is 72 hours, its cap 10."""

FEATURES = (
    "bias",
    "overlap_interest_ratio",
    "overlap_history_ratio",
    "same_city",
    "category_match",
    "organizer_match",
    "popularity",
    "days_until",
)

EXTENDED_FEATURES = (
    *FEATURES[:4],
    *FEATURES[5:7],
    "series_share",
    "new_series_share",
    "attended_organizer_age",
    "co_attendance",
    "category_affinity",
    "category_rarity",
    "title_words",
    "newcomer_appeal",
    "organizer_event_count",
    "organizer_audience",
    "organizer_age",
    "series_is_new",
    "series_audience",
    "student_activity",
    "category_activity",
    "attended_organizer_audience",
)

EMPTY = """
TRUNCATE
    users, tags, events, event_tags, user_interest_tags, user_hidden_tags,
    user_blocked_organizers, registrations, favorite_events, event_interactions,
    user_implicit_interest_tags, user_implicit_interest_categories,
    user_implicit_interest_cities, user_recommendations, recommendation_lists,
    recommendation_runs, recommender_models, interaction_history, interaction_receipts,
    analytics_rate_limits, background_jobs, recommender_snapshot, model_activations,
    guardrail_evaluations, schedule_runs, recommender_schedule, recommendation_run_events
"""

FILL = """
WITH new_users AS (
    INSERT INTO users (
        id, email, role, full_name, org_name, city, language_preference, is_active
    )
    SELECT id, email, role, full_name, org_name, city, language_preference, is_active
    FROM jsonb_populate_recordset(NULL::users, $1::jsonb -> 'users')
),

new_tags AS (
    INSERT INTO tags (id, name)
    SELECT id, name FROM jsonb_populate_recordset(NULL::tags, $1::jsonb -> 'tags')
),

new_events AS (
    INSERT INTO events (
        id, title, description, category, start_time, end_time, location, city, max_seats,
        cover_url, owner_id, created_at, status, publish_at, deleted_at
    )
    SELECT
        id, title, description, category, start_time, end_time, location, city, max_seats,
        cover_url, owner_id, created_at, status, publish_at, deleted_at
    FROM jsonb_populate_recordset(NULL::events, $1::jsonb -> 'events')
),

new_event_tags AS (
    INSERT INTO event_tags (event_id, tag_id)
    SELECT event_id, tag_id
    FROM jsonb_populate_recordset(NULL::event_tags, $1::jsonb -> 'event_tags')
),

new_interests AS (
    INSERT INTO user_interest_tags (user_id, tag_id)
    SELECT user_id, tag_id
    FROM jsonb_populate_recordset(NULL::user_interest_tags, $1::jsonb -> 'user_interest_tags')
),

new_hidden_tags AS (
    INSERT INTO user_hidden_tags (user_id, tag_id)
    SELECT user_id, tag_id
    FROM jsonb_populate_recordset(NULL::user_hidden_tags, $1::jsonb -> 'user_hidden_tags')
),

new_blocked_organizers AS (
    INSERT INTO user_blocked_organizers (user_id, organizer_id)
    SELECT user_id, organizer_id
    FROM jsonb_populate_recordset(
        NULL::user_blocked_organizers, $1::jsonb -> 'user_blocked_organizers'
    )
),

new_registrations AS (
    INSERT INTO registrations (user_id, event_id, registration_time, deleted_at)
    SELECT user_id, event_id, registration_time, deleted_at
    FROM jsonb_populate_recordset(NULL::registrations, $1::jsonb -> 'registrations')
),

new_favorites AS (
    INSERT INTO favorite_events (user_id, event_id, created_at)
    SELECT user_id, event_id, created_at
    FROM jsonb_populate_recordset(NULL::favorite_events, $1::jsonb -> 'favorite_events')
),

new_interactions AS (
    INSERT INTO event_interactions (id, user_id, event_id, interaction_type, occurred_at, meta)
    SELECT id, user_id, event_id, interaction_type, occurred_at, meta
    FROM jsonb_populate_recordset(NULL::event_interactions, $1::jsonb -> 'event_interactions')
),

new_implicit_tags AS (
    INSERT INTO user_implicit_interest_tags (user_id, tag_id, score, last_seen_at)
    SELECT user_id, tag_id, score, last_seen_at
    FROM jsonb_populate_recordset(
        NULL::user_implicit_interest_tags, $1::jsonb -> 'user_implicit_interest_tags'
    )
),

new_implicit_categories AS (
    INSERT INTO user_implicit_interest_categories (user_id, category, score, last_seen_at)
    SELECT user_id, category, score, last_seen_at
    FROM jsonb_populate_recordset(
        NULL::user_implicit_interest_categories, $1::jsonb -> 'user_implicit_interest_categories'
    )
),

new_implicit_cities AS (
    INSERT INTO user_implicit_interest_cities (user_id, city, score, last_seen_at)
    SELECT user_id, city, score, last_seen_at
    FROM jsonb_populate_recordset(
        NULL::user_implicit_interest_cities, $1::jsonb -> 'user_implicit_interest_cities'
    )
),

new_list_rows AS (
    INSERT INTO user_recommendations (
        user_id, rank, event_id, score, model_version, generated_at, reason
    )
    SELECT user_id, rank, event_id, score, model_version, generated_at, reason
    FROM jsonb_populate_recordset(NULL::user_recommendations, $1::jsonb -> 'user_recommendations')
),

new_lists AS (
    INSERT INTO recommendation_lists (
        user_id, model_version, generated_at, item_count, language
    )
    SELECT user_id, model_version, generated_at, item_count, language
    FROM jsonb_populate_recordset(NULL::recommendation_lists, $1::jsonb -> 'recommendation_lists')
)

INSERT INTO recommender_models (model_version, feature_names, weights, is_active)
SELECT model_version, feature_names, weights, is_active
FROM jsonb_populate_recordset(NULL::recommender_models, $1::jsonb -> 'recommender_models')
"""


def days(number: float) -> timedelta:
    return timedelta(days=number)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


MICROSECOND = timedelta(microseconds=1)
NOW, YESTERDAY, LAST_MONTH, SOON = days(0), days(-1), days(-30), days(10)


async def open_session(url: str, as_of: datetime = AS_OF, **settings: str) -> Connection[Record]:
    """Connect to a session that stands at a moment; settings lose their prefix recommender."""
    named = {f"recommender.{name}": value for name, value in settings.items()}
    return await connect(url, **{"recommender.as_of": as_of.isoformat(), **named})


@dataclass
class World:
    """Rows of the app's tables. Each method adds some and gives the id of what it made."""

    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def student(
        self,
        *,
        city: str | None = None,
        language: str = "en",
        is_active: bool = True,
        role: str = "student",
        full_name: str | None = None,
        org_name: str | None = None,
        interests: Sequence[str] = (),
    ) -> int:
        user_id = self._add(
            "users",
            role=role,
            full_name=full_name,
            org_name=org_name,
            city=city,
            language_preference=language,
            is_active=is_active,
        )
        self.rows["users"][-1]["email"] = f"{user_id}@example.org"
        for tag in interests:
            self._add("user_interest_tags", user_id=user_id, tag_id=self.tag(tag))
        return user_id

    def organizer(self, org_name: str | None = None, full_name: str | None = None) -> int:
        return self.student(role="organizer", org_name=org_name, full_name=full_name)

    def tag(self, name: str) -> int:
        """Give the tag of exactly this name, made when there is none yet."""
        for number, row in enumerate(self.rows.get("tags", ()), 1):
            if row["name"] == name:
                return number
        return self._add("tags", name=name)

    def event(
        self,
        organizer: int,
        *,
        tags: Sequence[str] = (),
        category: str | None = None,
        city: str | None = None,
        starts: timedelta = SOON,
        max_seats: int | None = None,
        status: str = "published",
        publish: timedelta | None = LAST_MONTH,
        created: timedelta = LAST_MONTH,
        deleted: timedelta | None = None,
        title: str = "",
        description: str | None = None,
        location: str | None = None,
        cover_url: str | None = None,
        ends: timedelta | None = None,
    ) -> int:
        event_id = self._add(
            "events",
            title=title,
            description=description,
            owner_id=organizer,
            category=category,
            city=city,
            location=location,
            cover_url=cover_url,
            start_time=AS_OF + starts,
            end_time=None if ends is None else AS_OF + ends,
            max_seats=max_seats,
            status=status,
            publish_at=None if publish is None else AS_OF + publish,
            created_at=AS_OF + created,
            deleted_at=None if deleted is None else AS_OF + deleted,
        )
        for tag in tags:
            self._add("event_tags", event_id=event_id, tag_id=self.tag(tag))
        return event_id

    def register(
        self,
        student: int,
        event: int,
        *,
        at: timedelta = YESTERDAY,
        deleted: timedelta | None = None,
    ) -> None:
        self._add(
            "registrations",
            user_id=student,
            event_id=event,
            registration_time=AS_OF + at,
            deleted_at=None if deleted is None else AS_OF + deleted,
        )

    def hide(self, student: int, tag: str) -> None:
        self._add("user_hidden_tags", user_id=student, tag_id=self.tag(tag))

    def block(self, student: int, organizer: int) -> None:
        self._add("user_blocked_organizers", user_id=student, organizer_id=organizer)

    def favorite(self, student: int, event: int, *, at: timedelta = YESTERDAY) -> None:
        self._add("favorite_events", user_id=student, event_id=event, created_at=AS_OF + at)

    def interact(
        self,
        student: int | None,
        kind: str,
        event: int | None = None,
        *,
        at: timedelta = YESTERDAY,
        meta: object = None,
    ) -> int:
        return self._add(
            "event_interactions",
            user_id=student,
            event_id=event,
            interaction_type=kind,
            occurred_at=AS_OF + at,
            meta=meta,
        )

    def like_tag(
        self, student: int, tag: str, score: float | str, *, seen: timedelta = NOW
    ) -> None:
        self._add(
            "user_implicit_interest_tags",
            user_id=student,
            tag_id=self.tag(tag),
            score=score,
            last_seen_at=AS_OF + seen,
        )

    def like_category(
        self, student: int, category: str, score: float | str, *, seen: timedelta = NOW
    ) -> None:
        self._add(
            "user_implicit_interest_categories",
            user_id=student,
            category=category,
            score=score,
            last_seen_at=AS_OF + seen,
        )

    def like_city(
        self, student: int, city: str, score: float | str, *, seen: timedelta = NOW
    ) -> None:
        self._add(
            "user_implicit_interest_cities",
            user_id=student,
            city=city,
            score=score,
            last_seen_at=AS_OF + seen,
        )

    def model(
        self,
        *weights: float,
        version: str = "m1",
        is_active: bool = True,
        features: Sequence[str] = FEATURES,
    ) -> str:
        """Add a model; weights not given are 0."""
        self._add(
            "recommender_models",
            model_version=version,
            feature_names=features,
            weights=[*weights, *(0.0 for _ in features[len(weights) :])],
            is_active=is_active,
        )
        return version

    def recommend(
        self,
        student: int,
        *events: int,
        at: timedelta = NOW,
        version: str = "m1",
        reason: str = "Recommended for you",
        language: str | None = "en",
    ) -> None:
        """Give a student a list, the best event first, as a run of that moment left it."""
        for rank, event in enumerate(events, 1):
            self._add(
                "user_recommendations",
                user_id=student,
                rank=rank,
                event_id=event,
                score=1 - rank / 1000,
                model_version=version,
                generated_at=AS_OF + at,
                reason=reason,
            )
        self._add(
            "recommendation_lists",
            user_id=student,
            model_version=version,
            generated_at=AS_OF + at,
            item_count=len(events),
            language=language,
        )

    async def write(self, connection: Connection[Record]) -> None:
        """Make these rows all the database has."""
        await connection.execute(EMPTY)
        await connection.execute(FILL, json.dumps(self.rows, default=str))

    def _add(self, table: str, **columns: object) -> int:
        rows = self.rows.setdefault(table, [])
        rows.append({"id": len(rows) + 1, **columns})
        return len(rows)
