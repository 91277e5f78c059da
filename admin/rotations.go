package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Errors of rotations, whose sentences are for the client.
var (
	ErrNoCredential  = errors.New("no such credential")
	ErrRotating      = errors.New("this credential is being rotated already")
	ErrRotationsBusy = errors.New("too many rotations at once")
	ErrNotRotated    = errors.New("there is nothing to rotate")
	ErrKeyRefused    = errors.New("the new key is not used")
	ErrBrokenOff     = errors.New("the rotation was broken off, and the key in use stays")
)

// Rotations gives providers' credentials other values in Vault. It records every rotation in the audit chain itself.
type Rotations interface {
	// Rotate begins a rotation, or goes on with one that was broken off. One that takes its time goes on after the answer.
	Rotate(ctx context.Context, by string, asked RotationAsked) (Rotation, error)
	Rotation(ctx context.Context, provider string, number int) (Rotation, error)
}

// RotationAsked is a rotation that somebody asks for.
type RotationAsked struct {
	Provider    string
	Number      int             // of its credentials; 0 is the first
	Key         sentinel.Secret // zero: go on with a rotation that was broken off, or have a key made
	AccessKeyID string          // of an AWS key
	TestPath    string          // empty: the policy's, or the preset's
}

// The states of a credential's last rotation.
const (
	RotationNever   = "never"
	RotationRunning = "running"
	RotationDone    = "done"
	RotationFailed  = "failed"
	RotationLost    = "lost"
)

// The steps of a rotation that runs. What follows the test is one write.
const (
	StepNone   = "none"
	StepCreate = "create"
	StepTest   = "test"
)

// What a rotation of a credential has to be given.
const (
	TakesKey       = "key"
	TakesAWSKey    = "aws_key"
	TakesNothing   = "nothing"
	TakesElsewhere = "elsewhere"
)

// Rotation is how the rotation of a credential goes, or how the last one ended.
type Rotation struct {
	State         string     `json:"state" enum:"never,running,done,failed,lost" doc:"lost: its process said nothing of its end; the next rotation goes on."`
	Step          string     `json:"step" enum:"none,create,test" doc:"Of one that runs: a key is made and set beside the one in use, then tested by a real call. What follows is one write."`
	By            string     `json:"by" doc:"Who began it; empty for never."`
	Begun         *time.Time `json:"begun,omitempty"`
	Ended         *time.Time `json:"ended,omitempty"`
	Fault         string     `json:"fault" doc:"Why it failed, and what to do about it."`
	Pending       bool       `json:"pending" doc:"A key waits beside the one in use that has not shown that it works: a rotation that is given none goes on with it."`
	PreviousUntil *time.Time `json:"previous_until,omitempty" doc:"Until when the key before is kept at most; left out where there is none, or none that is needed."`
	Next          string     `json:"next" doc:"What is left to do after one that is done."`
	SecretFault   string     `json:"secret_fault" doc:"Why the secret cannot be read now: pending, previous_until and step are not known then."`
}

// CredentialID names a credential in a path. It is exported because an embedded struct that is not has no part in the document.
type CredentialID struct {
	Provider string `path:"provider" minLength:"1" maxLength:"100"`
	Number   int    `path:"number" minimum:"0" maximum:"1000" doc:"0 is the first."`
}

type rotateInput struct {
	CredentialID
	Body struct {
		Key         string `json:"key,omitempty" maxLength:"16384" writeOnly:"true" doc:"The new key; of an AWS key the secret access key. Left out: a rotation that was broken off goes on, or whoever makes the keys by the policy makes one."`
		AccessKeyID string `json:"access_key_id,omitempty" maxLength:"128" doc:"Of an AWS key."`
		TestPath    string `json:"test_path,omitempty" maxLength:"300" doc:"GET that tests the key, such as /v1/me. Default: rotate.test of the policy; presets know theirs."`
	}
}

type rotationAnswer struct {
	Status int
	Body   Rotation
}

func (s *Server) rotationRoutes() {
	const path = "/credentials/{provider}/{number}/rotation"
	register(s, operation{id: "get-rotation", method: http.MethodGet, path: path, tag: "status", summary: "How the rotation of a credential goes, or how the last one ended", role: sentinel.RoleOperator},
		func(ctx context.Context, in *CredentialID) (*answer[Rotation], error) {
			r, err := s.Backend.Rotation(ctx, in.Provider, in.Number)
			return &answer[Rotation]{r}, s.unrotated(err)
		})
	register(s, operation{id: "rotate-credential", method: http.MethodPost, path: path, tag: "status", summary: "Give a credential another value, once a real call has shown that it works; 202: it takes longer, and goes on", role: sentinel.RoleAdmin, also: http.StatusAccepted}, s.rotate)
}

func (s *Server) rotate(ctx context.Context, in *rotateInput) (*rotationAnswer, error) {
	asked := RotationAsked{Provider: in.Provider, Number: in.Number, AccessKeyID: in.Body.AccessKeyID, TestPath: in.Body.TestPath}
	if in.Body.Key != "" {
		asked.Key = sentinel.NewSecret(in.Body.Key)
	}
	r, err := s.Backend.Rotate(ctx, who(ctx).Name, asked)
	if err != nil {
		return nil, s.unrotated(err)
	}
	out := &rotationAnswer{Status: http.StatusOK, Body: r}
	if r.State == RotationRunning {
		out.Status = http.StatusAccepted
	}
	return out, nil
}

// unrotated is why a credential is not rotated, for the client.
func (s *Server) unrotated(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []struct {
		is     error
		status int
	}{
		{ErrNoCredential, http.StatusNotFound}, {ErrRotating, http.StatusConflict}, {ErrNotRotated, http.StatusConflict}, {ErrRotationsBusy, http.StatusTooManyRequests},
		{ErrKeyRefused, http.StatusUnprocessableEntity}, {ErrRefused, http.StatusBadRequest}, {ErrBrokenOff, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, known.is) {
			return huma.NewError(known.status, err.Error())
		}
	}
	return s.fault("rotation", err)
}
