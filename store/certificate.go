package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// errRead ends a handshake of which all that is wanted has been seen.
var errRead = errors.New("the certificate was read")

// Certificate tells until when the certificate is good that a database serves, and at which address: the first of several. Nothing is sent but the
// beginning of a handshake, so it need not be trusted, nor be good any longer. The end is zero where connections may do without TLS and the server has none.
func Certificate(ctx context.Context, dsn sentinel.Secret) (end time.Time, addr string, err error) {
	c, err := pgconn.ParseConfig(dsn.Reveal())
	if err != nil {
		return end, "", fmt.Errorf("database address: %w", hideDSN(err))
	}
	addr = net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	if c.TLSConfig == nil {
		return end, addr, nil
	}
	optional := slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil })
	c.Fallbacks, c.DialFunc, c.Password = nil, dial, ""
	c.TLSConfig = &tls.Config{
		InsecureSkipVerify: true, ServerName: c.TLSConfig.ServerName, NextProtos: c.TLSConfig.NextProtos, //nolint:gosec // the handshake is not ended
		VerifyConnection: func(seen tls.ConnectionState) error {
			end = seen.PeerCertificates[0].NotAfter
			return errRead
		},
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	switch {
	case err == nil: // not while the handshake is ended by errRead
		return end, addr, conn.Close(ctx)
	case errors.Is(err, errRead), optional && end.IsZero():
		return end, addr, nil
	}
	return end, addr, inOneLine{err}
}
