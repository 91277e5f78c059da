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
	AmountCents // money moved by the call (a Stripe charge), in hundredths of a US dollar

	UnitCount = iota
)

var unitNames = [UnitCount]string{
	"requests", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
	"reasoning_tokens", "audio_input_tokens", "audio_output_tokens", "image_input_tokens",
	"image_output_tokens", "characters", "seconds", "messages", "bytes", "amount_cents",
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

// Rates are prices per unit, in pico-dollars.
type Rates [UnitCount]PicoUSD

// InputTokenSum counts every token that went to the provider, cached or not.
func (u Usage) InputTokenSum() int64 {
	return u[InputTokens] + u[CachedInputTokens] + u[CacheWriteTokens] + u[AudioInputTokens] + u[ImageInputTokens]
}

// OutputTokenSum counts every token that the provider produced, reasoning included.
func (u Usage) OutputTokenSum() int64 {
	return u[OutputTokens] + u[ReasoningTokens] + u[AudioOutputTokens] + u[ImageOutputTokens]
}

// TokenSum counts all tokens.
func (u Usage) TokenSum() int64 { return u.InputTokenSum() + u.OutputTokenSum() }
