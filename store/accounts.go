package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxAccounts bounds a list of accounts, and of an account's keys.
const maxAccounts = 10_000

// ErrNoSetup says that the setup link is unknown, used or too old, or that there is an account already.
var ErrNoSetup = errors.New("the setup link is not valid")

// OfferSetup makes hash the one setup link until a time, unless there is an account: then it is not ok.
func (s *Store) OfferSetup(ctx context.Context, k sentinel.AccountKey) (ok bool, err error) {
	tag, err := s.db(ctx).Exec(ctx, `INSERT INTO account_setup (hash, expires) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM accounts)
		ON CONFLICT (slot) DO UPDATE SET hash = EXCLUDED.hash, expires = EXCLUDED.expires`, k.Hash[:], k.Expires)
	return err == nil && tag.RowsAffected() == 1, explain("setup link", err)
}

// UseSetup makes the first account, once.
func (s *Store) UseSetup(ctx context.Context, hash [32]byte, first sentinel.Account) error {
	err := pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM account_setup WHERE hash = $1 AND expires > now() AND NOT EXISTS (SELECT FROM accounts)`, hash[:])
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrNoSetup
		}
		if err != nil {
			return err
		}
		return insertAccount(ctx, tx, first)
	})
	return explain("setup", err)
}

func insertAccount(ctx context.Context, tx pgx.Tx, a sentinel.Account) error {
	_, err := tx.Exec(ctx, `INSERT INTO accounts (name, role, team, password, created) VALUES ($1, $2, $3, $4, $5)`,
		a.Name, a.Role.String(), a.Team, a.Password.Reveal(), a.Created)
	return err
}

// PutAccount adds an account, or gives one of that name another role, team and password; an empty password stays. A change
// ends the account's keys.
func (s *Store) PutAccount(ctx context.Context, a sentinel.Account) error {
	err := pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE accounts SET role = $2, team = $3, password = coalesce(nullif($4, ''), password) WHERE name = $1`,
			a.Name, a.Role.String(), a.Team, a.Password.Reveal())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return insertAccount(ctx, tx, a)
		}
		_, err = tx.Exec(ctx, `DELETE FROM account_keys WHERE account = $1`, a.Name)
		return err
	})
	return explain("account", err)
}

// RemoveAccount ends an account and its keys, and tells whether there was one.
func (s *Store) RemoveAccount(ctx context.Context, name string) (bool, error) {
	tag, err := s.db(ctx).Exec(ctx, `DELETE FROM accounts WHERE name = $1`, name)
	return err == nil && tag.RowsAffected() == 1, explain("account", err)
}

const accountColumns = `a.name, a.role, a.team, a.password, a.created`

func scanAccount(row pgx.CollectableRow, also ...any) (a sentinel.Account, err error) {
	var role, password string
	err = row.Scan(append([]any{&a.Name, &role, &a.Team, &password, &a.Created}, also...)...)
	a.Role, _ = sentinel.RoleByName(role)
	a.Password, a.Created = sentinel.NewSecret(password), a.Created.UTC()
	return a, err
}

// Accounts lists all accounts by name.
func (s *Store) Accounts(ctx context.Context) ([]sentinel.Account, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT `+accountColumns+` FROM accounts a ORDER BY name LIMIT $1`, maxAccounts)
	if err != nil {
		return nil, explain("accounts", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sentinel.Account, error) { return scanAccount(row) })
	return list, explain("accounts", err)
}

// Account finds an account by its name.
func (s *Store) Account(ctx context.Context, name string) (a sentinel.Account, ok bool, err error) {
	return s.account(ctx, name, "")
}

// HoldAccount is Account, and within a change others that change the account wait until it ends.
func (s *Store) HoldAccount(ctx context.Context, name string) (a sentinel.Account, ok bool, err error) {
	return s.account(ctx, name, " FOR UPDATE")
}

func (s *Store) account(ctx context.Context, name, lock string) (a sentinel.Account, ok bool, err error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT `+accountColumns+` FROM accounts a WHERE name = $1`+lock, clean(name))
	if err != nil {
		return a, false, explain("account", err)
	}
	a, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (sentinel.Account, error) { return scanAccount(row) })
	if errors.Is(err, pgx.ErrNoRows) {
		return a, false, nil
	}
	return a, err == nil, explain("account", err)
}

// AddKey keeps a key of an account, and forgets those that have expired.
func (s *Store) AddKey(ctx context.Context, k sentinel.AccountKey) error {
	if _, err := s.db(ctx).Exec(ctx, `DELETE FROM account_keys WHERE expires < now()`); err != nil {
		return explain("account key", err)
	}
	_, err := s.db(ctx).Exec(ctx, `INSERT INTO account_keys (hash, account, kind, label, created, expires) VALUES ($1, $2, $3, $4, $5, $6)`,
		k.Hash[:], k.Account, string(k.Kind), k.Label, k.Created, k.Expires)
	return explain("account key", err)
}

// FindKey finds a key that has not expired, with its account. It is looked up by the hash of the whole key, so the time
// that it takes says nothing of other keys.
func (s *Store) FindKey(ctx context.Context, hash [32]byte) (k sentinel.AccountKey, a sentinel.Account, ok bool, err error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT `+accountColumns+`, k.kind, k.label, k.created, k.expires
		FROM account_keys k JOIN accounts a ON a.name = k.account WHERE k.hash = $1 AND k.expires > now()`, hash[:])
	if err != nil {
		return k, a, false, explain("account key", err)
	}
	a, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (sentinel.Account, error) {
		return scanAccount(row, &k.Kind, &k.Label, &k.Created, &k.Expires)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return k, a, false, nil
	}
	k.Hash, k.Account = hash, a.Name
	return k, a, err == nil, explain("account key", err)
}

// RemoveKey ends one key.
func (s *Store) RemoveKey(ctx context.Context, hash [32]byte) error {
	_, err := s.db(ctx).Exec(ctx, `DELETE FROM account_keys WHERE hash = $1`, hash[:])
	return explain("account key", err)
}

// AccountKeys lists keys that have not expired, of one account or of all where it is empty: the newest first, those after one of them where that is not zero.
func (s *Store) AccountKeys(ctx context.Context, account string, after sentinel.AccountKey, n int) ([]sentinel.AccountKey, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT hash, account, kind, label, created, expires FROM account_keys
		WHERE expires > now() AND ($1 = '' OR account = $1) AND ($2 OR (created, hash) < ($3, $4)) ORDER BY created DESC, hash DESC LIMIT $5`,
		clean(account), after.Created.IsZero(), after.Created, after.Hash[:], limit(n))
	if err != nil {
		return nil, explain("account keys", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k sentinel.AccountKey, err error) {
		var hash []byte
		err = row.Scan(&hash, &k.Account, &k.Kind, &k.Label, &k.Created, &k.Expires)
		copy(k.Hash[:], hash)
		k.Created, k.Expires = k.Created.UTC(), k.Expires.UTC()
		return k, err
	})
	return list, explain("account keys", err)
}
