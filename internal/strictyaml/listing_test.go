package strictyaml

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestListingHasEveryKeyOfTheFileAndNoOther(t *testing.T) {
	type tls struct {
		Cert string `yaml:"cert" doc:"PEM file."`
	}
	type part struct {
		Every time.Duration     `yaml:"every" doc:"How often."`
		Names []string          `yaml:"names"`
		Roles []tls             `yaml:"roles"`
		More  map[string]string `yaml:"more"`
	}
	type config struct {
		Part     part   `yaml:"part"`
		TLS      *tls   `yaml:"tls" doc:"None without it."`
		On       bool   `yaml:"on"`
		Password string `yaml:"-"`
		Own      int
	}
	usual := config{Part: part{Every: time.Minute}}
	own := usual
	own.Part.Names, own.Part.Roles, own.Part.More = []string{"a", "b"}, []tls{{Cert: "x"}}, map[string]string{"k": "v", "j": "w"}
	own.Password, own.Own, own.TLS = "hunter2", 7, &tls{Cert: "/etc/cert"}
	for name, tt := range map[string]struct {
		of   config
		want []Entry
	}{
		"as usual": {usual, []Entry{{"part.every", "1m0s", "How often.", false}, {"part.names", "", "", false}, {"part.roles", "", "", false}, {"part.more", "", "", false}, {"tls", "", "None without it.", false}, {"on", "false", "", false}}},
		"of one's own": {own, []Entry{{"part.every", "1m0s", "How often.", false}, {"part.names", "a, b", "", true}, {"part.roles", "{cert: x}", "", true}, {"part.more", "j: w, k: v", "", true},
			{"tls.cert", "/etc/cert", "PEM file.", true}, {"on", "false", "", false}}},
	} {
		if diff := cmp.Diff(tt.want, Listing(tt.of, usual)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
