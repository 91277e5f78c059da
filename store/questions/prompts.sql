-- The newest calls whose prompt was text alone, and whose provider counted its tokens.
SELECT ts, model, demand, input_tokens + cached_input_tokens + cache_write_tokens + cache_write_1h_tokens
FROM entries WHERE ts > $1 AND source = $3 AND method = '' AND demand LIKE '%;w%'
  AND input_tokens > 0 AND audio_input_tokens + image_input_tokens + cached_audio_tokens + cached_image_tokens + video_input_tokens = 0
ORDER BY ts DESC LIMIT $2
