-- Minutes of services that were unusual (sentinel.LeastScore), as every process saw them, the latest first.
SELECT ts, service, instance, team, score, strength, feature, share, actual, expected, impact, features, shares
FROM scores WHERE ts >= $1 AND score >= 0.9 ORDER BY ts DESC LIMIT $2
