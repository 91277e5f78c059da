package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/credential"
)

// maxS3Object is the longest object that S3 takes in one request; an export of a month by the hour is far below it.
const maxS3Object = 5 << 30

// s3Timeout bounds one upload.
const s3Timeout = 30 * time.Minute

// s3Target is where an object goes. The endpoint, region and key are those of the AWS tools' environment.
type s3Target struct {
	bucket, object string
	endpoint       *url.URL
	region         string
	key            credential.AWSKey
}

// s3URL reads s3://bucket/object. It is not ok for other texts.
func s3URL(text string) (t s3Target, ok bool, err error) {
	rest, ok := strings.CutPrefix(text, "s3://")
	if !ok {
		return t, false, nil
	}
	t.bucket, t.object, _ = strings.Cut(rest, "/")
	if t.bucket == "" || t.object == "" || strings.HasSuffix(t.object, "/") {
		return t, true, fmt.Errorf("--out: %q names no object: write s3://bucket/path/file", text)
	}
	t.region = cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	t.key = credential.AWSKey{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), Secret: sentinel.NewSecret(os.Getenv("AWS_SECRET_ACCESS_KEY")),
		SessionToken: sentinel.NewSecret(os.Getenv("AWS_SESSION_TOKEN"))}
	if t.key.AccessKeyID == "" || t.key.Secret.IsZero() {
		return t, true, errors.New("--out: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	}
	endpoint := cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	if endpoint == "" {
		endpoint = "https://s3." + t.region + ".amazonaws.com"
	}
	if t.endpoint, err = url.Parse(endpoint); err != nil || t.endpoint.Host == "" {
		return t, true, fmt.Errorf("--out: the endpoint %q is not a URL", endpoint)
	}
	return t, true, nil
}

// put writes the file as the object, in path style, which every store that speaks S3 takes. S3 shows the object whole or not at all.
func (t s3Target) put(ctx context.Context, f *os.File) error {
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	if size > maxS3Object {
		return fmt.Errorf("--out: %d bytes are more than S3 takes in one request: export a shorter period", size)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	target := t.endpoint.JoinPath(t.bucket, t.object)
	ctx, cancel := context.WithTimeout(ctx, s3Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, target.String(), f)
	if err != nil {
		return err
	}
	r.ContentLength = size
	signed, err := credential.SignV4(t.key, credential.SigRequest{Method: r.Method, Host: r.URL.Host, Path: r.URL.EscapedPath(),
		PayloadHash: hex.EncodeToString(sum.Sum(nil)), Region: t.region, Service: "s3"}, time.Now().UTC())
	if err != nil {
		return err
	}
	for _, h := range signed {
		r.Header.Set(h.Name, h.Value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("write s3://%s/%s: %w", t.bucket, t.object, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		return fmt.Errorf("write s3://%s/%s: answered %s: %s", t.bucket, t.object, answer.Status, strings.TrimSpace(string(why)))
	}
	return nil
}

// toS3 makes the object in a file that has no name left when it ends.
func (t s3Target) toS3(ctx context.Context, write func(io.Writer) error) error {
	f, err := os.CreateTemp("", "sentinel-export-")
	if err != nil {
		return err
	}
	defer func() { _, _ = f.Close(), os.Remove(f.Name()) }()
	if err := write(f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return t.put(ctx, f)
}
