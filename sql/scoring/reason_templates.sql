-- One row is one language with the sentences that say why an event is in a list.

CREATE OR REPLACE VIEW recommender.reason_templates AS
SELECT
    r.language,
    max(r.template) FILTER (WHERE r.kind = 'interests') AS interests,
    max(r.template) FILTER (WHERE r.kind = 'near_you') AS near_you,
    max(r.template) FILTER (WHERE r.kind = 'generic') AS generic,
    max(r.template) FILTER (WHERE r.kind = 'tags') AS tags,
    max(r.template) FILTER (WHERE r.kind = 'popular') AS popular,
    max(r.template) FILTER (WHERE r.kind = 'near_city') AS near_city,
    max(r.template) FILTER (WHERE r.kind = 'series') AS series,
    max(r.template) FILTER (WHERE r.kind = 'organizer') AS organizer,
    max(r.template) FILTER (WHERE r.kind = 'co_attendance') AS co_attendance
FROM public.recommendation_reasons AS r
GROUP BY r.language;

COMMENT ON VIEW recommender.reason_templates IS
'One row is one language with its sentences from recommendation_reasons: interests, near_you and generic for events of the list, tags and popular for those shown beyond it, near_city for the end of any; series, organizer and co_attendance for events of the list that attendances speak for (models of the extended set); NULL where one is missing, %s where the names go.';
