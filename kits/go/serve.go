package oriel

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// prefix is where the protocol's paths begin.
const prefix = "/oriel/v1/"

// New makes an extension that knows its server by the secrets in ORIEL_SECRET, separated by spaces. It panics without one: a service
// that answers anybody is no choice.
func New() *Extension {
	verifier, err := NewVerifier(strings.Fields(os.Getenv("ORIEL_SECRET"))...)
	if err != nil {
		panic(err.Error() + " in ORIEL_SECRET")
	}
	return NewWith(verifier)
}

// NewWith makes an extension that knows its server by this verifier.
func NewWith(verifier *Verifier) *Extension {
	return &Extension{
		verifier: verifier,
		// Nobody sends the server's token anywhere else because of a redirect.
		client: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second},
		},
		answers: map[string]answerer{},
		MaxBody: 16 << 20,
		Logf:    log.Printf,
	}
}

// ServeHTTP answers the server. Mount it at the root, or behind http.StripPrefix.
func (e *Extension) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok || !e.knows(path) {
		http.Error(w, "there is nothing here", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only POST is answered", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, e.MaxBody))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	if err := e.verifier.Verify(r.Header, body); err != nil {
		status := http.StatusUnauthorized
		if errors.Is(err, ErrReplay) {
			status = http.StatusConflict
		}
		http.Error(w, err.Error(), status)
		return
	}
	var asked question
	if err := json.Unmarshal(body, &asked); err != nil || asked.Protocol != Protocol {
		http.Error(w, "the request is not of protocol 1", http.StatusBadRequest)
		return
	}
	ctx, cancel := r.Context(), context.CancelFunc(func() {})
	if asked.Context.TimeoutMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(asked.Context.TimeoutMs)*time.Millisecond)
	}
	defer cancel()
	output, err := e.run(ctx, path, &asked)
	e.reply(w, path, ctx, output, err)
}

func (e *Extension) knows(path string) bool {
	_, there := e.answers[path]
	return there || path == "health" || path == "check-config"
}

func (e *Extension) reply(w http.ResponseWriter, path string, ctx context.Context, output any, err error) {
	var body []byte
	if err == nil {
		body, err = json.Marshal(map[string]any{"output": output})
	}
	if err != nil {
		body, err = json.Marshal(map[string]any{"error": e.failure(path, ctx, err)})
	}
	if err != nil {
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// ListenAndServe serves at ORIEL_LISTEN, `:8080` unless set, until the process is told to end.
func (e *Extension) ListenAndServe() error {
	address := os.Getenv("ORIEL_LISTEN")
	if address == "" {
		address = ":8080"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second}
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		<-told.Done()
		// Calls that are under way are answered first.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		ended <- server.Shutdown(ctx)
	}()
	e.Logf("oriel: listening on %s", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
