"""What a feature is: definitions, aggregations, windows, entity keys. Pure: no Spark, no Redis, no clock.

Lives here: `aggregations` (zero, update, merge, finish and their SQL rendering; one file an algorithm), `windows`
(hops and edges), `keys` (one canonical text for an entity), `groups` (slots, features, groups), `blocks` (a group's
blocks compiled into slots and features), `definition` (a project's YAML compiled into groups, vectors and one id),
`catalogue` (what each feature means, whose it is, who uses it), `states_sql` and `requests_sql` (the same for Spark), `expressions` (request features worked out without Spark).
Does not belong here: where states are kept (views), how records are parsed (cleaning).
"""
