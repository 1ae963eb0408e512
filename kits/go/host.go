package oriel

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxReply is the longest reply of a host call that is read, in bytes.
const maxReply = 64 << 20

// Host makes host calls for one call. The grant, quotas and limits of the extension hold; after the call's function has returned
// every one is denied.
type Host struct {
	client *http.Client
	to     *callback
}

func newHost(client *http.Client, to *callback) *Host { return &Host{client: client, to: to} }

// Entry is a value in the key-value store.
type Entry struct {
	Value   []byte `json:"value"`
	Version uint64 `json:"version"`
}

// codes are the protocol's words for the codes of the server's problems.
var codes = map[string]Code{
	"request.invalid":               InvalidInput,
	"execution.denied":              Denied,
	"execution.unavailable":         Unavailable,
	"execution.limit_exceeded":      LimitExceeded,
	"execution.timeout":             DeadlineExceeded,
	"remote.token_invalid":          Denied,
	"remote.host_call_unknown":      InvalidInput,
	"request.too_large":             LimitExceeded,
	"execution.host_calls_exceeded": LimitExceeded,
}

// Call makes the host call `function` (`key-value.get`), for functions that have no method here.
func (h *Host) Call(ctx context.Context, function string, arguments, output any) error {
	if h.to == nil {
		return Errorf(Unavailable, "no host calls can be made here")
	}
	body, err := json.Marshal(arguments)
	if err != nil {
		return Errorf(InvalidInput, "%s", err)
	}
	address := strings.TrimRight(h.to.URL, "/") + prefix + "host/" + function
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+h.to.Token)
	request.Header.Set("Content-Type", "application/json")
	response, err := h.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return &Error{Code: DeadlineExceeded, Message: "the deadline passed"}
		}
		return Errorf(Unavailable, "the server does not answer host calls")
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return Errorf(Unavailable, "the server's reply broke off")
	}
	if response.StatusCode != http.StatusOK {
		var problem struct {
			Code   string `json:"code"`
			Detail string `json:"detail"`
		}
		_ = json.Unmarshal(data, &problem)
		code, known := codes[problem.Code]
		if !known {
			code = Internal
		}
		return &Error{Code: code, Message: problem.Detail}
	}
	var reply struct {
		Output json.RawMessage `json:"output"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return Errorf(Internal, "the server's reply is not JSON")
	}
	if output == nil {
		return nil
	}
	return json.Unmarshal(reply.Output, output)
}

type keyed struct {
	Key      string  `json:"key"`
	Value    []byte  `json:"value,omitempty"`
	Expected *uint64 `json:"expected,omitempty"`
	By       *int64  `json:"by,omitempty"`
	TTLMs    *int64  `json:"ttlMs,omitempty"`
}

func ttl(span time.Duration) *int64 {
	if span <= 0 {
		return nil
	}
	ms := span.Milliseconds()
	return &ms
}

// value keeps an empty value apart from none.
func value(key string, data []byte, span time.Duration) map[string]any {
	if data == nil {
		data = []byte{}
	}
	arguments := map[string]any{"key": key, "value": data}
	if ms := ttl(span); ms != nil {
		arguments["ttlMs"] = *ms
	}
	return arguments
}

// Get reads a value; nil when there is none.
func (h *Host) Get(ctx context.Context, key string) (*Entry, error) {
	var entry *Entry
	err := h.Call(ctx, "key-value.get", keyed{Key: key}, &entry)
	return entry, err
}

// Set writes a value and answers its new version. With a positive ttl it disappears that long after.
func (h *Host) Set(ctx context.Context, key string, data []byte, span time.Duration) (uint64, error) {
	var version uint64
	err := h.Call(ctx, "key-value.set", value(key, data, span), &version)
	return version, err
}

// Delete answers whether there was something to delete.
func (h *Host) Delete(ctx context.Context, key string) (bool, error) {
	var there bool
	err := h.Call(ctx, "key-value.delete", keyed{Key: key}, &there)
	return there, err
}

// CompareAndSwap writes only if the value's version is expected (nil: only if there is none). It answers the new version, or nil when
// another writer was faster.
func (h *Host) CompareAndSwap(ctx context.Context, key string, expected *uint64, data []byte, span time.Duration) (*uint64, error) {
	arguments := value(key, data, span)
	if expected != nil {
		arguments["expected"] = *expected
	}
	var version *uint64
	err := h.Call(ctx, "key-value.compare-and-swap", arguments, &version)
	return version, err
}

// Increment adds to a decimal integer and answers the sum.
func (h *Host) Increment(ctx context.Context, key string, by int64, span time.Duration) (int64, error) {
	var sum int64
	err := h.Call(ctx, "key-value.increment", keyed{Key: key, By: &by, TTLMs: ttl(span)}, &sum)
	return sum, err
}

// Keys answers all keys that start with prefix, in order.
func (h *Host) Keys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	cursor := ""
	for {
		arguments := map[string]any{"prefix": prefix, "limit": 1000}
		if cursor != "" {
			arguments["cursor"] = cursor
		}
		var page struct {
			Keys       []string `json:"keys"`
			NextCursor string   `json:"nextCursor"`
		}
		if err := h.Call(ctx, "key-value.list-keys", arguments, &page); err != nil {
			return nil, err
		}
		keys = append(keys, page.Keys...)
		if page.NextCursor == "" {
			return keys, nil
		}
		cursor = page.NextCursor
	}
}

// Config reads the installation's configuration.
func (h *Host) Config(ctx context.Context, into any) error {
	return h.Call(ctx, "config.get", struct{}{}, into)
}

// Log writes a line to the extension's log. Level is trace, debug, info, warn or error.
func (h *Host) Log(ctx context.Context, level, message string, fields map[string]string) error {
	arguments := map[string]any{"level": level, "message": message}
	if len(fields) > 0 {
		arguments["fields"] = fields
	}
	return h.Call(ctx, "log.write", arguments, nil)
}

// Count adds to a counter that the server shows at /metrics.
func (h *Host) Count(ctx context.Context, name string, by float64, labels map[string]string) error {
	return h.measure(ctx, "metrics.counter-add", name, by, labels)
}

// Record counts a value into a histogram.
func (h *Host) Record(ctx context.Context, name string, value float64, labels map[string]string) error {
	return h.measure(ctx, "metrics.histogram-record", name, value, labels)
}

func (h *Host) measure(ctx context.Context, function, name string, value float64, labels map[string]string) error {
	arguments := map[string]any{"name": name, "value": value}
	if len(labels) > 0 {
		arguments["labels"] = labels
	}
	return h.Call(ctx, function, arguments, nil)
}

// Execute calls a program of another extension.
func (h *Host) Execute(ctx context.Context, extension, program string, input, output any) error {
	arguments := map[string]any{"extension": extension, "program": program, "input": input}
	return h.Call(ctx, "call.execute", arguments, output)
}
