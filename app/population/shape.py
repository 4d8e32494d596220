"""What a population looks like to the scorer, measured in the tables that were written."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection, Record

MEASURED_STUDENTS = 20_000

TABLES = """
    CREATE TEMPORARY TABLE shape_event_attributes (
        event_id bigint,
        is_upcoming boolean,
        is_eligible boolean,
        kind text,
        attribute text
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE shape_students (user_id bigint, city text) ON COMMIT DROP;
    CREATE TEMPORARY TABLE shape_user_attributes (
        user_id bigint,
        feature text,
        kind text,
        attribute text
    ) ON COMMIT DROP;
"""

EVENTS = """
    INSERT INTO shape_event_attributes (event_id, is_upcoming, is_eligible, kind, attribute)
    WITH
    seats AS (
        SELECT
            r.event_id,
            count(*) AS taken
        FROM public.registrations AS r
        WHERE r.deleted_at IS NULL
        GROUP BY r.event_id
    ),
    events AS (
        SELECT
            e.*,
            e.start_time >= $1::timestamptz AS is_upcoming,
            e.status = 'published'
            AND e.start_time >= $1::timestamptz
            AND (e.publish_at IS NULL OR e.publish_at <= $1::timestamptz)
            AND (e.deleted_at IS NULL OR e.deleted_at > $1::timestamptz)
            AND (e.max_seats IS NULL OR e.max_seats > coalesce(s.taken, 0)) AS is_eligible
        FROM public.events AS e
        LEFT JOIN seats AS s ON s.event_id = e.id
    )
    SELECT
        e.id AS event_id,
        e.is_upcoming,
        e.is_eligible,
        a.kind,
        a.attribute
    FROM events AS e
    CROSS JOIN LATERAL (
        SELECT
            'tag' AS kind,
            lower(btrim(t.name)) AS attribute
        FROM public.event_tags AS et
        INNER JOIN public.tags AS t ON t.id = et.tag_id
        WHERE et.event_id = e.id
        UNION
        SELECT
            v.kind,
            v.attribute
        FROM (
            VALUES
            ('category', lower(btrim(e.category))),
            ('city', lower(btrim(e.city))),
            ('organizer', e.owner_id::text)
        ) AS v (kind, attribute)
        WHERE v.attribute IS NOT NULL
    ) AS a
"""

STUDENTS = """
    INSERT INTO shape_students (user_id, city)
    WITH
    all_students AS (
        SELECT
            u.id,
            u.city,
            row_number() OVER (ORDER BY u.id) AS place,
            count(*) OVER () AS total
        FROM public.users AS u
        WHERE u.role = 'student'
    )
    SELECT
        s.id,
        s.city
    FROM all_students AS s
    WHERE s.total <= $1::bigint
    OR s.place * $1::bigint / s.total > (s.place - 1) * $1::bigint / s.total
"""

ATTRIBUTES = """
    INSERT INTO shape_user_attributes (user_id, feature, kind, attribute)
    WITH
    positives AS (
        SELECT
            r.user_id,
            r.event_id
        FROM shape_students AS s
        INNER JOIN public.registrations AS r ON r.user_id = s.user_id
        WHERE r.deleted_at IS NULL
        UNION
        SELECT
            f.user_id,
            f.event_id
        FROM shape_students AS s
        INNER JOIN public.favorite_events AS f ON f.user_id = s.user_id
        UNION
        SELECT
            i.user_id,
            i.event_id
        FROM shape_students AS s
        INNER JOIN public.event_interactions AS i ON i.user_id = s.user_id
        WHERE i.interaction_type IN ('click', 'view', 'dwell', 'share', 'favorite', 'register')
        EXCEPT
        SELECT
            i.user_id,
            i.event_id
        FROM shape_students AS s
        INNER JOIN public.event_interactions AS i ON i.user_id = s.user_id
        WHERE i.interaction_type = 'unregister'
    ),
    attributes AS (
        SELECT
            s.user_id,
            CASE WHEN a.kind = 'tag' THEN 'history tag' ELSE a.kind END AS feature,
            a.kind,
            a.attribute
        FROM shape_students AS s
        INNER JOIN positives AS p ON p.user_id = s.user_id
        INNER JOIN shape_event_attributes AS a ON a.event_id = p.event_id
        WHERE a.kind <> 'city'
        UNION
        SELECT
            s.user_id,
            'interest tag',
            'tag',
            lower(btrim(t.name))
        FROM shape_students AS s
        INNER JOIN public.user_interest_tags AS i ON i.user_id = s.user_id
        INNER JOIN public.tags AS t ON t.id = i.tag_id
        UNION
        SELECT
            s.user_id,
            'category',
            'category',
            lower(btrim(i.meta ->> 'category'))
        FROM shape_students AS s
        INNER JOIN public.event_interactions AS i ON i.user_id = s.user_id
        WHERE i.interaction_type IN ('search', 'filter') AND i.meta ->> 'category' IS NOT NULL
        UNION
        SELECT
            s.user_id,
            'city',
            'city',
            lower(btrim(s.city))
        FROM shape_students AS s
        WHERE s.city IS NOT NULL
    )
    SELECT
        s.user_id,
        a.feature,
        a.kind,
        a.attribute
    FROM shape_students AS s
    LEFT JOIN attributes AS a ON a.user_id = s.user_id
"""

FIGURES = """
    WITH
    catalogue AS (
        SELECT
            a.kind,
            a.attribute,
            count(*) AS events
        FROM shape_event_attributes AS a
        WHERE a.is_eligible
        GROUP BY a.kind, a.attribute
    ),
    event_figures AS (
        SELECT
            a.event_id,
            bool_or(a.is_eligible) AS is_eligible,
            count(*) FILTER (WHERE a.kind = 'tag') AS tags,
            md5(string_agg(a.kind || ':' || a.attribute, '|' ORDER BY a.kind, a.attribute)) AS sum
        FROM shape_event_attributes AS a
        WHERE a.is_upcoming
        GROUP BY a.event_id
    ),
    user_figures AS (
        SELECT
            a.user_id,
            count(a.attribute) AS attributes,
            coalesce(sum(c.events), 0) AS postings,
            md5(string_agg(a.feature || ':' || a.attribute, '|' ORDER BY a.feature, a.attribute))
            AS sum
        FROM shape_user_attributes AS a
        LEFT JOIN catalogue AS c ON c.kind = a.kind AND c.attribute = a.attribute
        GROUP BY a.user_id
    ),
    ranked_tags AS (
        SELECT
            ln(row_number() OVER (ORDER BY c.events DESC, c.attribute)::float8) AS log_rank,
            ln(c.events::float8) AS log_events
        FROM catalogue AS c
        WHERE c.kind = 'tag'
    ),
    event_summary AS (
        SELECT
            count(*) AS upcoming_events,
            count(*) FILTER (WHERE e.is_eligible) AS eligible_events,
            count(DISTINCT e.sum) FILTER (WHERE e.is_eligible) AS distinct_events,
            coalesce(min(e.tags) FILTER (WHERE e.is_eligible), 0) AS fewest_tags,
            coalesce(max(e.tags) FILTER (WHERE e.is_eligible), 0) AS most_tags
        FROM event_figures AS e
    ),
    user_summary AS (
        SELECT
            count(*) AS measured_students,
            count(DISTINCT coalesce(u.sum, '')) AS distinct_profiles,
            coalesce(min(u.attributes), 0) AS fewest_attributes,
            coalesce(max(u.attributes), 0) AS most_attributes,
            coalesce(avg(u.attributes), 0)::float8 AS mean_attributes,
            coalesce(min(u.postings), 0)::bigint AS fewest_postings,
            coalesce(max(u.postings), 0)::bigint AS most_postings,
            coalesce(avg(u.postings), 0)::float8 AS mean_postings
        FROM user_figures AS u
    ),
    tag_summary AS (
        SELECT
            count(*) AS used_tags,
            coalesce(
                -regr_slope(t.log_events, t.log_rank) FILTER (WHERE t.log_rank <= ln(200)), 0
            )::float8 AS tag_exponent
        FROM ranked_tags AS t
    )
    SELECT
        (SELECT count(*) FROM public.users AS u WHERE u.role = 'student') AS students,
        u.*,
        e.*,
        t.*
    FROM user_summary AS u
    CROSS JOIN event_summary AS e
    CROSS JOIN tag_summary AS t
"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Figures that decide how much work scoring is."""

    students: int
    measured_students: int
    """Large populations are measured on students spread evenly over the ids."""
    distinct_profiles: int
    fewest_attributes: int
    most_attributes: int
    mean_attributes: float
    fewest_postings: int
    most_postings: int
    mean_postings: float
    upcoming_events: int
    eligible_events: int
    distinct_events: int
    fewest_tags: int
    most_tags: int
    used_tags: int
    tag_exponent: float
    """How steeply the 200 commonest tags fall off, as the exponent of a power law."""

    def lines(self) -> list[str]:
        """Give the figures as sentences for a terminal."""
        measured, eligible = max(self.measured_students, 1), max(self.eligible_events, 1)
        return [
            (
                f"students: {self.students:,}, measured {self.measured_students:,}:"
                f" {self.distinct_profiles / measured:.2%} distinct profiles"
            ),
            (
                f"attributes a student: {self.fewest_attributes} to {self.most_attributes},"
                f" mean {self.mean_attributes:.1f}"
            ),
            (
                f"postings a student: {self.fewest_postings:,} to {self.most_postings:,},"
                f" mean {self.mean_postings:,.0f}"
            ),
            (
                f"events: {self.upcoming_events:,} upcoming, {self.eligible_events:,} eligible,"
                f" {self.distinct_events / eligible:.2%} distinct attribute sets"
            ),
            (
                f"tags: {self.fewest_tags} to {self.most_tags} an event, {self.used_tags} in use,"
                f" falling off with exponent {self.tag_exponent:.2f}"
            ),
        ]

    def departures(self, *, distinct_share: float = 1.0) -> list[str]:
        """Say where the figures leave the shape that benchmarks are compared on.

        `distinct_share` is the share of students drawn without repetition. Postings grow with the
        catalogue, so they are held to their range at 2,000 events only.
        """
        profiles = 0.99 * distinct_share * self.measured_students
        demands = [
            (self.distinct_profiles >= profiles, f"at least {profiles:,.0f} distinct profiles"),
            (
                self.fewest_attributes >= 20 and self.most_attributes <= 24,
                "20 to 24 attributes a student",
            ),
            (
                0 < self.upcoming_events == self.eligible_events,
                "every upcoming event eligible",
            ),
            (
                self.distinct_events >= 0.95 * self.eligible_events,
                "at least 95 % distinct attribute sets",
            ),
            (self.fewest_tags >= 3 and self.most_tags <= 6, "3 to 6 tags an event"),
            (
                self.eligible_events != 2000
                or (self.fewest_postings >= 800 and self.most_postings <= 1000),
                "800 to 1,000 postings a student",
            ),
        ]
        return [demand for holds, demand in demands if not holds]


async def shape(connection: Connection[Record], as_of: datetime) -> Shape:
    """Measure the population at a moment."""
    async with connection.transaction():
        await connection.execute("SET LOCAL work_mem = '64MB'")
        await connection.execute(TABLES)
        await connection.execute(EVENTS, as_of)
        await connection.execute(STUDENTS, MEASURED_STUDENTS)
        await connection.execute("ANALYZE shape_event_attributes, shape_students")
        await connection.execute(ATTRIBUTES)
        await connection.execute("ANALYZE shape_user_attributes")
        row = await connection.fetchrow(FIGURES)
        await connection.execute(
            "DROP TABLE shape_event_attributes, shape_students, shape_user_attributes"
        )
    if row is None:
        raise RuntimeError("an aggregate without GROUP BY gives one row")
    return Shape(**{figure.name: row[figure.name] for figure in fields(Shape)})
