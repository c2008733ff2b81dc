-- What a grant's past is folded from, without its rotations: a grant has a handful of these, and thousands of those.

CREATE INDEX events_of_grants ON events (originator_id, originator_version)
    WHERE starts_with(topic, 'grant.') AND topic <> 'grant.tokens_refreshed';
