package alerts

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// EmailConfig sends by SMTP with TLS: on port 465 from the first byte, elsewhere by STARTTLS, and never without.
type EmailConfig struct {
	Server   string // host:port
	From     string
	To       []string
	User     string
	Password func() sentinel.Secret
	TLS      *tls.Config // nil: the system's authorities
}

// Email sends mail with a text and an HTML part.
type Email struct{ config EmailConfig }

// NewEmail makes an email channel.
func NewEmail(c EmailConfig) *Email { return &Email{config: c} }

// Send sends one mail. Its Message-ID is the delivery's id, and later mails of a group answer the first.
func (e *Email) Send(ctx context.Context, o Outgoing) (string, error) {
	host, port, err := net.SplitHostPort(e.config.Server)
	if err != nil {
		return "", fmt.Errorf("smtp: the server is not host:port: %w", ErrRefused)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.config.TLS != nil {
		config = e.config.TLS.Clone()
	}
	config.ServerName = host
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.config.Server)
	if err != nil {
		return "", errors.New("smtp: the server cannot be reached")
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if port == "465" {
		conn = tls.Client(conn, config)
	}
	if err := e.speak(conn, host, port != "465", config, o); err != nil {
		return "", e.fault(err)
	}
	return o.ID, nil
}

func (e *Email) speak(conn net.Conn, host string, upgrade bool, config *tls.Config, o Outgoing) error {
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if upgrade {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return fmt.Errorf("the server offers no TLS: %w", ErrRefused)
		}
		if err := c.StartTLS(config); err != nil {
			return err
		}
	}
	if e.config.User != "" {
		if err := c.Auth(smtp.PlainAuth("", e.config.User, e.config.Password().Reveal(), host)); err != nil {
			return err
		}
	}
	if err := c.Mail(address(e.config.From)); err != nil {
		return err
	}
	for _, to := range e.config.To {
		if err := c.Rcpt(address(to)); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(e.mail(o)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the mail is taken
	return nil
}

// fault keeps the code of an answer and drops its text, which may quote what we sent.
func (e *Email) fault(err error) error {
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		if answer.Code >= 500 {
			return fmt.Errorf("smtp: answered %d: %w", answer.Code, ErrRefused)
		}
		return fmt.Errorf("smtp: answered %d", answer.Code)
	}
	if errors.Is(err, ErrRefused) {
		return fmt.Errorf("smtp: %w", err)
	}
	var secrets []sentinel.Secret
	if e.config.Password != nil {
		secrets = append(secrets, e.config.Password())
	}
	return fmt.Errorf("smtp: %s", hide(Plain(err.Error(), 200), secrets))
}

// address is the bare address in "Name <address>".
func address(text string) string {
	if a, err := mail.ParseAddress(text); err == nil {
		return a.Address
	}
	return text
}

var mailPage = template.Must(template.New("mail").Parse(`<!doctype html><html><body style="font-family:sans-serif">
<h2>{{.Head}}</h2><ul>{{range .Lines}}<li>{{.}}</li>{{end}}</ul>{{if .More}}<p>and {{.More}} more</p>{{end}}
<p style="color:#57606a">{{.Foot}}</p></body></html>
`))

// mail writes headers and both parts. Headers take one line of encoded words: a line break in a name cannot add one.
func (e *Email) mail(o Outgoing) []byte {
	var lines []string
	for _, l := range o.Lines {
		lines = append(lines, Plain(o.lineText(l), 800))
	}
	var page bytes.Buffer
	if err := mailPage.Execute(&page, map[string]any{"Head": headline(o.Message), "Lines": lines, "More": o.More, "Foot": footer(o.Message)}); err != nil { // no field can fail
		panic(err)
	}
	text := headline(o.Message) + "\r\n\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" + footer(o.Message) + "\r\n"
	var out bytes.Buffer
	parts := multipart.NewWriter(&out)
	domain := "sentinel.invalid"
	if _, d, ok := strings.Cut(address(e.config.From), "@"); ok {
		domain = d
	}
	header := [][2]string{
		{"From", e.config.From}, {"To", strings.Join(e.config.To, ", ")}, {"Subject", mime.QEncoding.Encode("utf-8", headline(o.Message))},
		{"Date", o.At.UTC().Format(time.RFC1123Z)}, {"Message-ID", "<" + o.ID + "@" + domain + ">"}, {"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"}, {"Content-Type", "multipart/alternative; boundary=" + parts.Boundary()},
	}
	if o.Root != "" {
		header = append(header, [2]string{"In-Reply-To", "<" + o.Root + "@" + domain + ">"})
	}
	for _, h := range header {
		out.WriteString(h[0] + ": " + strings.NewReplacer("\r", "", "\n", "").Replace(h[1]) + "\r\n")
	}
	out.WriteString("\r\n")
	for _, p := range [][2]string{{"text/plain", text}, {"text/html", page.String()}} {
		w, _ := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {p[0] + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
		q := quotedprintable.NewWriter(w)
		_, _ = q.Write([]byte(p[1]))
		_ = q.Close()
	}
	_ = parts.Close()
	return out.Bytes()
}
