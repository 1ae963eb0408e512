package oriel

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func verifier(t *testing.T, secrets ...string) *Verifier {
	t.Helper()
	verifier, err := NewVerifier(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

// signature signs as the server does, by another way than the kit verifies.
func signature(t *testing.T, secret, id, seconds string, body []byte) string {
	t.Helper()
	signed, err := sign(secret, id, seconds, body)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func headers(id, seconds, signature string) http.Header {
	header := http.Header{}
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", seconds)
	header.Set("webhook-signature", signature)
	return header
}

// The example of the specification's reference libraries.
func TestAKnownSignature(t *testing.T) {
	v := verifier(t, secret)
	v.now = func() time.Time { return time.Unix(1614265330, 0) }
	id, seconds, body := "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)
	known := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := signature(t, secret, id, seconds, body); got != known {
		t.Fatalf("signed %s", got)
	}
	if err := v.Verify(headers(id, seconds, known), body); err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(headers(id, seconds, known), body); err != ErrReplay {
		t.Fatalf("the second time: %v", err)
	}
}

func TestWhatIsNotTheServersIsRefused(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	at := func(away time.Duration) string { return fmt.Sprint(now.Add(away).Unix()) }
	body := []byte(`{"a":1}`)
	good := func(id, seconds string) string { return signature(t, secret, id, seconds, body) }
	other := "whsec_" + strings.Repeat("A", 43) + "="
	for name, c := range map[string]struct {
		header http.Header
		body   string
		want   error
	}{
		"unsigned":          {http.Header{}, "{}", ErrUnsigned},
		"no number":         {headers("a", "soon", good("a", "soon")), string(body), ErrUnsigned},
		"another body":      {headers("b", at(0), good("b", at(0))), `{"a":2}`, ErrSignature},
		"another id":        {headers("c", at(0), good("d", at(0))), string(body), ErrSignature},
		"another time":      {headers("e", at(1*time.Second), good("e", at(0))), string(body), ErrSignature},
		"another secret":    {headers("f", at(0), signature(t, other, "f", at(0), body)), string(body), ErrSignature},
		"another scheme":    {headers("g", at(0), strings.Replace(good("g", at(0)), "v1,", "v1a,", 1)), string(body), ErrSignature},
		"no base64":         {headers("h", at(0), "v1,%%%"), string(body), ErrSignature},
		"empty":             {headers("i", at(0), ""), string(body), ErrSignature},
		"too old":           {headers("j", at(-Tolerance-time.Second), good("j", at(-Tolerance-time.Second))), string(body), ErrTime},
		"from the future":   {headers("k", at(Tolerance+time.Second), good("k", at(Tolerance+time.Second))), string(body), ErrTime},
		"just in time":      {headers("l", at(-Tolerance), good("l", at(-Tolerance))), string(body), nil},
		"one of several":    {headers("m", at(0), "v1,AAAA v2,x "+good("m", at(0))), string(body), nil},
		"an id without end": {headers(strings.Repeat("x", 300), at(0), good(strings.Repeat("x", 300), at(0))), string(body), ErrUnsigned},
	} {
		v := verifier(t, secret)
		v.now = func() time.Time { return now }
		if err := v.Verify(c.header, []byte(c.body)); err != c.want {
			t.Errorf("%s: %v, not %v", name, err, c.want)
		}
	}
}

func TestEitherSecretWillDoWhileOneIsReplaced(t *testing.T) {
	old, new := secret, "whsec_"+strings.Repeat("B", 43)+"="
	v := verifier(t, new, old)
	seconds := fmt.Sprint(time.Now().Unix())
	for id, by := range map[string]string{"a": old, "b": new} {
		if err := v.Verify(headers(id, seconds, signature(t, by, id, seconds, nil)), nil); err != nil {
			t.Error(id, err)
		}
	}
	for _, bad := range []string{"", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"} {
		if _, err := NewVerifier(bad); err == nil {
			t.Errorf("%q is taken for a secret", bad)
		}
	}
	if _, err := NewVerifier(); err == nil {
		t.Error("no secret at all")
	}
}

func TestOfManyAtOnceOneIsAnswered(t *testing.T) {
	v := verifier(t, secret)
	seconds := fmt.Sprint(time.Now().Unix())
	header := headers("once", seconds, signature(t, secret, "once", seconds, nil))
	var group sync.WaitGroup
	var mutex sync.Mutex
	answered := 0
	for range 32 {
		group.Add(1)
		go func() {
			defer group.Done()
			if v.Verify(header, nil) == nil {
				mutex.Lock()
				answered++
				mutex.Unlock()
			}
		}()
	}
	group.Wait()
	if answered != 1 {
		t.Fatalf("%d were answered", answered)
	}
}

func TestIdsAreForgottenWhenTheirTimeIsOver(t *testing.T) {
	v := verifier(t, secret)
	now := time.Unix(1_700_000_000, 0)
	v.now = func() time.Time { return now }
	for index := range 100 {
		if err := v.remember(fmt.Sprint(index), now); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(3 * Tolerance)
	if err := v.remember("later", now); err != nil || len(v.seen) != 1 {
		t.Fatalf("%v, %d are remembered", err, len(v.seen))
	}
}

// server serves an extension and answers how to ask it.
func server(t *testing.T, build func(*Extension)) func(path, body string) (int, string) {
	t.Helper()
	ext := NewWith(verifier(t, secret))
	ext.Logf = t.Logf
	build(ext)
	listening := httptest.NewServer(ext)
	t.Cleanup(listening.Close)
	number := 0
	return func(path, body string) (int, string) {
		t.Helper()
		number++
		id, seconds := fmt.Sprint("msg_", number), fmt.Sprint(time.Now().Unix())
		request, err := http.NewRequest(http.MethodPost, listening.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = headers(id, seconds, signature(t, secret, id, seconds, []byte(body)))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var text strings.Builder
		if _, err := fmt.Fprint(&text, readAll(t, response)); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, strings.TrimSpace(text.String())
	}
}

func TestAnswersAndErrors(t *testing.T) {
	ask := server(t, func(ext *Extension) {
		ext.Program("double", func(_ context.Context, call *Call) (any, error) {
			var number int
			if err := call.Input(&number); err != nil {
				return nil, err
			}
			return number * 2, nil
		})
		ext.Program("panics", func(context.Context, *Call) (any, error) { panic("secret words") })
		ext.Program("fails", func(context.Context, *Call) (any, error) { return nil, fmt.Errorf("secret words") })
		ext.Program("late", func(ctx context.Context, _ *Call) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ext.Hook("quiet", func(context.Context, *Call, *HookCall) (*HookAnswer, error) { return nil, nil })
		ext.CheckConfig(func(_ context.Context, config json.RawMessage) []Problem {
			return []Problem{{Path: "/a", Message: string(config)}}
		})
	})
	asked := func(input string) string { return `{"protocol":1,"context":{"timeoutMs":50},"input":` + input + `}` }
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/oriel/v1/program/double", asked("21"), 200, `{"output":42}`},
		{"/oriel/v1/program/double", asked(`"x"`), 200, `{"error":{"code":"invalid-input"`},
		{"/oriel/v1/program/panics", asked("1"), 200, `{"error":{"code":"internal","message":"the extension failed"}}`},
		{"/oriel/v1/program/fails", asked("1"), 200, `{"error":{"code":"internal","message":"the extension failed"}}`},
		{"/oriel/v1/program/late", asked("1"), 200, `{"error":{"code":"deadline-exceeded"`},
		{"/oriel/v1/hook/quiet", asked(`{"hook":"h","kind":"filter","payload":1}`), 200, `{"output":null}`},
		{"/oriel/v1/health", `{"protocol":1,"input":null}`, 200, `{"output":{"healthy":true}}`},
		{"/oriel/v1/check-config", `{"protocol":1,"input":{}}`, 200, `{"output":{"problems":[{"path":"/a","message":"{}"}]}}`},
		{"/oriel/v1/program/unknown", asked("1"), 404, "there is nothing here"},
		{"/elsewhere", asked("1"), 404, "there is nothing here"},
		{"/oriel/v1/program/double", `{"protocol":2,"input":1}`, 400, "the request is not of protocol 1"},
		{"/oriel/v1/program/double", `nonsense`, 400, "the request is not of protocol 1"},
	} {
		status, body := ask(c.path, c.body)
		if status != c.status || !strings.HasPrefix(body, c.want) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, body)
		}
	}
}

func TestUnsignedRequestsReachNoFunction(t *testing.T) {
	ext := NewWith(verifier(t, secret))
	ext.MaxBody = 100
	ext.Program("never", func(context.Context, *Call) (any, error) { t.Error("it was called"); return nil, nil })
	for _, c := range []struct {
		method, body string
		want         int
	}{
		{"GET", "", 405},
		{"POST", `{"protocol":1,"input":1}`, 401},
		{"POST", strings.Repeat("x", 101), 413},
	} {
		recorder := httptest.NewRecorder()
		ext.ServeHTTP(recorder, httptest.NewRequest(c.method, "/oriel/v1/program/never", strings.NewReader(c.body)))
		if recorder.Code != c.want {
			t.Errorf("%s: %d", c.method, recorder.Code)
		}
	}
}

func TestEventsAreCloudEvents(t *testing.T) {
	var event Event
	data := `{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-02T03:04:05Z","trace":"x","data":{"cents":7}}`
	if err := json.Unmarshal([]byte(data), &event); err != nil {
		t.Fatal(err)
	}
	var refund struct {
		Cents   int    `json:"cents" required:"true"`
		Country string `json:"country" required:"true"`
	}
	err := event.Read(&refund)
	if event.Type != "t" || event.Attributes["trace"] != "x" || event.Time.Year() != 2026 || refund.Cents != 7 {
		t.Fatalf("%+v", event)
	}
	if err == nil || err.Error() != "invalid-input: `country` is missing" {
		t.Fatalf("%v", err)
	}
	if json.Unmarshal([]byte(`{"data_base64":"AQI="}`), &event) != nil || len(event.Binary) != 2 {
		t.Fatal("binary data")
	}
}

func TestHostCalls(t *testing.T) {
	var seen []string
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Path+" "+r.Header.Get("Authorization")+" "+readBody(t, r))
		switch r.URL.Path {
		case "/oriel/v1/host/key-value.get":
			fmt.Fprint(w, `{"output":{"value":"aGk=","version":3}}`)
		case "/oriel/v1/host/key-value.set":
			fmt.Fprint(w, `{"output":4}`)
		case "/oriel/v1/host/key-value.delete":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"code":"execution.denied","detail":"the grant does not cover key_value"}`)
		case "/oriel/v1/host/log.write":
			fmt.Fprint(w, `{"output":null}`)
		default:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}
	}))
	defer host.Close()
	client := NewWith(verifier(t, secret)).client
	ctx, calls := context.Background(), newHost(client, &callback{URL: host.URL + "/", Token: "orct_1"})
	if entry, err := calls.Get(ctx, "k"); err != nil || string(entry.Value) != "hi" || entry.Version != 3 {
		t.Fatal(entry, err)
	}
	if version, err := calls.Set(ctx, "k", nil, time.Second); err != nil || version != 4 {
		t.Fatal(version, err)
	}
	var known *Error
	if _, err := calls.Delete(ctx, "k"); err == nil || !asError(err, &known) || known.Code != Denied {
		t.Fatal(err)
	}
	if err := calls.Log(ctx, "info", "hello", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	if err := calls.Config(ctx, &struct{}{}); err == nil || seen[len(seen)-1] != `/oriel/v1/host/config.get Bearer orct_1 {}` {
		t.Fatal("a redirect was followed", err, seen)
	}
	if seen[1] != `/oriel/v1/host/key-value.set Bearer orct_1 {"key":"k","ttlMs":1000,"value":""}` {
		t.Fatal(seen[1])
	}
	if _, err := newHost(client, nil).Get(ctx, "k"); err == nil {
		t.Fatal("there is nowhere to call")
	}
}
