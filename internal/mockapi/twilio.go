package mockapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// twilio serves the creation of messages, POST /2010-04-01/Accounts/{account}/Messages.json, and the list of none.
// Its fields are those of https://www.twilio.com/docs/messaging/api/message-resource.
func twilio(x *exchange) {
	account, rest, _ := strings.Cut(strings.TrimPrefix(x.path, "/2010-04-01/Accounts/"), "/")
	if account == "" || rest != "Messages.json" || x.r.Method != http.MethodPost && x.r.Method != http.MethodGet {
		x.endpoint = "unknown"
		x.refuse(http.StatusNotFound, "20404", "The requested resource "+x.path+" was not found")
		return
	}
	if x.r.Method == http.MethodGet {
		if _, ok := x.begin("messages.list", ""); ok {
			x.answer(http.StatusOK, map[string]any{"messages": []any{}, "uri": x.path, "page": 0, "page_size": 50, "next_page_uri": nil}, sentinel.Usage{})
		}
		return
	}
	form, err := url.ParseQuery(string(x.body))
	if err != nil {
		x.endpoint = "messages.sms"
		x.refuse(http.StatusBadRequest, "20001", "The form cannot be read")
		return
	}
	endpoint := "messages.sms"
	if form.Has("MediaUrl") {
		endpoint = "messages.mms"
	}
	if _, ok := x.begin(endpoint, ""); ok {
		x.createMessage(account, form)
	}
}

func (x *exchange) createMessage(account string, form url.Values) {
	from, service := form.Get("From"), form.Get("MessagingServiceSid")
	switch {
	case form.Get("To") == "":
		x.refuse(http.StatusBadRequest, "21604", "A 'To' phone number is required.")
		return
	case !strings.HasPrefix(form.Get("To"), "+"):
		x.refuse(http.StatusBadRequest, "21211", "Invalid 'To' Phone Number: "+form.Get("To"))
		return
	case from == "" && service == "":
		x.refuse(http.StatusBadRequest, "21603", "A 'From' phone number is required.")
		return
	case form.Get("Body") == "" && !form.Has("MediaUrl"):
		x.refuse(http.StatusBadRequest, "21602", "Message body is required.")
		return
	}
	segments, prefix := segmentsOf(form.Get("Body")), "SM"
	if form.Has("MediaUrl") {
		segments, prefix = 1, "MM" // a picture is one message, however long its text
	}
	reported := segments
	if service != "" {
		reported = 0 // no sender has been chosen yet, and the documentation says that nothing has been counted
	}
	sid := fmt.Sprintf("%s%032x", prefix, x.draw())
	now := time.Unix(epoch, 0).UTC().Format(time.RFC1123Z)
	uri := "/2010-04-01/Accounts/" + account + "/Messages/" + sid + ".json"
	var u sentinel.Usage
	u[sentinel.Messages] = segments
	x.answer(http.StatusCreated, map[string]any{
		"account_sid": account, "api_version": "2010-04-01", "body": form.Get("Body"), "date_created": now, "date_sent": nil, "date_updated": now,
		"direction": "outbound-api", "error_code": nil, "error_message": nil, "from": orNull(from), "messaging_service_sid": orNull(service),
		"num_media": strconv.Itoa(len(form["MediaUrl"])), "num_segments": strconv.FormatInt(reported, 10), "price": nil, "price_unit": "USD",
		"sid": sid, "status": "queued", "subresource_uris": map[string]any{"media": strings.TrimSuffix(uri, ".json") + "/Media.json"},
		"to": form.Get("To"), "uri": uri,
	}, u)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// twoSeptets are the characters of ASCII that the GSM alphabet has by an escape.
const twoSeptets = "\f^{}\\[~]|"

// segmentsOf counts the parts that Twilio bills, by https://www.twilio.com/docs/glossary/what-sms-character-limit: 160 or
// 70 characters in one message, 153 or 67 in each part of several, and no character that is split between parts. Of the
// GSM alphabet it knows ASCII without the grave accent, and the pound sign: a text with another character is UCS-2.
func segmentsOf(text string) int64 {
	alone, joined, width := 160, 153, func(r rune) int {
		if strings.ContainsRune(twoSeptets, r) {
			return 2
		}
		return 1
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r == '`' || r >= 0x80 && r != '£' }) {
		alone, joined, width = 70, 67, utf16.RuneLen
	}
	total, parts, room := 0, int64(1), joined
	for _, r := range text {
		w := width(r)
		total += w
		if w > room {
			parts, room = parts+1, joined
		}
		room -= w
	}
	if total <= alone {
		return 1
	}
	return parts
}
