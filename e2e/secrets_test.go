package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// prompt stands in bodies and URLs. It may reach the provider and come back in its answer, and may stand nowhere else.
const prompt = "prompt-canary-4f60"

// spellings lists the ways in which a text may have been written down.
func spellings(secret string) []string {
	quoted, _ := json.Marshal(secret) // a string
	out := []string{secret, string(quoted[1 : len(quoted)-1]), url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret))}
	for _, plain := range []string{secret, secret + ":", ":" + secret, "x" + secret, "xx" + secret} { // base64 of a text within another
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			b := e.EncodeToString([]byte(plain))
			out = append(out, b[4:len(b)-4]) // the outer groups depend on what stands beside
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// find names every canary that data holds in any spelling, without printing it.
func find(data []byte, canaries map[string]string) []string {
	var out []string
	for name, secret := range canaries {
		for _, s := range spellings(secret) {
			if bytes.Contains(data, []byte(s)) {
				out = append(out, fmt.Sprintf("%s, spelled with %d bytes", name, len(s)))
			}
		}
	}
	return out
}

// database is every table of the database as text.
func (g *gateway) database() []byte {
	g.t.Helper()
	ctx := g.t.Context()
	conn, err := pgx.Connect(ctx, g.dsn)
	g.must(err)
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
	g.must(err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	g.must(err)
	var out bytes.Buffer
	for _, table := range tables {
		_, err := conn.PgConn().CopyTo(ctx, &out, "COPY (SELECT * FROM "+table+") TO STDOUT")
		g.must(err)
	}
	if len(tables) < 3 || out.Len() == 0 {
		g.t.Errorf("%d tables with %d bytes", len(tables), out.Len())
	}
	return out.Bytes()
}

// counters is every key of Redis with its value.
func (g *gateway) counters() []byte {
	g.t.Helper()
	ctx := g.t.Context()
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()
	var out bytes.Buffer
	for keys := c.Scan(ctx, 0, "*", 100).Iterator(); keys.Next(ctx); {
		key := keys.Val()
		kind, err := c.Type(ctx, key).Result()
		g.must(err)
		read, ok := map[string][]any{
			"string": {"GET", key}, "hash": {"HGETALL", key}, "zset": {"ZRANGE", key, 0, -1, "WITHSCORES"}, "set": {"SMEMBERS", key}, "list": {"LRANGE", key, 0, -1},
		}[kind]
		if !ok {
			g.t.Fatalf("%s is a %s, which this search does not read", key, kind)
		}
		value, err := c.Do(ctx, read...).Result()
		g.must(err)
		fmt.Fprintln(&out, key, value)
	}
	return out.Bytes()
}

func (g *gateway) get(address string) []byte {
	g.t.Helper()
	answer, err := http.Get(address)
	g.must(err)
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	g.must(err)
	if answer.StatusCode != http.StatusOK {
		g.t.Errorf("%s answered %s", address, answer.Status)
	}
	return b
}

// files joins what lies below a path.
func (g *gateway) files(path string) []byte {
	g.t.Helper()
	var out []byte
	g.must(filepath.WalkDir(filepath.Join(g.dir, path), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out = append(out, b...)
		return err
	}))
	return out
}

// places are everything that is written or shown while calls run.
func (g *gateway) places() map[string][]byte {
	g.t.Helper()
	commands, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", g.child.Process.Pid))
	g.must(err)
	return map[string][]byte{
		"the database": g.database(), "the spool": g.files("spool"), "Redis": g.counters(), "sentinel's log": g.files("sentinel.log"),
		"Envoy's log": g.files("envoy/envoy.log"), "the access log": g.files("access.log"), "the metrics": g.get(g.probes + "/metrics"),
		"Envoy's configuration": g.get(g.admin + "/config_dump"), "Envoy's figures": g.get(g.admin + "/stats"), "sentinel's command line": commands,
	}
}

// clients are the official ones, each with what it needs to find the gateway.
func (g *gateway) clients(key string) map[string][]string {
	openai := []string{"OPENAI_BASE_URL=" + g.url + "/openai/v1", "OPENAI_API_KEY=" + key, "PROMPT=" + prompt}
	aws := []string{"BEDROCK_URL=" + g.url + "/bedrock", "S3_URL=" + g.url + "/s3", "PROMPT=" + prompt, "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + issued}
	if key != token {
		aws[len(aws)-1] = "AWS_SECRET_ACCESS_KEY=" + key
	}
	return map[string][]string{
		"openai_chat.py": openai, "openai_stream.py": append([]string{"STOP_AFTER=3"}, openai...),
		"anthropic_messages.py": {"ANTHROPIC_BASE_URL=" + g.url + "/anthropic", "ANTHROPIC_API_KEY=" + key, "PROMPT=" + prompt},
		"stripe_charge.py":      {"STRIPE_BASE_URL=" + g.url + "/stripe", "STRIPE_API_KEY=" + key}, "bedrock_converse.py": aws, "s3_roundtrip.py": aws,
	}
}

// said runs every official client and gives what it printed.
func (g *gateway) said(key string, well bool) []byte {
	g.t.Helper()
	var out []byte
	for script, env := range g.clients(key) {
		b, err := g.stack.Python(g.t.Context(), filepath.Join(repo, "examples", "clients", script), env...)
		if (err == nil) != well {
			g.t.Errorf("%s ended with %v: %s", script, err, b)
		}
		out = append(out, b...)
	}
	return out
}

// raw sends a request with headers of its own, and gives the whole answer as text.
func (g *gateway) raw(method, path, body string, header http.Header) string {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	g.must(err)
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	g.must(err)
	defer func() { _ = answer.Body.Close() }()
	b, _ := io.ReadAll(answer.Body) // one that is cut shows what came
	return fmt.Sprint(answer.StatusCode, answer.Header, string(b))
}

func TestNoSecretIsWrittenOrAnswered(t *testing.T) {
	c := mockapi.DefaultConfig()
	aws := []string{"AKIAVAULTCANARY0:" + vaultAWS}
	c.Accept = map[string][]string{"openai": {vaultKey}, "anthropic": {claudeKey}, "stripe": {vaultKey}, "weather": {vaultKey}, "bedrock": aws, "s3": aws}
	const wrong = "svc_canary-mistyped-0d2e"
	c.Canaries = []string{wrong}
	c.Faults = []mockapi.Fault{
		{Provider: "openai", Model: "gpt-5", Kind: mockapi.FaultStatus, Status: 500, First: 1, Of: 3},
		{Provider: "openai", Model: "gpt-5", Kind: mockapi.FaultReset, First: 1, Of: 2},
	}
	g := open(t, c, "{budget: {usd: 100/day}}", "policies: [{name: pace, match: {model: gpt-5-nano}, limits: {requests: 1/minute}}]\n")
	password, _ := url.Parse(g.dsn)
	pg, _ := password.User.Password()
	canaries := map[string]string{
		"the service's token": token, "the service's AWS secret": issued, "the provider's key": vaultKey, "the other provider's key": claudeKey, "the provider's AWS secret": vaultAWS,
		"Vault's token": g.root, "the database's password": pg, "a mistyped token": wrong,
	}
	answers := g.said(token, true)
	answers = append(answers, g.said(wrong, false)...)
	for _, model := range []string{"gpt-5", "gpt-5", "gpt-5", "gpt-5-nano", "gpt-5-nano", "gpt-99", "gpt-5-mini\x1f"} {
		quoted, _ := json.Marshal(model)
		body := `{"model":` + string(quoted) + `,"max_completion_tokens":20,"messages":[{"role":"user","content":"` + prompt + `"}]}`
		answers = append(answers, g.raw("POST", "/openai/v1/chat/completions", body, chatHeader())...)
	}
	for _, h := range []http.Header{
		{"X-Api-Key": {token}}, {"X-Api-Key": {token, token}}, {"Authorization": {"Bearer " + token, "Bearer " + wrong}}, {"X-Api-Key": {wrong}},
		{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(token+":"))}}, {"Authorization": {"Bearer " + token}, "X-Api-Key": {wrong}, "Cookie": {"s=" + token}},
	} {
		answers = append(answers, g.raw("GET", "/weather/v1/forecast/lima?key="+prompt, "", h)...)
		answers = append(answers, g.raw("GET", "/weather/v1/forecast/../lima", "", h)...)
		answers = append(answers, g.raw("GET", "/nowhere/v1/"+token, "", h)...)
	}
	rows := g.ledger(15)
	if len(find(answers, canaries)) > 0 {
		t.Errorf("the clients were answered %v", find(answers, canaries))
	}
	if g.mock.Stats().CanarySeen {
		t.Error("a credential of the client reached a provider")
	}
	canaries["the prompt"] = prompt
	for place, data := range g.places() {
		if len(data) == 0 && place != "Envoy's log" {
			t.Errorf("%s is empty", place)
		}
		if found := find(data, canaries); len(found) > 0 {
			t.Errorf("%s holds %v", place, found)
		}
	}
	t.Logf("%d ledger rows, %d bytes of answers", len(rows), len(answers))
	g.findsWhatIsPlanted(canaries)
}

// findsWhatIsPlanted shows that the search sees what it looks for, wherever and however it is written.
func (g *gateway) findsWhatIsPlanted(canaries map[string]string) {
	g.t.Helper()
	ctx := g.t.Context()
	conn, err := pgx.Connect(ctx, g.dsn)
	g.must(err)
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "CREATE TABLE planted AS SELECT $1::text AS text", base64.StdEncoding.EncodeToString([]byte(token+":")))
	g.must(err)
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()
	g.must(c.HSet(ctx, "planted", "field", url.QueryEscape(vaultKey)).Err())
	quoted, err := json.Marshal(vaultKey)
	g.must(err)
	g.must(os.WriteFile(filepath.Join(g.dir, "spool", "planted"), append([]byte("xx"), quoted...), 0o600))
	for place, data := range map[string][]byte{"the database": g.database(), "Redis": g.counters(), "the spool": g.files("spool")} {
		if len(find(data, canaries)) == 0 {
			g.t.Errorf("the search does not see what was planted in %s", place)
		}
	}
}

// What calls need of Vault is read before them: none asks it for anything.
func TestCallsAskVaultNothing(t *testing.T) {
	var asked atomic.Int64
	g := openAt(t, func(s *stack.Stack) (string, string, error) {
		addr, token, err := s.OpenBao()
		if err != nil {
			return "", "", err
		}
		at, err := url.Parse(addr)
		if err != nil {
			return "", "", err
		}
		to := httputil.NewSingleHostReverseProxy(at)
		counting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			to.ServeHTTP(w, r)
		}))
		t.Cleanup(counting.Close)
		return counting.URL, token, nil
	}, mockapi.DefaultConfig(), "{}", "", (*stack.Stack).Postgres, "vault: {refresh: 1h}\n")
	before := asked.Load()
	for range 20 {
		g.must(g.whole(http.MethodGet, "/weather/v1/forecast/lima", "", ""))
		g.must(g.whole(http.MethodPost, "/openai/v1/chat/completions", chat, "choices"))
		g.must(g.whole(http.MethodPost, "/openai/v1/chat/completions", strings.Replace(chat, "{", `{"stream":true,`, 1), "[DONE]"))
	}
	if n := asked.Load() - before; before == 0 || n != 0 {
		t.Errorf("60 calls asked Vault %d times, and the start %d times", n, before)
	}
}
