package hostile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// spellings lists the ways in which a text may have been written down.
func spellings(secret string) [][]byte {
	quoted, _ := json.Marshal(secret) // a string
	inner := string(quoted[1 : len(quoted)-1])
	out := []string{secret, inner, strings.ReplaceAll(inner, "/", `\/`), url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret))}
	for _, plain := range []string{secret, secret + ":", "x" + secret, "xx" + secret} { // base64 of a text within another
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			b := e.EncodeToString([]byte(plain))
			out = append(out, b[4:len(b)-4]) // the outer groups depend on what stands beside
		}
	}
	slices.Sort(out)
	var list [][]byte
	for _, s := range slices.Compact(out) {
		list = append(list, []byte(s))
	}
	return list
}

// found names the canaries that data holds in any spelling, without printing them.
func found(data []byte, canaries map[string]string) []string {
	var out []string
	for name, secret := range canaries {
		for _, s := range spellings(secret) {
			if bytes.Contains(data, s) {
				out = append(out, name)
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// places are everything that is written or shown while calls run.
func (s *stand) places() map[string][]byte {
	s.Helper()
	out := map[string][]byte{
		"the ledger's database": s.tables(), "Redis": s.counters(), "the spool": s.files("spool"), "sentinel's log": s.files("sentinel.log"),
		"Envoy's log": s.files("envoy/envoy.log"), "the access log": s.files("access.log"), "the metrics": s.get(s.probes + "/metrics"),
		"Envoy's configuration": s.get(s.admin + "/config_dump"), "Envoy's figures": s.get(s.admin + "/stats"),
	}
	maps.Copy(out, s.told())
	for _, name := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.child.Process.Pid, name))
		s.must(err)
		out["sentinel's "+name] = b
	}
	return out
}

// tables is the database as text.
func (s *stand) tables() []byte {
	s.Helper()
	rows, err := s.db.Query(s.Context(), `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
	s.must(err)
	var names []string
	for rows.Next() {
		var name string
		s.must(rows.Scan(&name))
		names = append(names, name)
	}
	s.must(rows.Err())
	var out bytes.Buffer
	for _, name := range names {
		_, err := s.db.PgConn().CopyTo(s.Context(), &out, "COPY (SELECT * FROM "+name+") TO STDOUT")
		s.must(err)
	}
	return out.Bytes()
}

// counters is every key of Redis with its value.
func (s *stand) counters() []byte {
	s.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.redis})
	defer func() { _ = c.Close() }()
	var out bytes.Buffer
	for keys := c.Scan(s.Context(), 0, "*", 100).Iterator(); keys.Next(s.Context()); {
		dump, err := c.Do(s.Context(), "HGETALL", keys.Val()).Result()
		if err != nil { // no hash
			dump, err = c.Get(s.Context(), keys.Val()).Result()
		}
		fmt.Fprintln(&out, keys.Val(), dump, err)
	}
	return out.Bytes()
}

func (s *stand) files(path string) []byte {
	s.Helper()
	var out []byte
	s.must(filepath.WalkDir(filepath.Join(s.dir, path), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // a segment that was drained has gone
		}
		b, _ := os.ReadFile(path)
		out = append(out, b...)
		return nil
	}))
	return out
}

func (s *stand) get(address string) []byte {
	s.Helper()
	answer, err := http.Get(address)
	s.must(err)
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	s.must(err)
	return b
}

// rows counts the ledger's calls that went out, and all of its rows.
func (s *stand) rows() (sent, all int) {
	s.Helper()
	s.must(s.db.QueryRow(s.Context(), `SELECT count(*) FILTER (WHERE action NOT IN ('deny', 'throttle')), count(*) FROM entries`).Scan(&sent, &all))
	return sent, all
}

// longestUnready bounds each of the two answers that show that the gateway is ready after an attack. A machine with other work may have been busy
// during the first try; there is one more, and how often it was needed is printed.
const longestUnready = time.Second

// readyAfter holds that /readyz says so, and that an ordinary call gets through, each within the bound.
func (s *stand) readyAfter() {
	s.Helper()
	s.within("/readyz answers 200", s.ready, func() {})
	s.within("an ordinary call is served", s.serves, s.forget)
}

// within asks until something is so, for as long as the bound, and for as long once more. What was so too late is undone.
func (s *stand) within(what string, ok func() bool, undo func()) {
	s.Helper()
	for range 2 {
		begun := time.Now()
		held := ok()
		for ; !held && time.Since(begun) < longestUnready; held = ok() {
			time.Sleep(10 * time.Millisecond)
		}
		took := time.Since(begun)
		s.slowest = max(s.slowest, took)
		if held && took <= longestUnready {
			return
		}
		if s.late++; held {
			undo()
		}
	}
	s.Errorf("not within %s at the first or the second try: %s", longestUnready, what)
	s.eventually(what, ok) // the other rules need it
}

// check holds the five rules after an attack that began when the provider had been hit so many times.
func (s *stand) check(before int, a attack, answers []answer) {
	s.Helper()
	s.readyAfter()
	arrived := s.provider.since(before)
	if n := len(arrived); n != a.hits+1 { // the last is the call that showed that it serves
		s.Errorf("the provider was hit %d times, want %d", n-1, a.hits)
	}
	if n := s.trap.hits.Swap(0); n > 0 {
		s.Errorf("the trap was hit %d times", n)
	}
	for _, r := range arrived {
		client := map[string]string{}
		for name, secret := range s.canaries {
			if !strings.HasPrefix(name, "the provider's") {
				client[name] = secret
			}
		}
		if bad := found(headText(r), client); len(bad) > 0 {
			s.Errorf("the provider's request had %v", bad)
		}
		if bad := found(append([]byte(r.line+"\n"), r.body...), s.canaries); len(bad) > 0 {
			s.Errorf("the provider's URL or body had %v", bad)
		}
	}
	for _, x := range answers {
		if bad := found(x.raw, s.canaries); len(bad) > 0 {
			s.Errorf("the client was answered %v", bad)
		}
	}
	s.lost += a.lost
	want := s.provider.hits() + s.lost
	s.eventually(fmt.Sprintf("the ledger has %d calls that went out", want), func() bool {
		sent, _ := s.rows()
		return sent >= want
	})
	if sent, _ := s.rows(); sent != want {
		s.Errorf("the ledger has %d calls that went out, the provider %d, and %d were lost on their way", sent, s.provider.hits(), s.lost)
	}
	for place, data := range s.places() {
		if bad := found(data, s.canaries); len(bad) > 0 {
			s.Errorf("%s has %v", place, bad)
		}
	}
}

// serves tells whether an ordinary call gets through.
func (s *stand) serves() bool {
	before := s.provider.hits()
	x, err := s.send(request("GET /weather/v1/forecast/lima", "Authorization: Bearer "+token))
	if err == nil && x.status == http.StatusOK {
		return true
	}
	for range s.provider.hits() - before { // it was not the attack's
		s.forget()
	}
	return false
}

// forget takes the provider's last request out of the count and into the ledger's of calls without an answer.
func (s *stand) forget() {
	s.provider.mu.Lock()
	defer s.provider.mu.Unlock()
	s.provider.arrived = s.provider.arrived[:len(s.provider.arrived)-1]
	s.lost++
}

func headText(r arrival) []byte {
	var b bytes.Buffer
	for _, h := range []http.Header{r.header, r.extra} {
		for name, values := range h {
			for _, v := range values {
				fmt.Fprintf(&b, "%s: %s\n", name, v)
				if plain, ok := strings.CutPrefix(v, "Basic "); ok {
					decoded, _ := base64.StdEncoding.DecodeString(plain)
					b.Write(append(decoded, '\n'))
				}
			}
		}
	}
	return b.Bytes()
}
