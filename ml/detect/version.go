package detect

import "slices"

// Version changes when detectors judge differently: what an older one was found to do is then found anew.
const Version = 4

// Features names the kinds of evidence about a service.
func Features() []string { return slices.Clone(evidenceNames[:]) }
