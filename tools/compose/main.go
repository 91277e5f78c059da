// Command compose loads compose files as docker compose does, with the environment's values, and prints the names of their services: the
// command that compose-go itself brings (v2.16.2) drops the environment.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	services, err := load(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "compose:", err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(services, " "))
}

// load checks the files, one over the other, and that every file which they name can be read.
func load(ctx context.Context, files []string) ([]string, error) {
	o, err := cli.NewProjectOptions(files, cli.WithOsEnv)
	if err != nil {
		return nil, err
	}
	project, err := o.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	for name, c := range project.Configs {
		if _, err := os.ReadFile(c.File); err != nil {
			return nil, fmt.Errorf("configs.%s: %w", name, err)
		}
	}
	return project.ServiceNames(), nil
}
