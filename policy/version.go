package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// version names what files say: a token and its hash say the same.
func (c *compiler) version(files []File) string {
	tokens := make([]string, 0, len(c.in.Services))
	for _, s := range c.in.Services {
		tokens = append(tokens, s.Identity.Token)
	}
	files = WithHashes(files, tokens)
	h := sha256.New()
	for _, f := range files {
		if len(files) > 1 {
			_, _ = fmt.Fprintf(h, "%s\x00%d\x00", filepath.Base(f.Name), len(f.Data))
		}
		_, _ = h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// WithHashes puts the hash of each token in its place, which a policy takes as well. A text without a token stays the same bytes.
func WithHashes(files []File, tokens []string) []File { return WithTokens(files, tokens, HashedToken) }

// WithTokens puts something else in the place of each token, wherever it stands.
func WithTokens(files []File, tokens []string, instead func(token string) string) []File {
	var swaps []string
	slices.SortFunc(tokens, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) }) // none is a part of a later one
	for _, t := range tokens {
		if t != "" {
			swaps = append(swaps, t, instead(t))
		}
	}
	swap := strings.NewReplacer(swaps...)
	out := make([]File, len(files))
	for i, f := range files {
		out[i] = File{Name: f.Name, Data: []byte(swap.Replace(string(f.Data)))}
	}
	return out
}
