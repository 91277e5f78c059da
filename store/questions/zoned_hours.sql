-- The sums by hour of whole hours, but for hours within which a day of the zone begins: these are summed by minute.
(SELECT * FROM usage_1h WHERE bucket <> ALL ({hours})
	UNION ALL SELECT m.* FROM unnest({hours}) AS h JOIN usage_1m m ON m.bucket >= h AND m.bucket < h + INTERVAL '1 hour') AS sums
