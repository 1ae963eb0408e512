package oriel

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Tolerance is how far a request's time may be from this machine's.
const Tolerance = 5 * time.Minute

// most is how many ids are remembered at once. Only requests that are signed count, so nobody but the server can fill it.
const most = 1 << 20

// Why a request is refused.
var (
	ErrUnsigned  = errors.New("the request is not signed as Standard Webhooks says")
	ErrSignature = errors.New("no signature is this service's")
	ErrTime      = errors.New("the request's time is too far from this machine's")
	ErrReplay    = errors.New("the request was seen before")
)

// Verifier checks signatures by the Standard Webhooks scheme (v1, HMAC-SHA256), and that no request is answered twice.
type Verifier struct {
	keys [][]byte
	now  func() time.Time

	mutex sync.Mutex
	seen  map[string]time.Time
	swept time.Time
}

// NewVerifier takes the secrets (`whsec_…`) of which one must have signed. While the server's secret is being replaced, there
// may be two.
func NewVerifier(secrets ...string) (*Verifier, error) {
	verifier := &Verifier{now: time.Now, seen: map[string]time.Time{}}
	for _, secret := range secrets {
		text, ok := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil || len(key) < 24 || len(key) > 64 {
			return nil, errors.New("oriel: a secret is `whsec_` and 24 to 64 bytes in Base64")
		}
		verifier.keys = append(verifier.keys, key)
	}
	if len(verifier.keys) == 0 {
		return nil, errors.New("oriel: there is no secret")
	}
	return verifier, nil
}

// Verify says why a request is not to be answered; nil when it is. It remembers the request's id.
func (v *Verifier) Verify(header http.Header, body []byte) error {
	id, seconds := header.Get("webhook-id"), header.Get("webhook-timestamp")
	sent, err := strconv.ParseInt(seconds, 10, 64)
	if id == "" || len(id) > 256 || err != nil {
		return ErrUnsigned
	}
	if !v.signed(id, seconds, header.Get("webhook-signature"), body) {
		return ErrSignature
	}
	now := v.now()
	if away := now.Sub(time.Unix(sent, 0)); away > Tolerance || away < -Tolerance {
		return ErrTime
	}
	return v.remember(id, now)
}

func (v *Verifier) signed(id, seconds, signatures string, body []byte) bool {
	good := false
	for _, key := range v.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + seconds + "."))
		mac.Write(body)
		wanted := mac.Sum(nil)
		for _, signature := range strings.Fields(signatures) {
			given, ok := strings.CutPrefix(signature, "v1,")
			bytes, err := base64.StdEncoding.DecodeString(given)
			if ok && err == nil && hmac.Equal(bytes, wanted) {
				good = true
			}
		}
	}
	return good
}

// remember refuses what was there. Ids are forgotten when their time alone would have them refused.
func (v *Verifier) remember(id string, now time.Time) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if now.Sub(v.swept) > Tolerance || len(v.seen) >= most {
		for old, until := range v.seen {
			if now.After(until) {
				delete(v.seen, old)
			}
		}
		v.swept = now
	}
	if _, there := v.seen[id]; there || len(v.seen) >= most {
		return ErrReplay
	}
	v.seen[id] = now.Add(2 * Tolerance)
	return nil
}
