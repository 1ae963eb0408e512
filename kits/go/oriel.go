// Package oriel serves a remote extension of Oriel: programs, validators, samplers, event handlers, hooks and jobs that run as
// an HTTP service of your own.
//
// An [Extension] collects the functions, checks each request's signature, age and id, and answers over net/http:
//
//	ext := oriel.New()
//	ext.Program("classify", func(ctx context.Context, call *oriel.Call) (any, error) { … })
//	err := ext.ListenAndServe()
//
// Whatever the function returns is written as JSON. An [*Error] goes to the caller with its code; any other error is `internal`, and its
// text is not shown to anybody.
package oriel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Protocol is the version of the protocol that this package speaks.
const Protocol = 1

// Code says why a call failed.
type Code string

// The codes of the protocol.
const (
	InvalidInput     Code = "invalid-input"
	Unavailable      Code = "unavailable"
	Denied           Code = "denied"
	LimitExceeded    Code = "limit-exceeded"
	DeadlineExceeded Code = "deadline-exceeded"
	Internal         Code = "internal"
)

// Error is an error that the caller may see.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Errorf makes an [*Error].
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CallContext is what a call knows about where it comes from. The server signs it: no caller can forge it.
type CallContext struct {
	Tenant      string `json:"tenant"`
	Principal   string `json:"principal"`
	Extension   string `json:"extension"`
	Version     string `json:"version"`
	ExecutionID string `json:"executionId"`
	Task        string `json:"task"`
	// User is the user of the host's product on whose behalf the call is made.
	User        string  `json:"user"`
	Traceparent string  `json:"traceparent"`
	DeadlineMs  int64   `json:"deadlineMs"`
	TimeoutMs   int64   `json:"timeoutMs"`
	DryRun      bool    `json:"dryRun"`
	Caller      *Caller `json:"caller"`
}

// Caller is the extension that made a call, when one did.
type Caller struct {
	Extension string `json:"extension"`
	Version   string `json:"version"`
	Principal string `json:"principal"`
}

// Call is one question to the extension.
type Call struct {
	// Name is the contribution that is asked.
	Name string
	// Context says on whose behalf.
	Context CallContext
	// Host makes host calls, as long as the function has not returned.
	Host *Host

	binding json.RawMessage
	input   json.RawMessage
}

// Binding reads the configuration of the binding by which the call came.
func (c *Call) Binding(into any) error {
	if len(c.binding) == 0 {
		return nil
	}
	return read(c.binding, into)
}

// Input reads the input. What does not fit is the caller's mistake; so is a member that `into` has a tag `required:"true"`
// for and the input lacks.
func (c *Call) Input(into any) error { return read(c.input, into) }

func read(data json.RawMessage, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return Errorf(InvalidInput, "%s", err)
	}
	return required(data, into)
}

// Execution is an execution as validators and samplers see it.
type Execution struct {
	ID         string          `json:"id"`
	Task       string          `json:"task"`
	Extension  string          `json:"extension"`
	Version    string          `json:"version"`
	Program    string          `json:"program"`
	Input      json.RawMessage `json:"input"`
	Output     json.RawMessage `json:"output"`
	Failure    *Failure        `json:"failure"`
	StartedMs  int64           `json:"startedMs"`
	WallUs     int64           `json:"wallUs"`
	GuestCPUUs int64           `json:"guestCpuUs"`
}

// Failure is why an execution failed.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Subject is what a validator judges.
type Subject struct {
	Execution      Execution       `json:"execution"`
	InputSchema    json.RawMessage `json:"inputSchema"`
	OutputSchema   json.RawMessage `json:"outputSchema"`
	ExpectedOutput json.RawMessage `json:"expectedOutput"`
}

// Verdict is a judgement.
type Verdict struct {
	Valid   bool     `json:"valid"`
	Score   *float64 `json:"score,omitempty"`
	Message string   `json:"message,omitempty"`
	Details any      `json:"details,omitempty"`
}

// History is what a sampler has seen of the task so far.
type History struct {
	LastSampleMs *int64 `json:"lastSampleMs"`
	Seen         uint64 `json:"seen"`
	Sampled      uint64 `json:"sampled"`
	SinceLast    uint64 `json:"sinceLast"`
}

// Choice is a sampler's answer.
type Choice struct {
	Sample bool   `json:"sample"`
	Reason string `json:"reason,omitempty"`
}

// Event is a CloudEvent 1.0. Extension attributes are in Attributes.
type Event struct {
	ID              string
	Source          string
	Type            string
	Subject         string
	Time            time.Time
	DataContentType string
	DataSchema      string
	Attributes      map[string]string
	// Data is the event's data as JSON; of text it is a JSON string.
	Data json.RawMessage
	// Binary is the event's data when it is neither JSON nor text.
	Binary []byte
}

// Read reads the event's data.
func (e *Event) Read(into any) error {
	if len(e.Data) == 0 {
		return Errorf(InvalidInput, "the event has no data")
	}
	return read(e.Data, into)
}

// UnmarshalJSON reads the JSON format of CloudEvents.
func (e *Event) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	known := map[string]any{
		"id": &e.ID, "source": &e.Source, "type": &e.Type, "subject": &e.Subject, "time": &e.Time,
		"datacontenttype": &e.DataContentType, "dataschema": &e.DataSchema, "data": &e.Data, "data_base64": &e.Binary,
	}
	e.Attributes = map[string]string{}
	for name, value := range members {
		if into, ok := known[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		} else if name != "specversion" {
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			e.Attributes[name] = text
		}
	}
	return nil
}

// HookCall is a hook that is fired.
type HookCall struct {
	Hook    string          `json:"hook"`
	Kind    string          `json:"kind"`
	Payload json.RawMessage `json:"payload"`
}

// Read reads the payload.
func (h *HookCall) Read(into any) error { return read(h.Payload, into) }

// HookAnswer is what the hook's kind takes; nil says that the handler has nothing to add.
type HookAnswer struct {
	Payload  any      `json:"payload,omitempty"`
	Verdict  *Verdict `json:"verdict,omitempty"`
	Decision any      `json:"decision,omitempty"`
	Item     any      `json:"item,omitempty"`
}

// JobRun is one run of a job.
type JobRun struct {
	Trigger struct {
		// Kind is manual, schedule, event or queue.
		Kind string `json:"kind"`
		Name string `json:"name"`
		ID   string `json:"id"`
	} `json:"trigger"`
	Input   json.RawMessage `json:"input"`
	Attempt int             `json:"attempt"`
}

// Health is what the extension says of its health.
type Health struct {
	Healthy bool   `json:"healthy"`
	Detail  string `json:"detail,omitempty"`
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// answerer answers one question with what is written as its output.
type answerer func(context.Context, *Call) (any, error)

// Extension is a remote extension. Add functions first, then serve it; adding is not safe beside serving.
type Extension struct {
	verifier *Verifier
	client   *http.Client
	answers  map[string]answerer
	health   func(context.Context) Health
	check    func(context.Context, json.RawMessage) []Problem
	// MaxBody is the longest request that is read, in bytes; 16 MiB unless set.
	MaxBody int64
	// Logf is told of failures that callers do not see; log.Printf unless set.
	Logf func(format string, args ...any)
}

func (e *Extension) add(kind, name string, answer answerer) {
	key := kind + "/" + name
	if _, ok := e.answers[key]; ok {
		panic("oriel: " + key + " is there twice")
	}
	e.answers[key] = answer
}

// Program adds a program: a function from JSON to JSON.
func (e *Extension) Program(name string, run func(context.Context, *Call) (any, error)) {
	e.add("program", name, run)
}

// Validator adds a judge of executions.
func (e *Extension) Validator(name string, judge func(context.Context, *Call, *Subject) (Verdict, error)) {
	e.add("validator", name, func(ctx context.Context, call *Call) (any, error) {
		var subject Subject
		if err := call.Input(&subject); err != nil {
			return nil, err
		}
		return judge(ctx, call, &subject)
	})
}

// Sampler adds a chooser of the executions that are judged.
func (e *Extension) Sampler(name string, choose func(context.Context, *Call, *Execution, History) (Choice, error)) {
	e.add("sampler", name, func(ctx context.Context, call *Call) (any, error) {
		var seen struct {
			Execution Execution `json:"execution"`
			History   History   `json:"history"`
		}
		if err := call.Input(&seen); err != nil {
			return nil, err
		}
		return choose(ctx, call, &seen.Execution, seen.History)
	})
}

// EventHandler adds a taker of events. An error means that the event is delivered again, unless its code is invalid-input.
func (e *Extension) EventHandler(name string, handle func(context.Context, *Call, *Event) error) {
	e.add("event-handler", name, func(ctx context.Context, call *Call) (any, error) {
		var event Event
		if err := call.Input(&event); err != nil {
			return nil, err
		}
		return nil, handle(ctx, call, &event)
	})
}

// Hook adds a hook handler. A nil answer has nothing to add.
func (e *Extension) Hook(name string, fire func(context.Context, *Call, *HookCall) (*HookAnswer, error)) {
	e.add("hook", name, func(ctx context.Context, call *Call) (any, error) {
		var hook HookCall
		if err := call.Input(&hook); err != nil {
			return nil, err
		}
		answer, err := fire(ctx, call, &hook)
		if err != nil || answer == nil {
			return nil, err
		}
		return answer, nil
	})
}

// Job adds work that somebody or something starts.
func (e *Extension) Job(name string, run func(context.Context, *Call, *JobRun) (any, error)) {
	e.add("job", name, func(ctx context.Context, call *Call) (any, error) {
		var job JobRun
		if err := call.Input(&job); err != nil {
			return nil, err
		}
		return run(ctx, call, &job)
	})
}

// HealthCheck sets what answers when the server asks how the extension is; without it, it is healthy as long as it answers.
func (e *Extension) HealthCheck(check func(context.Context) Health) { e.health = check }

// CheckConfig sets what judges a configuration before it takes effect; the manifest then says `lifecycle = true`.
func (e *Extension) CheckConfig(check func(context.Context, json.RawMessage) []Problem) {
	e.check = check
}

// question is the body of a request.
type question struct {
	Protocol int             `json:"protocol"`
	Context  CallContext     `json:"context"`
	Binding  json.RawMessage `json:"binding"`
	Callback *callback       `json:"callback"`
	Input    json.RawMessage `json:"input"`
}

type callback struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// run answers a question. A panic is an error like any other.
func (e *Extension) run(ctx context.Context, path string, asked *question) (output any, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("%s panicked: %v", path, panicked)
		}
	}()
	switch path {
	case "health":
		if e.health == nil {
			return Health{Healthy: true}, nil
		}
		return e.health(ctx), nil
	case "check-config":
		problems := []Problem{}
		if e.check != nil {
			problems = append(problems, e.check(ctx, asked.Input)...)
		}
		return map[string]any{"problems": problems}, nil
	}
	call := &Call{Context: asked.Context, binding: asked.Binding, input: asked.Input}
	call.Host = newHost(e.client, asked.Callback)
	_, call.Name, _ = cut(path)
	return e.answers[path](ctx, call)
}

func cut(path string) (kind, name string, found bool) {
	before, after, found := bytes.Cut([]byte(path), []byte("/"))
	return string(before), string(after), found
}

// failure is what the caller sees of an error.
func (e *Extension) failure(path string, ctx context.Context, err error) *Error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return &Error{Code: DeadlineExceeded, Message: "the deadline passed"}
	}
	e.Logf("oriel: %s failed: %v", path, err)
	return &Error{Code: Internal, Message: "the extension failed"}
}
