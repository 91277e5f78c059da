-- +goose Up

-- The price list within a model's or endpoint's, and the units that came with it.
-- +goose StatementBegin
DO $$
DECLARE
  unit text;
BEGIN
  ALTER TABLE entries ADD COLUMN tier text NOT NULL DEFAULT '';
  ALTER TABLE intents ADD COLUMN tier text NOT NULL DEFAULT '';
  FOREACH unit IN ARRAY ARRAY['cache_write_1h_tokens', 'cached_audio_tokens', 'cached_image_tokens', 'video_input_tokens',
    'video_output_tokens', 'web_searches', 'file_searches', 'tool_calls', 'pages', 'images']
  LOOP
    EXECUTE format('ALTER TABLE entries ADD COLUMN %I bigint NOT NULL DEFAULT 0', unit);
    EXECUTE format('ALTER TABLE intents ADD COLUMN %I bigint NOT NULL DEFAULT 0', unit);
  END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE
  unit text;
BEGIN
  FOREACH unit IN ARRAY ARRAY['tier', 'cache_write_1h_tokens', 'cached_audio_tokens', 'cached_image_tokens', 'video_input_tokens',
    'video_output_tokens', 'web_searches', 'file_searches', 'tool_calls', 'pages', 'images']
  LOOP
    EXECUTE format('ALTER TABLE entries DROP COLUMN %I', unit);
    EXECUTE format('ALTER TABLE intents DROP COLUMN %I', unit);
  END LOOP;
END
$$;
-- +goose StatementEnd
