package credential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// AWSOptions say how AWS is reached.
type AWSOptions struct {
	Region   string
	Endpoint string // URL of a VPC endpoint; empty: the region's own
	// Key gives the key of the machine, pod or user that the gateway runs as. It is asked whenever a key has ended.
	Key func(context.Context) (key AWSKey, expires time.Time, err error)
}

// awsTimeout bounds one request to AWS.
const awsTimeout = 5 * time.Second

// AWSSecrets is the source of secrets of AWS Secrets Manager. A secret that is a JSON object has its members as fields;
// any other text is the field "value".
type AWSSecrets struct {
	o      AWSOptions
	client *secretsmanager.Client
	conns  *http.Client
}

// NewAWSSecrets does no I/O.
func NewAWSSecrets(o AWSOptions) (*AWSSecrets, error) {
	if o.Region == "" {
		return nil, errors.New("aws: name the region of Secrets Manager, such as us-east-1")
	}
	conns := &http.Client{Transport: boundedTransport{http.DefaultTransport.(*http.Transport).Clone()}, Timeout: awsTimeout}
	so := secretsmanager.Options{Region: o.Region, Credentials: o.provider(), HTTPClient: conns, RetryMaxAttempts: 1} // Run has its own retries
	if o.Endpoint != "" {
		so.BaseEndpoint = &o.Endpoint
	}
	return &AWSSecrets{o: o, client: secretsmanager.New(so), conns: conns}, nil
}

// provider caches the key until shortly before it ends.
func (o AWSOptions) provider() aws.CredentialsProvider {
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		k, expires, err := o.Key(ctx)
		return aws.Credentials{
			AccessKeyID: k.AccessKeyID, SecretAccessKey: k.Secret.Reveal(), SessionToken: k.SessionToken.Reveal(), CanExpire: !expires.IsZero(), Expires: expires,
		}, err
	}), func(c *aws.CredentialsCacheOptions) { c.ExpiryWindow = time.Minute })
}

// Prepare has nothing to do: each request is signed.
func (*AWSSecrets) Prepare(context.Context) error { return nil }

// Wakes has nothing to renew.
func (*AWSSecrets) Wakes() (time.Duration, bool) { return 0, false }

// Close ends the connections.
func (a *AWSSecrets) Close() { a.conns.CloseIdleConnections() }

// Read reads the current version of a secret, by its name or ARN.
func (a *AWSSecrets) Read(ctx context.Context, name string) (map[string]any, error) {
	got, err := a.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return nil, a.explain(err, name)
	}
	if got.SecretString == nil {
		return nil, a.Faultf("%s holds bytes: store it as text", clip(name))
	}
	var fields map[string]any
	if json.Unmarshal([]byte(*got.SecretString), &fields) != nil || fields == nil {
		return map[string]any{"value": *got.SecretString}, nil //nolint:nilerr // a text that is no object is the value itself
	}
	return fields, nil
}

// refusedCodes say that the key or what it may do is at fault.
var refusedCodes = map[string]bool{
	"AccessDeniedException": true, "UnrecognizedClientException": true, "InvalidClientTokenId": true, "ExpiredTokenException": true, "InvalidSignatureException": true,
}

// explain turns an error of the SDK into a sentence, and keeps its text out of it: that has request ids and attempts.
func (a *AWSSecrets) explain(err error, name string) error {
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return errNotFound
	}
	answer, ok := errors.AsType[smithy.APIError](err)
	if rs, answered := errors.AsType[*smithyhttp.ResponseError](err); answered && rs.HTTPStatusCode() == http.StatusForbidden || ok && refusedCodes[answer.ErrorCode()] {
		return a.faultf(errForbidden, "the gateway may not read %s: check its key, and grant secretsmanager:GetSecretValue on it to its role", clip(name))
	}
	if !ok {
		return a.faultf(ErrUnreachable, "it cannot be reached (%s): check the network, the region and the machine's role", clip(cause(err)))
	}
	if answer.ErrorCode() == "InvalidRequestException" {
		return a.Faultf("%s is marked for deletion: aws secretsmanager restore-secret --secret-id %s", clip(name), clip(name))
	}
	return a.faultf(ErrUnreachable, "reading %s was answered with %s", clip(name), clip(answer.ErrorCode()))
}

// Advice is the command that writes fields.
func (a *AWSSecrets) Advice(name string, there bool, fields []string) string {
	verb, id := "create-secret", "--name"
	if there {
		verb, id = "put-secret-value", "--secret-id"
	}
	members := make([]string, len(fields))
	for i, f := range fields {
		if f == "" {
			f = `access_key_id":"…","secret_access_key`
		}
		members[i] = `"` + clip(f) + `":"…"`
	}
	return fmt.Sprintf("aws secretsmanager %s %s %s --secret-string '{%s}'", verb, id, clip(name), strings.Join(members, ","))
}

// Faultf makes one sentence about what Secrets Manager holds.
func (a *AWSSecrets) Faultf(format string, args ...any) error { return a.faultf(nil, format, args...) }

func (a *AWSSecrets) faultf(class error, format string, args ...any) error {
	return &fault{"AWS Secrets Manager in " + a.o.Region + ": " + fmt.Sprintf(format, args...), class}
}
