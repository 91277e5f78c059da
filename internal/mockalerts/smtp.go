package mockalerts

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

// SMTP is a mail server on a random port that wants STARTTLS and a password.
type SMTP struct {
	Address string // host:port
	Roots   *x509.CertPool
	User    string
	Pass    string

	listener net.Listener
	config   *tls.Config
	wait     sync.WaitGroup
	mu       sync.Mutex
	mails    []string
	refuse   int
}

// StartSMTP starts a server; Close ends it.
func StartSMTP(user, pass string) (*SMTP, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &SMTP{Address: l.Addr().String(), Roots: x509.NewCertPool(), User: user, Pass: pass, listener: l,
		config: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}}
	s.Roots.AddCert(cert)
	s.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wait.Go(func() { s.serve(c) })
		}
	})
	return s, nil
}

// Close ends the server.
func (s *SMTP) Close() {
	_ = s.listener.Close()
	s.wait.Wait()
}

// Refuse makes the next mail be answered with a code; 0: none.
func (s *SMTP) Refuse(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = code
}

// Mails gives what was taken.
func (s *SMTP) Mails() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

func (s *SMTP) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(c, format+"\r\n", args...) }
	say("220 stand-in")
	secure, known := false, false
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb = strings.ToUpper(verb); {
		case verb == "EHLO" && !secure:
			say("250-stand-in\r\n250 STARTTLS")
		case verb == "EHLO":
			say("250-stand-in\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			say("220 go on")
			t := tls.Server(c, s.config)
			c, in, secure = t, bufio.NewReader(t), true
		case verb == "QUIT":
			say("221 bye")
			return
		case !secure:
			say("530 TLS first")
		case verb == "AUTH":
			want := base64.StdEncoding.EncodeToString([]byte("\x00" + s.User + "\x00" + s.Pass))
			if known = strings.TrimPrefix(rest, "PLAIN ") == want; known {
				say("235 known")
			} else {
				say("535 unknown: %s", rest) // some servers quote what they were sent
			}
		case !known:
			say("530 who are you")
		case verb == "RCPT" && strings.Contains(rest, "@refused.example"):
			say("550 there is no %s", rest)
		case verb == "MAIL" || verb == "RCPT":
			say("250 fine")
		case verb == "DATA":
			say("354 go on")
			s.data(in, say)
		default:
			say("502 unknown")
		}
	}
}

// data reads a mail up to the line with one dot.
func (s *SMTP) data(in *bufio.Reader, say func(string, ...any)) {
	var mail strings.Builder
	for mail.Len() < 1<<20 {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line == ".\r\n" {
			break
		}
		mail.WriteString(strings.TrimPrefix(line, "."))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != 0 {
		say("%d not now", s.refuse)
		s.refuse = 0
		return
	}
	s.mails = append(s.mails, mail.String())
	say("250 taken")
}
