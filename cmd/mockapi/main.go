// Command mockapi serves stand-ins of OpenAI, Anthropic, Gemini, Stripe, Twilio, Bedrock, S3 and a weather API for
// tests and demonstrations. They are told apart by Host, or by the first segment of the path.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mockapi:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("mockapi", flag.ContinueOnError)
	config := flags.String("config", "", "YAML `file` of answers, faults and prices; without it, the built-in defaults")
	plain := flags.String("listen", "127.0.0.1:0", "`address` for plain HTTP")
	secure := flags.String("listen-tls", "127.0.0.1:0", "`address` for HTTPS")
	caOut := flags.String("ca-out", "", "`file` to write the authority's certificate to")
	ready := flags.String("ready-file", "", "`file` to write the addresses to, as JSON, once they answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c := mockapi.DefaultConfig()
	if *config != "" {
		data, err := os.ReadFile(*config)
		if err != nil {
			return err
		}
		if c, err = mockapi.ParseConfig(data); err != nil {
			return fmt.Errorf("%s: %w", *config, err)
		}
	}
	s, err := mockapi.New(c)
	if err != nil {
		return err
	}
	if *caOut != "" {
		if err := os.WriteFile(*caOut, s.CAPEM(), 0o644); err != nil { //nolint:gosec // a certificate is public
			return err
		}
	}
	return serve(ctx, s, *plain, *secure, *ready)
}

// serve runs both listeners until the context or one of them ends.
func serve(ctx context.Context, s *mockapi.Server, plain, secure, ready string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := net.Listen("tcp", plain)
	if err != nil {
		return err
	}
	t, err := net.Listen("tcp", secure)
	if err != nil {
		return errors.Join(err, p.Close())
	}
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(ctx, p, false) }()
	go func() { ended <- s.Serve(ctx, t, true) }()
	addresses, err := json.Marshal(map[string]string{"http": p.Addr().String(), "https": t.Addr().String()})
	if err == nil && ready != "" {
		err = os.WriteFile(ready, append(addresses, '\n'), 0o644) //nolint:gosec // addresses are no secret
	}
	if err == nil {
		fmt.Println(string(addresses))
		err = <-ended
		ended <- nil
	}
	cancel()
	return errors.Join(err, <-ended, <-ended)
}
