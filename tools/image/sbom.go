package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// materials is the CycloneDX 1.6 bill of what is in the binary: the Go modules that its own build information names, the
// standard library, and the packages of the dashboard that is embedded in it, by its lock file.
func materials(binary []byte, lock, version string) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, fmt.Errorf("read the binary's build information: %w", err)
	}
	self := cdx.Component{Type: cdx.ComponentTypeApplication, BOMRef: "sentinel", Name: "saas-sentinel", Version: version}
	list := []cdx.Component{component("golang", "stdlib", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		list = append(list, component("golang", m.Path, m.Version, m.Sum))
	}
	web, err := webPackages(lock)
	if err != nil {
		return nil, err
	}
	list = append(list, web...)
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &self}
	bom.Components = &list
	var out bytes.Buffer
	e := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON)
	e.SetPretty(true)
	if err := e.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}
	return out.Bytes(), nil
}

// component names a package by its purl (https://github.com/package-url/purl-spec). The sum of a Go module stands in a property:
// it is a hash of a listing, none of CycloneDX's kinds.
func component(kind, name, version, sum string) cdx.Component {
	purl := "pkg:" + kind + "/" + strings.ReplaceAll(name, "@", "%40") + "@" + version
	c := cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: purl, Name: name, Version: version, PackageURL: purl}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: sum}}
	}
	return c
}

// webPackages are the packages that npm installs for more than building.
func webPackages(lock string) ([]cdx.Component, error) {
	data, err := os.ReadFile(lock)
	if err != nil {
		return nil, err
	}
	var file struct {
		Packages map[string]struct {
			Version       string
			Dev, Optional bool
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", lock, err)
	}
	var list []cdx.Component
	seen := map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(file.Packages)) {
		p := file.Packages[path]
		_, name, ok := cutLast(path, "node_modules/")
		if !ok || p.Dev || p.Optional || seen[name+"@"+p.Version] {
			continue
		}
		seen[name+"@"+p.Version] = true
		list = append(list, component("npm", name, p.Version, ""))
	}
	return list, nil
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}
