// Command providers stands in for a provider of OpenTofu that comes from a registry alone: it has the schema that schema.py wrote beside it, and nothing else.
// That is all that `tofu validate` and mock_provider ask for.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "providers:", err)
		os.Exit(1)
	}
}

// serve is told which provider it is by its own name, terraform-provider-NAME.
func serve() error {
	name := strings.TrimPrefix(filepath.Base(os.Args[0]), "terraform-provider-")
	text, err := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "schema.json"))
	if err != nil {
		return err
	}
	var s schemas
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("schema of %s: %w", name, err)
	}
	return tf5server.Serve("registry.opentofu.org/hashicorp/"+name, func() tfprotov5.ProviderServer { return provider{schemas: s} })
}

// schemas are those of one provider, as `tofu providers schema -json` prints them.
type schemas struct {
	Provider  schema            `json:"provider"`
	Resources map[string]schema `json:"resource_schemas"`
	Data      map[string]schema `json:"data_source_schemas"`
}

type schema struct {
	Block block `json:"block"`
}

type block struct {
	Attributes map[string]struct {
		Type                         kind `json:"type"`
		Required, Optional, Computed bool
	} `json:"attributes"`
	Blocks map[string]struct {
		Nesting  string `json:"nesting_mode"`
		Block    block  `json:"block"`
		MinItems int64  `json:"min_items"`
	} `json:"block_types"`
}

// kind is a type of the language.
type kind struct{ tftypes.Type }

func (k *kind) UnmarshalJSON(text []byte) (err error) {
	k.Type, err = tftypes.ParseJSONType(text) //nolint:staticcheck // what Terraform itself writes is read
	return err
}

var nestings = map[string]tfprotov5.SchemaNestedBlockNestingMode{
	"single": tfprotov5.SchemaNestedBlockNestingModeSingle, "list": tfprotov5.SchemaNestedBlockNestingModeList,
	"set": tfprotov5.SchemaNestedBlockNestingModeSet, "map": tfprotov5.SchemaNestedBlockNestingModeMap,
}

func (s schema) proto() *tfprotov5.Schema { return &tfprotov5.Schema{Block: s.Block.proto()} }

func (b block) proto() *tfprotov5.SchemaBlock {
	out := &tfprotov5.SchemaBlock{}
	for name, a := range b.Attributes {
		out.Attributes = append(out.Attributes, &tfprotov5.SchemaAttribute{Name: name, Type: a.Type.Type, Required: a.Required, Optional: a.Optional, Computed: a.Computed})
	}
	for name, n := range b.Blocks {
		out.BlockTypes = append(out.BlockTypes, &tfprotov5.SchemaNestedBlock{TypeName: name, Block: n.Block.proto(), Nesting: nestings[n.Nesting], MinItems: n.MinItems})
	}
	return out
}

func protos(of map[string]schema) map[string]*tfprotov5.Schema {
	out := map[string]*tfprotov5.Schema{}
	for name, s := range of {
		out[name] = s.proto()
	}
	return out
}

// provider answers what is asked before anything is made. Whatever else is asked of it ends it: it can make nothing.
type provider struct {
	tfprotov5.ProviderServer
	schemas schemas
}

func (p provider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	return nil, errors.New("ask for the schema")
}

func (p provider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	return &tfprotov5.GetProviderSchemaResponse{Provider: p.schemas.Provider.proto(), ResourceSchemas: protos(p.schemas.Resources), DataSourceSchemas: protos(p.schemas.Data)}, nil
}

func (p provider) GetResourceIdentitySchemas(context.Context, *tfprotov5.GetResourceIdentitySchemasRequest) (*tfprotov5.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov5.GetResourceIdentitySchemasResponse{}, nil
}

func (p provider) PrepareProviderConfig(_ context.Context, r *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (p provider) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

func (p provider) ValidateResourceTypeConfig(context.Context, *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	return &tfprotov5.ValidateResourceTypeConfigResponse{}, nil
}

func (p provider) ValidateDataSourceConfig(context.Context, *tfprotov5.ValidateDataSourceConfigRequest) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	return &tfprotov5.ValidateDataSourceConfigResponse{}, nil
}

// UpgradeResourceState takes what a run before has kept: there is one version of every schema.
func (p provider) UpgradeResourceState(_ context.Context, r *tfprotov5.UpgradeResourceStateRequest) (*tfprotov5.UpgradeResourceStateResponse, error) {
	of := p.schemas.Resources[r.TypeName].proto().ValueType()
	state, err := r.RawState.Unmarshal(of)
	if err != nil {
		return nil, err
	}
	kept, err := tfprotov5.NewDynamicValue(of, state)
	return &tfprotov5.UpgradeResourceStateResponse{UpgradedState: &kept}, err
}
