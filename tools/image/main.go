// Command image builds the project's container image without a container engine: a static binary, the certificate
// authorities of Mozilla's list and the time zones on an empty base, for each architecture, as one OCI index in an OCI
// layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md). The same source gives the same digest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	o := options{}
	flag.StringVar(&o.repo, "repo", ".", "folder of the project")
	flag.StringVar(&o.out, "out", "dist/image", "folder of the OCI layout; what was there is replaced")
	flag.StringVar(&o.version, "version", "dev", "version that the image and its binary name")
	arches := flag.String("arch", "amd64,arm64", "architectures, with commas between them")
	flag.Parse()
	o.arches = strings.Split(*arches, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	digest, err := build(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Printf("%s %s\n", o.out, digest)
}

type options struct {
	repo, out, version string
	arches             []string
}

// build writes the layout, and a CycloneDX bill of materials beside it, and gives the index's digest.
func build(ctx context.Context, o options) (v1.Hash, error) {
	zones, err := zoneinfo(ctx)
	if err != nil {
		return v1.Hash{}, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range o.arches {
		fmt.Fprintf(os.Stderr, "image: linux/%s\n", arch)
		binary, err := compile(ctx, o, arch)
		if err != nil {
			return v1.Hash{}, err
		}
		bill, err := materials(binary, filepath.Join(o.repo, "dashboard", "package-lock.json"), o.version)
		if err != nil {
			return v1.Hash{}, err
		}
		image, err := assemble(o.version, arch, map[string][]byte{
			"sentinel": binary, billPath: bill, authoritiesPath: authorities(), zonesPath: zones,
		})
		if err != nil {
			return v1.Hash{}, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: arch},
		}})
	}
	if err := replace(o.out, index); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}

// replace writes the layout in place of an older one, and touches nothing that is not a layout.
func replace(out string, index v1.ImageIndex) error {
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(out, "oci-layout")); err != nil {
			return fmt.Errorf("%s holds something that is no image: remove it, or name another folder with -out", out)
		}
	}
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755)); err != nil {
		return err
	}
	l, err := layout.Write(out, empty.Index)
	if err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	return l.AppendIndex(index)
}
