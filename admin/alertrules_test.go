package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

// told is a backend with seven messages and seven evaluations of one moment, numbered from 1.
type told struct{ accounts }

// before gives the numbers below one, 0 for all, the highest first.
func before(n int64, limit int) (out []int64) {
	for i := int64(7); i > 0 && len(out) < limit; i-- {
		if n == 0 || i < n {
			out = append(out, i)
		}
	}
	return out
}

func (told) AlertMessages(_ context.Context, n int64, limit int) (out []sentinel.AlertMessage, err error) {
	for _, i := range before(n, limit) {
		out = append(out, sentinel.AlertMessage{Seq: i, ID: fmt.Sprint("m", i), Created: noon})
	}
	return out, nil
}

func (told) Turns(_ context.Context, n int64, limit int) (out []sentinel.IncidentTurn, err error) {
	for _, i := range before(n, limit) {
		out = append(out, sentinel.IncidentTurn{Seq: i, Rule: fmt.Sprint("e", i), At: noon, Ended: i == 2, Again: i == 3})
	}
	return out, nil
}

func TestMessagesAndEvaluationsComeInPages(t *testing.T) {
	for limit := 1; limit <= 8; limit++ {
		var messages, evaluations []string
		for next, pages := "", 0; (pages == 0 || next != "") && pages < 9; pages++ {
			var got admin.AlertMessagePage
			askOf(t, told{}, fmt.Sprintf("/alerts/messages?limit=%d&cursor=%s", limit, next), &got)
			for _, m := range got.Messages {
				messages = append(messages, m.ID)
			}
			next = got.Next
		}
		for next, pages := "", 0; (pages == 0 || next != "") && pages < 9; pages++ {
			var got admin.EvaluationPage
			askOf(t, told{}, fmt.Sprintf("/alerts/evaluations?limit=%d&cursor=%s", limit, next), &got)
			for _, e := range got.Evaluations {
				evaluations = append(evaluations, e.Rule)
				if e.Firing != (e.Rule != "e2") || e.Again != (e.Rule == "e3") {
					t.Errorf("the second ended, and the third began again: %+v", e)
				}
			}
			next = got.Next
		}
		if want := []string{"m7", "m6", "m5", "m4", "m3", "m2", "m1"}; !slices.Equal(messages, want) {
			t.Errorf("messages in pages of %d: %q, want %q", limit, messages, want)
		}
		if want := []string{"e7", "e6", "e5", "e4", "e3", "e2", "e1"}; !slices.Equal(evaluations, want) {
			t.Errorf("evaluations in pages of %d: %q, want %q", limit, evaluations, want)
		}
	}
	h := server(admin.Options{}).Handler()
	for _, cursor := range []string{"mine", sentinel.Cursor{At: noon, Row: "m7"}.String(), sentinel.Cursor{At: noon, Row: "-1"}.String(), sentinel.Cursor{At: time.Unix(0, 0), Row: "1"}.String()} {
		for _, list := range []string{"messages", "evaluations"} {
			if w := ask(h, "GET", "/api/v1/alerts/"+list+"?cursor="+cursor, viewer, ""); w.Code != http.StatusBadRequest {
				t.Errorf("%s of the cursor %q are answered %d %s", list, cursor, w.Code, w.Body)
			}
		}
	}
}
