package sentinel

// Unit is a class of consumption that has its own rate.
type Unit uint8

// The units. Token classes do not overlap: CachedInputTokens are not InputTokens as well,
// and ReasoningTokens are not OutputTokens as well.
const (
	Requests Unit = iota
	InputTokens
	CachedInputTokens
	CacheWriteTokens
	OutputTokens
	ReasoningTokens
	AudioInputTokens
	AudioOutputTokens
	ImageInputTokens
	ImageOutputTokens
	Characters
	Seconds
	Messages
	Bytes
	AmountCents          // money moved by the call (a Stripe charge), in hundredths of a US dollar
	CacheWriteLongTokens // kept for an hour; CacheWriteTokens are kept for the provider's usual time
	CachedAudioTokens    // audio that was read from the cache
	CachedImageTokens    // images that were read from the cache
	VideoInputTokens     // video
	VideoOutputTokens    // video
	WebSearches          // searches that the model made
	FileSearches         // look-ups in the caller's stored files that the model made
	ToolCalls            // other tools of the provider's that the model used
	Pages                // of documents
	Images               // by the piece

	UnitCount = iota
)

var unitNames = [UnitCount]string{
	"requests", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
	"reasoning_tokens", "audio_input_tokens", "audio_output_tokens", "image_input_tokens",
	"image_output_tokens", "characters", "seconds", "messages", "bytes", "amount_cents",
	"cache_write_1h_tokens", "cached_audio_tokens", "cached_image_tokens", "video_input_tokens", "video_output_tokens",
	"web_searches", "file_searches", "tool_calls", "pages", "images",
}

// String is the unit's name in columns, labels and YAML.
func (u Unit) String() string {
	if int(u) < len(unitNames) {
		return unitNames[u]
	}
	return "unknown"
}

// UnitByName finds a unit by its String.
func UnitByName(name string) (Unit, bool) {
	for u, n := range unitNames {
		if n == name {
			return Unit(u), true
		}
	}
	return 0, false
}

// Usage is what a call consumed, by unit. It is a value: copying it is cheap and allocates nothing.
type Usage [UnitCount]int64

// Rates are prices per unit, in pico-dollars; the rate of Seconds is per hour, because published hourly rates
// have no end as decimals of a second.
type Rates [UnitCount]PicoUSD

// InputTokenUnits and OutputTokenUnits are the classes of tokens by direction.
var (
	InputTokenUnits = [...]Unit{InputTokens, CachedInputTokens, CacheWriteTokens, AudioInputTokens, ImageInputTokens,
		CacheWriteLongTokens, CachedAudioTokens, CachedImageTokens, VideoInputTokens}
	OutputTokenUnits = [...]Unit{OutputTokens, ReasoningTokens, AudioOutputTokens, ImageOutputTokens, VideoOutputTokens}
)

// InputTokenSum counts every token that went to the provider, cached or not.
func (u Usage) InputTokenSum() int64 { return u.sum(InputTokenUnits[:]) }

// OutputTokenSum counts every token that the provider produced, reasoning included.
func (u Usage) OutputTokenSum() int64 { return u.sum(OutputTokenUnits[:]) }

func (u *Usage) sum(units []Unit) int64 {
	var n int64
	for _, unit := range units {
		n += u[unit]
	}
	return n
}

// TokenSum counts all tokens.
func (u Usage) TokenSum() int64 { return u.InputTokenSum() + u.OutputTokenSum() }
