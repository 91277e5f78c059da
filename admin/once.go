package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Answers keeps for a day what writes under an idempotency key were answered, over all processes.
type Answers interface {
	// BeginAnswer claims a key for a request. Where it was claimed before, that is given; its time is zero where the account has no room for another.
	BeginAnswer(ctx context.Context, a sentinel.KeptAnswer) (before sentinel.KeptAnswer, claimed bool, err error)
	KeepAnswer(ctx context.Context, a sentinel.KeptAnswer) error
	DropAnswer(ctx context.Context, a sentinel.KeptAnswer) error
}

// Bounds of idempotency keys. A key opens the answer, which may be a token: it is to be random.
const (
	idempotencyKey = "Idempotency-Key"
	minIdempotency = 16
	maxIdempotency = 128
	maxKept        = 1 << 20 // bytes of an answer; of a longer one the key alone is kept
	keepWithin     = 5 * time.Second
	answerWithin   = time.Minute // after which a request that has not been answered is not waited for
)

// once lets a write with an idempotency key happen once: whoever sends it again gets the first one's answer, as draft-ietf-httpapi-idempotency-key-header-07
// has it. Answers above 299 are not kept: the key may be used again.
func (s *Server) once(ctx huma.Context, next func(huma.Context)) {
	key, account := strings.Trim(ctx.Header(idempotencyKey), `"`), who(ctx.Context()).Name
	if key == "" || account == "" || ctx.Method() == http.MethodGet || s.readings[ctx.Operation().OperationID] {
		next(ctx)
		return
	}
	refuse := func(status int, why string) { _ = huma.WriteErr(s.api, ctx, status, why) }
	if len(key) < minIdempotency || len(key) > maxIdempotency {
		refuse(http.StatusBadRequest, fmt.Sprintf("%s: %d to %d characters that nobody guesses, such as a UUID", idempotencyKey, minIdempotency, maxIdempotency))
		return
	}
	body, err := io.ReadAll(ctx.BodyReader())
	if err != nil {
		refuse(http.StatusBadRequest, "the request's body did not come whole")
		return
	}
	at := ctx.URL()
	// The hash has the key in it: a body may be a password, which nobody is to find out from the database by guesses.
	claim := sentinel.KeptAnswer{Account: account, Key: sha256.Sum256([]byte(key)),
		Request: sha256.Sum256(fmt.Appendf(nil, "%s\n%s %s\n%s\n%s\n%s", key, ctx.Method(), at.RequestURI(), ctx.Header("If-Match"), ctx.Header("If-None-Match"), body))}
	before, claimed, err := s.Backend.BeginAnswer(ctx.Context(), claim)
	switch {
	case err != nil:
		s.Log.Error().Err(err).Msg("idempotency key: admin API")
		refuse(http.StatusServiceUnavailable, "idempotency keys cannot be read now")
	case claimed:
		s.perform(ctx, next, key, body, claim)
	case before.Begun.IsZero():
		refuse(http.StatusTooManyRequests, "this account has used too many idempotency keys within a day")
	case before.Request != claim.Request:
		refuse(http.StatusUnprocessableEntity, "this idempotency key was used for another request: make a new one")
	case len(before.Sealed) > 0:
		s.replay(ctx, key, before)
	case s.Now().Sub(before.Begun) < answerWithin:
		ctx.SetHeader("Retry-After", "1")
		refuse(http.StatusConflict, "the first request with this idempotency key has not been answered yet")
	default:
		refuse(http.StatusConflict, "the first request with this idempotency key was never answered, or its answer was too long to be kept: see whether it took effect before you make a new key")
	}
}

// performed is an answer as it is kept.
type performed struct {
	Status int
	Header map[string]string
	Body   []byte
}

// perform answers a request, and keeps the answer.
func (s *Server) perform(ctx huma.Context, next func(huma.Context), key string, body []byte, claim sentinel.KeptAnswer) {
	rec := &recorder{inner: ctx, body: bytes.NewReader(body), header: map[string]string{}}
	kept := false
	defer func() {
		if !kept {
			s.afterwards(ctx, claim, s.Backend.DropAnswer)
		}
	}()
	next(rec)
	status := cmp.Or(ctx.Status(), http.StatusOK)
	if status > 299 {
		return
	}
	kept = true // what happened is not to happen again, whether the answer can be kept or not
	if rec.out.Len() > maxKept {
		return
	}
	text, err := json.Marshal(performed{status, rec.header, rec.out.Bytes()})
	if err != nil {
		return
	}
	claim.Sealed = seal(key, claim.Account).Seal(nil, nil, text, nil) //nolint:gosec // it makes its own random nonce
	s.afterwards(ctx, claim, s.Backend.KeepAnswer)
}

// afterwards ends a claim, also where the client has gone.
func (s *Server) afterwards(ctx huma.Context, claim sentinel.KeptAnswer, do func(context.Context, sentinel.KeptAnswer) error) {
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), keepWithin)
	defer cancel()
	if err := do(short, claim); err != nil {
		s.Log.Error().Err(err).Msg("idempotency key: admin API")
	}
}

// replay gives the first answer again.
func (s *Server) replay(ctx huma.Context, key string, before sentinel.KeptAnswer) {
	var p performed
	text, err := seal(key, before.Account).Open(nil, nil, before.Sealed, nil)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		s.Log.Error().Err(err).Msg("idempotency key: admin API")
		_ = huma.WriteErr(s.api, ctx, http.StatusServiceUnavailable, "the first answer cannot be read")
		return
	}
	for name, value := range p.Header {
		ctx.SetHeader(name, value)
	}
	ctx.SetHeader("Idempotent-Replayed", "true")
	ctx.SetStatus(p.Status)
	if len(p.Body) > 0 {
		_, _ = ctx.BodyWriter().Write(p.Body) // the client has gone
	}
}

// seal makes the cipher of an account's answer under a key: HKDF-SHA256 (RFC 5869) and AES-256-GCM. Who reads the database has no key.
func seal(key, account string) cipher.AEAD {
	secret, err := hkdf.Key(sha256.New, []byte(key), []byte(account), "sentinel admin answer", 32)
	if err != nil {
		panic(err) // of a length that SHA-256 cannot give
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err) // of another length than 32
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

type inner huma.Context

// recorder reads a body again, and keeps what is answered beside answering.
type recorder struct {
	inner
	body   io.Reader
	header map[string]string
	out    bytes.Buffer
}

func (r *recorder) BodyReader() io.Reader { return r.body }

func (r *recorder) SetHeader(name, value string) {
	r.header[name] = value
	r.inner.SetHeader(name, value)
}

func (r *recorder) BodyWriter() io.Writer { return io.MultiWriter(r.inner.BodyWriter(), &r.out) }

func (r *recorder) Unwrap() huma.Context { return r.inner }
