package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
)

// Envoy starts Envoy with a bootstrap whose admin page is at the host:port admin, and returns when
// it serves. Its configuration and log are in the stack's directory under envoy/; Options.Tools and
// Options.Dir are filled in. The process ends with the stack.
func (s *Stack) Envoy(ctx context.Context, bootstrap []byte, o envoytest.Options) (*envoytest.Process, error) {
	dir, err := s.sub("envoy")
	if err != nil {
		return nil, err
	}
	o.Dir, o.Tools = dir, s.o.Tools
	p, err := envoytest.Start(ctx, bootstrap, o)
	if errors.Is(err, envoytest.ErrNotInstalled) {
		return nil, missing("Envoy", envoytest.ErrNotInstalled)
	}
	if err != nil {
		return nil, fmt.Errorf("start Envoy: %w", err)
	}
	s.started("envoy", "admin page on "+o.Admin, p.Stop)
	return p, nil
}
