package policy

import (
	"errors"
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// condition is a rule's own condition in CEL. It has no state, and its cost is bounded.
type condition struct {
	program cel.Program
	tags    map[string]ref.Val // of services, by name
}

// callFields are what a condition knows of a call, by the names that it uses.
var callFields = []string{"provider", "endpoint", "model", "tier", "team", "service"}

var ruleConditions = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{cel.Variable("call.stream", cel.BoolType), cel.Variable("caller.tags", cel.MapType(cel.StringType, cel.StringType))}
	for i, name := range callFields {
		of := "call."
		if i >= len(callFields)-2 {
			of = "caller."
		}
		options = append(options, cel.Variable(of+name, cel.StringType))
	}
	return cel.NewEnv(options...)
})

// compileWhen reads a condition, and refuses one that could cost more than is paid for a call.
func compileWhen(text string, tags map[string]ref.Val) (*condition, error) {
	if len(text) > maxCondition {
		return nil, fmt.Errorf("longer than %d bytes", maxCondition)
	}
	env, err := ruleConditions()
	if err != nil {
		return nil, err
	}
	tree, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("not a condition in CEL: %s", issues.Errors()[0].Message)
	}
	if tree.OutputType() != cel.BoolType {
		return nil, errors.New(`it is not true or false: compare something, as in caller.team == "growth"`)
	}
	program, err := env.Program(tree, cel.CostLimit(maxConditionCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	return &condition{program, tags}, nil
}

// tagsOf gives the tags of services as conditions see them: all conditions share them.
func tagsOf(services map[string]serviceYAML) map[string]ref.Val {
	tags := map[string]ref.Val{}
	for name, s := range services {
		if len(s.Tags) > 0 {
			tags[name] = types.DefaultTypeAdapter.NativeToValue(s.Tags)
		}
	}
	return tags
}

// holds judges a call with a model. A condition that cannot be judged, or costs too much, holds: a limit too many is seen, one too few
// is paid for.
func (c *condition) holds(call *sentinel.Call, model string) bool {
	own := *call // what a condition may keep is not what others have on their stacks
	out, _, err := c.program.Eval(facts{&own, model, c})
	return err != nil || out.Value() == true
}

// facts is a call as a condition sees it: nothing is copied before it is asked for.
type facts struct {
	call  *sentinel.Call
	model string
	of    *condition
}

// ResolveName finds what a condition names.
func (f facts) ResolveName(name string) (any, bool) {
	switch name {
	case "call.provider":
		return types.String(f.call.Provider), true
	case "call.endpoint":
		return types.String(f.call.Endpoint), true
	case "call.model":
		return types.String(f.model), true
	case "call.tier":
		return types.String(f.call.Tier), true
	case "call.stream":
		return types.Bool(f.call.Stream), true
	case "caller.team":
		return types.String(f.call.Caller.Team), true
	case "caller.service":
		return types.String(f.call.Caller.Service), true
	case "caller.tags":
		if tags, ok := f.of.tags[f.call.Caller.Service]; ok {
			return tags, true
		}
		return noTags, true
	}
	return nil, false
}

// Parent is none: a call's facts are all that there is.
func (facts) Parent() cel.Activation { return nil }

var noTags = types.DefaultTypeAdapter.NativeToValue(map[string]string{})
