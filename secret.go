package sentinel

// Secret holds a credential that cannot be printed, even by fmt's reflection over an
// unexported field: the value lives in a closure.
type Secret struct{ reveal func() string }

// NewSecret wraps a value.
func NewSecret(v string) Secret { return Secret{func() string { return v }} }

// String hides the value.
func (Secret) String() string { return "[secret]" }

// GoString hides the value from %#v.
func (Secret) GoString() string { return "[secret]" }

// MarshalText hides the value from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// Reveal gives the value. Call it only where the value enters a request to its owner.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero tells whether there is no value.
func (s Secret) IsZero() bool { return s.Reveal() == "" }
