package credential

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxEvent bounds one event with its envelope, in bytes: a quarter second of PCM at 48 kHz has 24 KB, Transcribe takes 32 KB, and the largest
// events of Bedrock's conversations are results of tools.
const maxEvent = 1 << 20

// minEvent is the shortest message of AWS's binary encoding, in bytes: its length first, its headers' length, and two checksums.
const minEvent = 16

// EventChain signs the events of one running request anew, as they pass. Each came in an envelope with the time and a signature that continues the
// one before it; the first continues the signature of the request's head.
type EventChain struct {
	client, provider *v4.StreamSigner // client is nil where its caller is known by other means than by its signature
	rest             []byte           // of an event whose end has not come
}

// NewEventChain begins behind the heads' authorization headers: the one that the client sent, with the secret that was issued to it, and the one
// that was made with the provider's key. Without a secret the client's signatures are not looked at, because they prove nothing.
func NewEventChain(issued sentinel.Secret, received string, key AWSKey, sent string) (*EventChain, error) {
	head, err := parseClaim(sent)
	if err != nil {
		return nil, err
	}
	if head.keyID != key.AccessKeyID {
		return nil, errors.New("aws signature: the key changed while the request began")
	}
	c := &EventChain{provider: head.chain(key.Secret)}
	if !issued.IsZero() {
		if head, err = parseClaim(received); err != nil {
			return nil, err
		}
		c.client = head.chain(issued)
	}
	return c, nil
}

// chain gives what signs the events behind a head.
func (c claim) chain(secret sentinel.Secret) *v4.StreamSigner {
	return v4.NewStreamSigner(aws.Credentials{AccessKeyID: c.keyID, SecretAccessKey: secret.Reveal()}, c.service, c.region, c.signature)
}

// Sign takes the next bytes of the request and gives what goes on in their place: the events that are complete, signed at a time. The error is for
// the client, whose request ends with it. Last is the request's end, which no event may stand across.
func (c *EventChain) Sign(chunk []byte, last bool, at time.Time) ([]byte, error) {
	c.rest = append(c.rest, chunk...)
	var out bytes.Buffer
	for len(c.rest) >= minEvent {
		n := binary.BigEndian.Uint32(c.rest)
		if n < minEvent || n > maxEvent {
			return nil, fmt.Errorf("aws event: it has %d bytes with its envelope, at most %d are taken", n, maxEvent)
		}
		if uint32(len(c.rest)) < n {
			break
		}
		if err := c.next(&out, c.rest[:n], at); err != nil {
			return nil, err
		}
		c.rest = c.rest[n:]
	}
	if last && len(c.rest) > 0 {
		return nil, errors.New("aws event: the request ends within one")
	}
	c.rest = bytes.Clone(c.rest) // what has gone on is not kept
	return out.Bytes(), nil
}

// next verifies one envelope and writes its successor.
func (c *EventChain) next(out *bytes.Buffer, raw []byte, at time.Time) error {
	m, err := eventstream.NewDecoder().Decode(bytes.NewReader(raw), nil)
	if err != nil {
		return fmt.Errorf("aws event: it is malformed: %w", err)
	}
	date, isTime := m.Headers.Get(eventstreamapi.DateHeader).(eventstream.TimestampValue)
	signature, isBytes := m.Headers.Get(eventstreamapi.ChunkSignatureHeader).(eventstream.BytesValue)
	if !isTime || !isBytes || len(m.Headers) != 2 {
		return errors.New("aws event: it is not in an envelope that has :date and :chunk-signature, and nothing else")
	}
	if err := c.verify(m.Payload, time.Time(date), signature, at); err != nil {
		return err
	}
	headers := eventstream.Headers{{Name: eventstreamapi.DateHeader, Value: eventstream.TimestampValue(at)}}
	anew, err := chained(c.provider, headers, m.Payload, at)
	if err != nil {
		return err
	}
	headers.Set(eventstreamapi.ChunkSignatureHeader, eventstream.BytesValue(anew))
	return eventstream.NewEncoder().Encode(out, eventstream.Message{Headers: headers, Payload: m.Payload})
}

// verify checks that an event continues the client's chain.
func (c *EventChain) verify(payload []byte, date time.Time, signature []byte, at time.Time) error {
	if c.client == nil {
		return nil
	}
	if skew := at.Sub(date).Abs(); skew > maxSkew {
		return fmt.Errorf("aws event: it was signed %s away from the gateway's time, and %s are allowed: set the client's clock", skew.Round(time.Second), maxSkew)
	}
	want, err := chained(c.client, eventstream.Headers{{Name: eventstreamapi.DateHeader, Value: eventstream.TimestampValue(date)}}, payload, date)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, signature) {
		return ErrEvent
	}
	return nil
}

// ErrEvent says that an event was not signed with the issued secret, or does not continue the one before it.
var ErrEvent = errors.New("aws event: its signature does not continue the one before it: check that no event was lost, repeated or changed on the way")

// chained gives the signature of an event, which the next one continues.
func chained(by *v4.StreamSigner, headers eventstream.Headers, payload []byte, at time.Time) ([]byte, error) {
	var dated bytes.Buffer
	if err := eventstream.EncodeHeaders(&dated, headers); err != nil {
		return nil, err
	}
	return by.GetSignature(context.Background(), dated.Bytes(), payload, at)
}
