package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// IAMKeys makes access keys of the IAM user whose key it is given: the user changes its own, by iam:CreateAccessKey, iam:DeleteAccessKey,
// iam:ListAccessKeys and iam:GetAccessKeyLastUsed on itself.
type IAMKeys struct {
	Endpoint string        // of IAM and STS; empty: AWS's own
	Patience time.Duration // within which AWS has to know a new key everywhere; 30 s when 0
}

// iamRegion signs for IAM, which is one service for all regions.
const iamRegion = "us-east-1"

func awsKeyOf(k Key) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: k[awsFields[0]].Reveal(), SecretAccessKey: k[awsFields[1]].Reveal()}, nil
	})
}

func (m IAMKeys) client(k Key) *iam.Client {
	return iam.New(iam.Options{Region: iamRegion, Credentials: awsKeyOf(k), BaseEndpoint: m.endpoint(), HTTPClient: &http.Client{Timeout: awsTimeout}})
}

func (m IAMKeys) endpoint() *string {
	if m.Endpoint == "" {
		return nil
	}
	return &m.Endpoint
}

// Make makes another access key. A user has at most two: where there is another than the known ones it is taken away if nobody has ever used
// it, because a try that ended too soon has left it, and its secret is known to nobody.
func (m IAMKeys) Make(ctx context.Context, current Key, known []Key) (Key, error) {
	c := m.client(current)
	list, err := c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{})
	if err != nil {
		return nil, iamFault("list the user's access keys", err)
	}
	for _, k := range list.AccessKeyMetadata {
		id := aws.ToString(k.AccessKeyId)
		if has(known, id) {
			continue
		}
		if err := m.removeUnused(ctx, c, id); err != nil {
			return nil, err
		}
	}
	made, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})
	if _, full := errors.AsType[*types.LimitExceededException](err); full {
		return nil, errors.New("the IAM user has two access keys already, and AWS allows no third: the one before is kept until its time is over")
	}
	if err != nil {
		return nil, iamFault("make an access key", err)
	}
	return Key{
		awsFields[0]: sentinel.NewSecret(aws.ToString(made.AccessKey.AccessKeyId)),
		awsFields[1]: sentinel.NewSecret(aws.ToString(made.AccessKey.SecretAccessKey)),
	}, nil
}

func has(known []Key, id string) bool {
	for _, k := range known {
		if k[awsFields[0]].Reveal() == id {
			return true
		}
	}
	return false
}

func (m IAMKeys) removeUnused(ctx context.Context, c *iam.Client, id string) error {
	used, err := c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &id})
	if err != nil {
		return iamFault("ask when access key "+id+" was used", err)
	}
	if used.AccessKeyLastUsed != nil && used.AccessKeyLastUsed.LastUsedDate != nil {
		return fmt.Errorf("the IAM user has the access key %s besides, which somebody uses: delete it, or give the gateway a user of its own", id)
	}
	return m.remove(ctx, c, id)
}

// Remove deletes an access key.
func (m IAMKeys) Remove(ctx context.Context, current, old Key) error {
	return m.remove(ctx, m.client(current), old[awsFields[0]].Reveal())
}

func (m IAMKeys) remove(ctx context.Context, c *iam.Client, id string) error {
	_, err := c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: &id})
	if _, gone := errors.AsType[*types.NoSuchEntityException](err); gone || err == nil {
		return nil
	}
	return iamFault("delete access key "+id, err)
}

// Test asks AWS who a key is (sts:GetCallerIdentity, which needs no permission and costs nothing). AWS knows a new key everywhere only after some
// seconds, so a refusal counts when it stays for Patience.
func (m IAMKeys) Test(ctx context.Context, k Key) error {
	c := sts.New(sts.Options{Region: iamRegion, Credentials: awsKeyOf(k), BaseEndpoint: m.endpoint(), HTTPClient: &http.Client{Timeout: awsTimeout}})
	until := time.Now().Add(positiveOr(m.Patience, 30*time.Second))
	for {
		_, err := c.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		answer, answered := errors.AsType[smithy.APIError](err)
		switch {
		case err == nil:
			return nil
		case !answered:
			return iamFault("test the new access key", err)
		case time.Now().After(until):
			return fmt.Errorf("%w: sts:GetCallerIdentity was answered with %s", ErrBadKey, clip(answer.ErrorCode()))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// iamFault names an error of AWS without its request ids.
func iamFault(what string, err error) error {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("%s: AWS answered %s: %s", what, clip(answer.ErrorCode()), clip(answer.ErrorMessage()))
	}
	return fmt.Errorf("%s: %s", what, clip(cause(err)))
}
