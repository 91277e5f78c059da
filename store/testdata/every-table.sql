-- Rows for every table that is not made from others, each in the words of the migration that made its table. A part begins with the number of that migration;
-- a schema takes the parts up to its own.

-- since 1
INSERT INTO entries (ts, call_id, attempt, org, team, service, provider, endpoint, model, stream, asked, action, reason, status, requests, input_tokens,
    cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens, image_input_tokens, image_output_tokens,
    characters, seconds, messages, bytes, amount_cents, cost_nusd, price_version, policy_version, source, method, duration_ns, first_byte_ns)
  SELECT timestamptz '2026-11-23 12:00:00.123456Z' + n * interval '37 minutes', ('019b0000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 0, 'acme',
    (ARRAY['payments', 'growth'])[1 + n % 2], (ARRAY['checkout', 'summariser'])[1 + n % 2], 'openai', 'chat.completions', 'model-' || n % 3, n % 3 = 0, 'gpt-5',
    CASE WHEN n % 7 = 0 THEN 'throttle' ELSE 'allow' END, CASE WHEN n % 7 = 0 THEN 'rate_limited' ELSE '' END, 200, 1, 1000 + n, 10 + n, n % 4, 200 + n, n % 11,
    n % 2, n % 3, n % 5, n % 6, n, n % 8, n % 9, 4000 + n, n % 10, 123456789 + n * 1000, '2026-11-01', 'f00d', 1 + n % 3, CASE WHEN n % 5 = 0 THEN 'bound' ELSE '' END,
    1234567891, 234567891
  FROM generate_series(1, 120) AS n;
INSERT INTO intents (ts, call_id, org, team, service, provider, endpoint, model, stream, asked, action, reason, requests, input_tokens, cached_input_tokens,
    cache_write_tokens, output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens, image_input_tokens, image_output_tokens, characters, seconds,
    messages, bytes, amount_cents, bound_cost_nusd, hold, price_version, policy_version, instance)
  SELECT timestamptz '2026-11-28 09:00:00Z' + n * interval '1 second', ('019b0000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, 'acme', 'growth', 'summariser',
    'openai', 'chat.completions', 'gpt-5', true, 'gpt-5', 'allow', '', 1, 20, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5000000000 + n, 'cell=1;until=2', '2026-11-01',
    'f00d', 'boot-1'
  FROM generate_series(1, 5) AS n;
INSERT INTO instances VALUES ('boot-1', '2026-11-28 09:00:00Z');
INSERT INTO parked VALUES ('\xdead', '2026-11-28 09:00:00Z', 'entry', '019b0000-0000-7000-a000-000000000001', 'violates check constraint "sane"', '{"Model":"poison"}');

-- since 12
INSERT INTO alert_groups VALUES ('budget/team core', '2026-11-28 10:00:00Z', '{"Key": "budget/team core"}');
INSERT INTO incidents VALUES ('budget/team core', '2026-11-28 09:00:00Z', 'budget/team core', 'budget', 'team core', 'warning', 'open', NULL,
  '{"ID": "budget/team core", "Rule": "budget", "Scope": "team core", "State": 1}');
INSERT INTO incident_history (at, incident, what, by) VALUES ('2026-11-28 09:00:00Z', 'budget/team core', 'opened', ''), ('2026-11-28 09:05:00Z', 'budget/team core', 'snoozed', 'ada');
INSERT INTO alert_deliveries (id, grp, episode, channel, kind, body, created, not_before, attempts, state, ended, ref, fault) VALUES
  ('d-1', 'budget/team core', 1, 'finops', 'slack', '\x7b7d', '2026-11-28 09:00:00Z', '2026-11-28 09:00:00Z', 1, 'sent', '2026-11-28 09:00:01Z', '1700.1', ''),
  ('d-2', 'budget/team core', 1, 'page', 'twilio', '\x7b7d', '2026-11-28 09:00:00Z', '2026-11-28 09:10:00Z', 3, 'waiting', NULL, '', 'answered 503');
UPDATE alert_lease SET holder = 'boot-1', fence = 7, until = '2026-11-28 09:00:30Z';
INSERT INTO alert_callbacks VALUES ('slack:1700.1', '2026-11-29 09:00:00Z');

-- since 13
INSERT INTO audit VALUES (1, '2026-11-20 08:00:00Z', 'ada', 'policy.publish', 'acme', '', '{"version":"f00d"}', decode(repeat('00', 32), 'hex'), decode(repeat('1a', 32), 'hex')),
  (2, '2026-11-21 08:00:00Z', 'bob', 'limits.override', 'team core', '500', '700', decode(repeat('1a', 32), 'hex'), decode(repeat('2b', 32), 'hex'));

-- since 41
INSERT INTO accounts VALUES ('ada', 'admin', '', '$argon2id$v=19$m=65536,t=1,p=2$c2FsdA$aGFzaA', '2026-11-01 08:00:00Z'), ('bob', 'team', 'core', '$argon2id$x', '2026-11-02 08:00:00Z');
INSERT INTO account_keys VALUES (decode(repeat('3c', 32), 'hex'), 'ada', 'token', 'scripts', '2026-11-03 08:00:00Z', '2100-01-01 00:00:00Z');
INSERT INTO account_setup (hash, expires) VALUES (decode(repeat('4d', 32), 'hex'), '2100-01-01 00:00:00Z');

-- since 61
INSERT INTO service_tokens VALUES ('tok-1', 'summariser', 'laptop', 'ada', '2026-11-04 08:00:00Z', '2100-01-01 00:00:00Z', '2026-11-20 08:00:00Z', NULL,
  decode(repeat('5e', 32), 'hex'), decode(repeat('6f', 32), 'hex'), '2026-11-21 08:00:00Z');
UPDATE service_token_changes SET n = 2;

-- since 85
INSERT INTO scores SELECT timestamptz '2026-11-25 12:00:00Z' + n * interval '1 minute', 'summariser', 'boot-1', 'growth', 0.9 + n / 1000.0, 0.6, 'cost', 0.8, 900 + n, 30.5, 870000000
  FROM generate_series(1, 9) AS n;

-- since 86
INSERT INTO models VALUES ('summariser', '2026-10-01 00:00:00Z', '2026-11-20 00:00:00Z', '2026-11-27 00:00:00Z', 3, '{rate,tokens per call}', 1, 4, 4, '2026-11-27 01:00:00Z');
INSERT INTO chores VALUES ('train', '2026-11-28 01:00:00Z');

-- since 91
INSERT INTO alert_silences VALUES ('s-1', 'budget', 'team core', '2026-11-28 00:00:00Z', '2100-01-01 00:00:00Z', 'ada', 'month-end close');

-- since 131
INSERT INTO sum_names VALUES ('2026-11-23', 1, 'model-1'), ('2026-11-23', 2, 'checkout');

-- since 132
INSERT INTO policy_versions VALUES ('f00d', '\xf00d', '[{"name": "policies.yaml", "text": "org: acme\n"}]'), ('beef', '\xbeef', '[{"name": "policies.yaml", "text": "org: acme # dearer\n"}]');
INSERT INTO policy_changes (at, version, author, reason) VALUES ('2026-11-20 08:00:00Z', 'f00d', 'ada', 'the first'), ('2026-11-21 08:00:00Z', 'beef', 'bob', 'dearer weather');

-- since 141
INSERT INTO policy_proposals (at, version, was, author, reason, state, by, decided, note, seq) VALUES
  ('2026-11-21 07:00:00Z', 'beef', 'f00d', 'bob', 'dearer weather', 'published', 'ada', '2026-11-21 08:00:00Z', 'agreed', 1),
  ('2026-11-22 07:00:00Z', 'f00d', 'beef', 'bob', 'back', 'waiting', '', NULL, '', NULL);
INSERT INTO policy_processes VALUES ('boot-1', 'gw-0', 'beef', 1, true, '', '2026-11-28 09:00:00Z');

-- since 142
INSERT INTO bodies SELECT '2100-01-01 00:00:00Z', ('019b0000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 0, 'request', timestamptz '2026-11-23 12:00:00.123456Z' + n * interval '37 minutes',
  'acme', 'growth', 'summariser', 'openai', 'chat.completions', 'gpt-5', 512, 'vault:v1:abc', '\x00ff10' FROM generate_series(1, 3) AS n;

-- since 145
INSERT INTO spools VALUES ('019b0000-0000-7000-b000-000000000001', 'acme', 'redis:7000', 'gw-0', '2026-11-28 09:00:00Z');

-- since 146
INSERT INTO key_replacements VALUES ('aws/creds/bedrock', '2026-11-28 08:00:00Z');

-- since 147
INSERT INTO admin_answers VALUES ('ada', '\xfe', '\xed', '2026-11-28 08:00:00Z', '\xbeef');
