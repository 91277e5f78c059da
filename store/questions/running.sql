-- Whether calls of a provider run that began before a moment, as far as nobody has written how they ended.
SELECT EXISTS (SELECT 1 FROM intents WHERE provider = $1 AND ts < $2)
