package sentinel

import "time"

// Role is what an account may do in the admin API; each includes the ones before it.
type Role uint8

// The roles.
const (
	RoleViewer    Role = iota + 1 // looks at everything but secrets, which nobody sees
	RoleTeamAdmin                 // changes the limits of one team
	RoleOperator                  // answers alerts, changes limits
	RoleAdmin                     // changes policies and accounts
)

var roleNames = [...]string{"", "viewer", "team-admin", "operator", "admin"}

// String is the role's name in the API and in the database.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "unknown"
}

// RoleByName finds a role by its String.
func RoleByName(name string) (Role, bool) {
	for r, n := range roleNames {
		if n == name && r > 0 {
			return Role(r), true
		}
	}
	return 0, false
}

// Account is somebody who may sign in.
type Account struct {
	Name     string
	Role     Role
	Team     string // of a team admin
	Password Secret // an Argon2id hash in the PHC format
	Created  time.Time
}

// KeyKind tells what shows an account key.
type KeyKind string

// The kinds.
const (
	KeySession KeyKind = "session" // a browser's cookie
	KeyToken   KeyKind = "token"   // a script's bearer token
)

// AccountKey stands for an account until it expires. The key itself is not kept.
type AccountKey struct {
	Hash    [32]byte // SHA-256 of the key, which has 128 random bits or more
	Account string
	Kind    KeyKind
	Label   string // what its owner calls it
	Created time.Time
	Expires time.Time
}

// KeptAnswer is what a write of the admin API under an idempotency key was answered. The key itself, which opens the answer, is not kept.
type KeptAnswer struct {
	Account string
	Key     [32]byte // SHA-256 of the key
	Request [32]byte // SHA-256 of what was asked
	Begun   time.Time
	Sealed  []byte // empty until the answer is there
}
