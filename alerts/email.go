package alerts

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
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
	"slices"
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
	Dark     bool        // charts are
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
	png, undrawn := o.picture(ctx, Picture{Dark: e.config.Dark})
	refused, err := e.speak(conn, host, port != "465", config, e.mail(o, png))
	if err != nil {
		return "", e.fault(err)
	}
	return o.ID, partly(undrawn, refused)
}

// speak hands a mail over. A receiver whom the server refuses does not keep it from the others.
func (e *Email) speak(conn net.Conn, host string, upgrade bool, config *tls.Config, letter []byte) (refused, err error) {
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return nil, err
	}
	if upgrade {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return nil, fmt.Errorf("the server offers no TLS: %w", ErrRefused)
		}
		if err := c.StartTLS(config); err != nil {
			return nil, err
		}
	}
	if e.config.User != "" {
		if err := c.Auth(smtp.PlainAuth("", e.config.User, e.config.Password().Reveal(), host)); err != nil {
			return nil, err
		}
	}
	if err := c.Mail(address(e.config.From)); err != nil {
		return nil, err
	}
	if refused, err = e.receivers(c); err != nil {
		return nil, err
	}
	w, err := c.Data()
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(letter); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	_ = c.Quit() // the mail is taken
	return refused, nil
}

// receivers names whom the mail is for. One whom the server refuses for good is left out, unless it is everybody.
func (e *Email) receivers(c *smtp.Client) (refused, err error) {
	var last error
	n := 0
	for _, to := range e.config.To {
		err := c.Rcpt(address(to))
		answer, is := errors.AsType[*textproto.Error](err)
		if err != nil && (!is || answer.Code < 500) {
			return nil, err
		}
		if err != nil {
			last, n = err, n+1
		}
	}
	if n == len(e.config.To) {
		return nil, last
	}
	if n > 0 {
		refused = fmt.Errorf("the mail server refused %d of %d receivers: %w", n, len(e.config.To), ErrRefused)
	}
	return refused, nil
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
{{if .Chart}}<p><img src="cid:chart@sentinel" alt="Spend over time" width="600"></p>{{end}}
<p style="color:#57606a">{{.Foot}}</p></body></html>
`))

// mail writes headers and parts. Headers take one line of encoded words: a line break in a name cannot add one.
func (e *Email) mail(o Outgoing, png []byte) []byte {
	domain := "sentinel.invalid"
	if _, d, ok := strings.Cut(address(e.config.From), "@"); ok {
		domain = d
	}
	kind, body := texts(o, len(png) > 0)
	if len(png) > 0 {
		kind, body = withChart(kind, body, png)
	}
	header := [][2]string{
		{"From", e.config.From}, {"To", strings.Join(e.config.To, ", ")}, {"Subject", mime.QEncoding.Encode("utf-8", headline(o.Message))},
		{"Date", o.At.UTC().Format(time.RFC1123Z)}, {"Message-ID", "<" + o.ID + "@" + domain + ">"}, {"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"}, {"Content-Type", kind},
	}
	if o.Root != "" {
		header = append(header, [2]string{"In-Reply-To", "<" + o.Root + "@" + domain + ">"})
	}
	var out bytes.Buffer
	for _, h := range header {
		out.WriteString(h[0] + ": " + strings.NewReplacer("\r", "", "\n", "").Replace(h[1]) + "\r\n")
	}
	out.WriteString("\r\n")
	out.Write(body)
	return out.Bytes()
}

// texts writes the message as text and as HTML, and gives the type of both together.
func texts(o Outgoing, chart bool) (kind string, body []byte) {
	var lines []string
	for _, l := range o.Lines {
		lines = append(lines, Plain(o.lineText(l), 800))
	}
	var page, out bytes.Buffer
	if err := mailPage.Execute(&page, map[string]any{"Head": headline(o.Message), "Lines": lines, "More": o.More, "Foot": footer(o.Message), "Chart": chart}); err != nil { // no field can fail
		panic(err)
	}
	text := headline(o.Message) + "\r\n\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" + footer(o.Message) + "\r\n"
	parts := multipart.NewWriter(&out)
	for _, p := range [][2]string{{"text/plain", text}, {"text/html", page.String()}} {
		w, _ := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {p[0] + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
		q := quotedprintable.NewWriter(w)
		_, _ = q.Write([]byte(p[1]))
		_ = q.Close()
	}
	_ = parts.Close()
	return "multipart/alternative; boundary=" + parts.Boundary(), out.Bytes()
}

// mailLine is how many characters of base64 stand in a line of a mail.
const mailLine = 76

// withChart puts the picture beside the texts, which show it by its id (RFC 2387 and 2392).
func withChart(kind string, texts, png []byte) (string, []byte) {
	var out bytes.Buffer
	parts := multipart.NewWriter(&out)
	w, _ := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {kind}})
	_, _ = w.Write(texts)
	w, _ = parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"image/png"}, "Content-Transfer-Encoding": {"base64"},
		"Content-ID": {"<chart@sentinel>"}, "Content-Disposition": {`inline; filename="chart.png"`}})
	text := base64.StdEncoding.EncodeToString(png)
	for line := range slices.Chunk([]byte(text), mailLine) {
		_, _ = w.Write(append(line[:len(line):len(line)], "\r\n"...))
	}
	_ = parts.Close()
	return `multipart/related; type="multipart/alternative"; boundary=` + parts.Boundary(), out.Bytes()
}
