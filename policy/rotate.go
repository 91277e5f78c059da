package policy

import (
	"cmp"
	"regexp"
	"strings"
	"time"
)

var projectPattern = regexp.MustCompile(`^proj_[A-Za-z0-9]{1,64}$`)

const (
	defaultKeep = 15 * time.Minute
	longestKeep = 24 * time.Hour
	oftenest    = time.Hour
	seldomest   = 365 * 24 * time.Hour
)

// rotate checks how a credential is given another value.
func (c *compiler) rotate(key string, at refYAML, y rotateYAML, aws bool) Rotate {
	key += ".rotate"
	out := Rotate{Make: y.Make, Every: y.Every, Keep: cmp.Or(y.Keep, defaultKeep), Test: y.Test, Project: y.Project, Admin: SecretRef{y.Admin.path, y.Admin.field}}
	if y.Make == "manual" {
		out.Make = MakeManual
	}
	inVault := !strings.Contains(at.path, ":")
	switch {
	case y == rotateYAML{}:
		return out
	case !inVault:
		c.Fault(key, "only what lies in Vault is rotated here: %s is changed at its source, and used within vault.refresh", clip(placed(at.path)))
	case out.Make == MakeIAM && !aws:
		c.Fault(key+".make", "aws-iam makes access keys of AWS, and this credential is none")
	case out.Make == MakeOpenAI && aws:
		c.Fault(key+".make", "an AWS key is made by aws-iam, or lent by vault")
	case out.Make == MakeOpenAI && (y.Admin.field == "" || !projectPattern.MatchString(y.Project)):
		c.Fault(key, "openai makes a key with an admin key in a project: write admin: vault:MOUNT/PATH#FIELD and project: proj_…")
	case out.Make != MakeOpenAI && (y.Admin.path != "" || y.Project != ""):
		c.Fault(key, "only make: openai needs admin and project: remove them")
	case out.Make == MakeManual && y.Every != 0:
		c.Fault(key+".every", "nobody makes a key by a schedule: say who does with make")
	}
	if c.Has(key+".every") && (y.Every < oftenest || y.Every > seldomest) {
		c.Fault(key+".every", "%s is outside 1h to 8760h", y.Every)
	}
	if c.Has(key+".keep") && (y.Keep <= 0 || y.Keep > longestKeep) || y.Every > 0 && out.Keep >= y.Every {
		c.Fault(key+".keep", "%s has to be above 0, at most 24h, and below every", out.Keep)
	}
	if y.Test != "" && !strings.HasPrefix(y.Test, "/") {
		c.Fault(key+".test", "%q is no path: write for instance /v1/me", clip(y.Test))
	}
	return out
}
