package declare

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

// Bounds of expressions. CEL's unit of cost is about one simple operation.
const (
	maxFormula  = 1000       // bytes of text
	maxEvalCost = 200_000    // of one evaluation, whatever the input
	maxCost     = 50_000_000 // of an expression, as estimated at load for lists of usualSize: loops within loops pass it
	usualSize   = 4096
)

// sizes tell CEL's estimate how long the values may be that calls bring in.
type sizes struct{}

// EstimateSize is CEL's door for sizes.
func (sizes) EstimateSize(cost.AstNode) *cost.SizeEstimate {
	return &cost.SizeEstimate{Min: 0, Max: usualSize}
}

// EstimateCallCost leaves functions to CEL's own estimate.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// What an expression can see.
const (
	varPath         = "path"
	varQuery        = "query"
	varHeader       = "header"
	varBody         = "body"
	varBodyBytes    = "body_bytes"
	varStatus       = "status"
	varAnswer       = "answer"
	varAnswerHeader = "answer_header"
	varAnswerBytes  = "answer_bytes"
	varBound        = "bound"
	varTerms        = "terms"
)

var (
	requestVars = []string{varPath, varQuery, varHeader, varBody, varBodyBytes}
	answerVars  = []string{varStatus, varAnswer, varAnswerHeader, varAnswerBytes, varBound}
	// memberVars are read member by member: which ones must be seen in the text.
	memberVars = []string{varHeader, varBody, varAnswer, varAnswerHeader, varTerms}
)

// environment is the language: CEL's own, its mathematics, and what bills are made of.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	texts, members := cel.MapType(cel.StringType, cel.StringType), cel.MapType(cel.StringType, cel.DynType)
	return cel.NewEnv(append(functions(),
		cel.Variable(varTerms, texts), cel.Variable(varPath, texts), cel.Variable(varQuery, texts), cel.Variable(varHeader, texts),
		cel.Variable(varBody, members), cel.Variable(varBodyBytes, cel.IntType),
		cel.Variable(varStatus, cel.IntType), cel.Variable(varAnswer, members), cel.Variable(varAnswerHeader, texts),
		cel.Variable(varAnswerBytes, cel.IntType), cel.Variable(varBound, cel.MapType(cel.StringType, cel.IntType)),
		cel.OptionalTypes(), ext.Math(), ext.Strings(), cel.CrossTypeNumericComparisons(true),
	)...)
})

// formula is a compiled expression.
type formula struct {
	text    string
	program cel.Program
	members map[string][]string // of memberVars: the members that it reads
	vars    map[string]bool
}

// compile reads an expression of a type. The error says what is wrong and where in the text.
func compile(text string, want *cel.Type) (*formula, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	if len(text) > maxFormula {
		return nil, fmt.Errorf("an expression of %d bytes: at most %d are allowed", len(text), maxFormula)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		e := issues.Errors()[0]
		return nil, fmt.Errorf("column %d of the expression: %s", e.Location.Column()+1, strings.SplitN(e.Message, "\n", 2)[0])
	}
	if got := checked.OutputType(); !got.IsExactType(want) && !got.IsExactType(types.DynType) {
		return nil, fmt.Errorf("it gives %s, and %s is needed", got, want)
	}
	f := &formula{text: text, members: map[string][]string{}, vars: map[string]bool{}}
	if err := f.survey(checked.NativeRep().Expr()); err != nil {
		return nil, err
	}
	if est, err := env.EstimateCost(checked, sizes{}); err != nil || est.Max > maxCost {
		return nil, fmt.Errorf("it may cost too much to evaluate (%d steps): do without loops within loops", est.Max)
	}
	f.program, err = env.Program(checked, cel.CostLimit(maxEvalCost), cel.EvalOptions(cel.OptOptimize))
	return f, err
}

// survey notes what an expression reads, and refuses to read a body or headers other than by the names of members:
// only those that are named are kept while bodies stream past.
func (f *formula) survey(root ast.Expr) error {
	named := map[int64]bool{} // uses of variables that name a member
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		operand, member, ok := memberOf(e)
		if !ok || operand.Kind() != ast.IdentKind || !slices.Contains(memberVars, operand.AsIdent()) {
			return
		}
		named[operand.ID()] = true
		if name := operand.AsIdent(); !slices.Contains(f.members[name], member) {
			f.members[name] = append(f.members[name], member)
		}
	}))
	var fault error
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.IdentKind {
			return
		}
		name := e.AsIdent()
		f.vars[name] = true
		if slices.Contains(memberVars, name) && !named[e.ID()] {
			fault = fmt.Errorf("name the member of %s that it reads: %s.amount or %s[\"x-name\"]", name, name, name)
		}
	}))
	for _, name := range []string{varHeader, varAnswerHeader} {
		for _, h := range f.members[name] {
			if err := headerName(h); err != nil {
				return err
			}
		}
	}
	return fault
}

// memberOf takes an expression that reads one member by its constant name apart.
func memberOf(e ast.Expr) (operand ast.Expr, member string, ok bool) {
	switch e.Kind() { //nolint:exhaustive // nothing else names a member
	case ast.SelectKind:
		s := e.AsSelect()
		return s.Operand(), s.FieldName(), true
	case ast.CallKind:
		c := e.AsCall()
		if !slices.Contains([]string{"_[_]", "_[?_]", "_?._", "@in"}, c.FunctionName()) || len(c.Args()) != 2 {
			return nil, "", false
		}
		operand, name := c.Args()[0], c.Args()[1]
		if c.FunctionName() == "@in" {
			operand, name = name, operand
		}
		if name.Kind() != ast.LiteralKind {
			return nil, "", false
		}
		text, isText := name.AsLiteral().Value().(string)
		return operand, text, isText
	}
	return nil, "", false
}

// hidden are headers that carry credentials: no rule sees them.
var hidden = []string{"authorization", "cookie", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "set-cookie", "x-amz-security-token"}

func headerName(h string) error {
	if h != strings.ToLower(h) {
		return fmt.Errorf("header %q: write header names in lower case", clip(h))
	}
	if slices.Contains(hidden, h) {
		return fmt.Errorf("header %q carries credentials, and no rule sees it", h)
	}
	return nil
}

// reads tells whether the expression reads one of the variables.
func (f *formula) reads(vars []string) bool {
	return slices.ContainsFunc(vars, func(v string) bool { return f.vars[v] })
}

// errNotThere says that an expression has no value for this input.
var errNotThere = errors.New("no value")

// whole evaluates to a whole number.
func (f *formula) whole(facts map[string]any) (int64, error) {
	v, _, err := f.program.Eval(facts)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %s", errNotThere, clip(f.text), oneLine(err))
	}
	n, ok := v.Value().(int64)
	if !ok {
		return 0, fmt.Errorf("%w: %s gives %s, and a whole number is needed", errNotThere, clip(f.text), v.Type())
	}
	return n, nil
}

// holds evaluates to a truth.
func (f *formula) holds(facts map[string]any) (bool, error) {
	v, _, err := f.program.Eval(facts)
	if err != nil {
		return false, fmt.Errorf("%w: %s: %s", errNotThere, clip(f.text), oneLine(err))
	}
	b, ok := v.Value().(bool)
	if !ok {
		return false, fmt.Errorf("%w: %s gives %s, and true or false is needed", errNotThere, clip(f.text), v.Type())
	}
	return b, nil
}

func oneLine(err error) string { return clip(strings.SplitN(err.Error(), "\n", 2)[0]) }
