package mockapi

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the ETag of S3
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

type object struct {
	body        []byte
	contentType string
	etag        string
	checksums   http.Header // x-amz-checksum-*, given back as they came
}

// objectStore keeps at most maxObjects bytes.
type objectStore struct {
	mu      sync.Mutex
	objects map[string]object // "bucket/key"
	bytes   int64
}

func newObjectStore() *objectStore { return &objectStore{objects: map[string]object{}} }

func (o *objectStore) put(name string, v object) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	size := o.bytes - int64(len(o.objects[name].body)) + int64(len(v.body))
	if size > maxObjects || len(o.objects) >= maxRecords {
		return false
	}
	o.objects[name], o.bytes = v, size
	return true
}

func (o *objectStore) get(name string) (object, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v, ok := o.objects[name]
	return v, ok
}

func (o *objectStore) remove(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= int64(len(o.objects[name].body))
	delete(o.objects, name)
}

type listed struct {
	Key          string
	Size         int
	ETag         string
	LastModified string
	StorageClass string
}

// list gives at most limit keys of a bucket, in order.
func (o *objectStore) list(bucket, prefix, after string, limit int) (page []listed, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var keys []string
	for name := range o.objects {
		if key, ok := strings.CutPrefix(name, bucket+"/"); ok && strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if more = len(keys) > limit; more {
		keys = keys[:limit]
	}
	for _, key := range keys {
		v := o.objects[bucket+"/"+key]
		page = append(page, listed{Key: key, Size: len(v.body), ETag: v.etag, LastModified: time.Unix(epoch, 0).UTC().Format(time.RFC3339), StorageClass: "STANDARD"})
	}
	return page, more
}

// s3 serves objects of buckets that need not be made first, in path style and in virtual-host style.
func s3(x *exchange) {
	if x.r.Header.Get("X-Amz-Target") == "AWSInsightsIndexService.GetCostAndUsage" {
		x.costExplorer()
		return
	}
	bucket, key := x.bucket, strings.TrimPrefix(x.path, "/")
	if bucket == "" {
		bucket, key, _ = strings.Cut(key, "/")
	}
	key, err := url.PathUnescape(key)
	if err != nil || bucket == "" {
		x.endpoint = "unknown"
		x.refuse(http.StatusBadRequest, "InvalidURI", "the path cannot be read")
		return
	}
	scope, verb := "object", strings.ToLower(x.r.Method)
	if key == "" {
		scope = "bucket"
		if verb == "get" {
			verb = "list"
		}
	}
	if _, ok := x.begin(scope+"."+verb, ""); !ok {
		return
	}
	var u sentinel.Usage
	u[sentinel.Requests] = 1
	name := bucket + "/" + key
	switch scope + "." + verb {
	case "object.put":
		x.putObject(name, u)
	case "object.get", "object.head":
		x.getObject(name, u)
	case "object.delete":
		x.server.objects.remove(name)
		x.account(u, outcomeServed)
		x.w.WriteHeader(http.StatusNoContent)
	case "bucket.put", "bucket.head":
		x.account(u, outcomeServed)
		x.w.WriteHeader(http.StatusOK)
	case "bucket.list":
		x.listBucket(bucket, u)
	default:
		x.refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", x.r.Method+" is not supported here")
	}
}

func (x *exchange) putObject(name string, u sentinel.Usage) {
	body := x.body
	if strings.Contains(x.r.Header.Get("Content-Encoding"), "aws-chunked") {
		var ok bool
		if body, ok = unchunk(body); !ok {
			x.refuse(http.StatusBadRequest, "IncompleteBody", "the aws-chunked body is broken")
			return
		}
	}
	sum := md5.Sum(body) //nolint:gosec // the ETag of S3
	v := object{body: body, contentType: x.r.Header.Get("Content-Type"), etag: `"` + hex.EncodeToString(sum[:]) + `"`, checksums: http.Header{}}
	for h, values := range x.r.Header {
		if strings.HasPrefix(h, "X-Amz-Checksum-") {
			v.checksums[h] = values
		}
	}
	if !x.server.objects.put(name, v) {
		x.refuse(http.StatusInsufficientStorage, "ServiceUnavailable", "the stand-in keeps at most 64 MiB of objects")
		return
	}
	x.account(u, outcomeServed)
	x.w.Header().Set("ETag", v.etag)
	x.w.WriteHeader(http.StatusOK)
}

func (x *exchange) getObject(name string, u sentinel.Usage) {
	v, ok := x.server.objects.get(name)
	if !ok {
		x.refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	h := x.w.Header()
	h.Set("ETag", v.etag)
	if v.contentType != "" {
		h.Set("Content-Type", v.contentType)
	}
	if x.r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && x.r.Header.Get("Range") == "" {
		for name, values := range v.checksums {
			h[name] = values
		}
	}
	x.account(u, outcomeServed)
	http.ServeContent(x.w, x.r, "", time.Unix(epoch, 0), bytes.NewReader(v.body))
}

func (x *exchange) listBucket(bucket string, u sentinel.Usage) {
	q := x.r.URL.Query()
	limit, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil || limit < 1 || limit > 1000 {
		limit = 1000
	}
	after := max(q.Get("continuation-token"), q.Get("start-after"))
	page, more := x.server.objects.list(bucket, q.Get("prefix"), after, limit)
	v := struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name                  string
		Prefix                string
		KeyCount, MaxKeys     int
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []listed
	}{Name: bucket, Prefix: q.Get("prefix"), KeyCount: len(page), MaxKeys: limit, IsTruncated: more, Contents: page}
	if more {
		v.NextContinuationToken = page[len(page)-1].Key
	}
	body, err := xml.Marshal(v)
	if err != nil {
		x.refuse(http.StatusInternalServerError, "InternalError", fmt.Sprintf("list %s: %v", bucket, err))
		return
	}
	x.answerBytes(http.StatusOK, "application/xml", append([]byte(xml.Header), body...), u)
}

// unchunk takes the "aws-chunked" coding off: chunks of "SIZE[;chunk-signature=…]\r\n…\r\n", the last of
// size 0, and trailers after it.
func unchunk(b []byte) ([]byte, bool) {
	var out []byte
	for {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok {
			return nil, false
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 32)
		switch {
		case err != nil || n+2 > uint64(len(rest)) && n > 0:
			return nil, false
		case n == 0:
			return out, true
		}
		out = append(out, rest[:n]...)
		b = rest[n+2:]
	}
}

func escapeXML(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer never fails
	return b.String()
}
