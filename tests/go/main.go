// Print who the default credentials of the SDK are, as JSON; a refusal is its code.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func main() {
	url := os.Getenv("TEST_ENDPOINT")
	resolver := aws.EndpointResolverWithOptionsFunc(
		func(service, region string, options ...interface{}) (aws.Endpoint, error) {
			return aws.Endpoint{URL: url, SigningRegion: region, HostnameImmutable: true}, nil
		})
	said := map[string]string{}
	err := run(said, resolver)
	if err != nil {
		var refusal smithy.APIError
		if errors.As(err, &refusal) {
			said["Code"], said["Message"] = refusal.ErrorCode(), refusal.ErrorMessage()
		} else {
			said["Error"] = err.Error()
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(said)
}

func run(said map[string]string, resolver aws.EndpointResolverWithOptions) error {
	ctx := context.Background()
	loaded, err := config.LoadDefaultConfig(ctx, config.WithEndpointResolverWithOptions(resolver), config.WithRetryMaxAttempts(1))
	if err != nil {
		return err
	}
	held, err := loaded.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	said["Source"] = held.Source
	who, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	said["Arn"] = aws.ToString(who.Arn)
	if name := os.Getenv("TEST_ROLE"); name != "" {
		role, err := iam.NewFromConfig(loaded).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
		if err != nil {
			return err
		}
		said["Role"] = aws.ToString(role.Role.Arn)
	}
	return nil
}
