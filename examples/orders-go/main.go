// Rules of an order desk, as a service. All money is in cents.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"strconv"
	"strings"

	oriel "oriel.dev/kit"
)

type line struct {
	Cents    int64 `json:"cents" required:"true"`
	Quantity int64 `json:"quantity" required:"true"`
}

type order struct {
	Country string `json:"country" required:"true"`
	Lines   []line `json:"lines" required:"true"`
}

func addTax(_ context.Context, call *oriel.Call, hook *oriel.HookCall) (*oriel.HookAnswer, error) {
	var config struct {
		Rates map[string]int64 `json:"rates"`
	}
	var given order
	// What this extension knows nothing of goes on as it came.
	var whole map[string]any
	if err := call.Binding(&config); err != nil {
		return nil, err
	}
	if err := hook.Read(&given); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(hook.Payload, &whole); err != nil {
		return nil, err
	}
	net := int64(0)
	for _, line := range given.Lines {
		net += line.Cents * line.Quantity
	}
	tax := (net*config.Rates[given.Country] + 50) / 100
	whole["net"], whole["tax"], whole["gross"] = net, tax, net+tax
	return &oriel.HookAnswer{Payload: whole}, nil
}

func notTooMany(_ context.Context, call *oriel.Call, hook *oriel.HookCall) (*oriel.HookAnswer, error) {
	config := struct {
		Most int `json:"most"`
	}{Most: 100}
	var given order
	if err := call.Binding(&config); err != nil {
		return nil, err
	}
	if err := hook.Read(&given); err != nil {
		return nil, err
	}
	verdict := oriel.Verdict{Valid: true}
	switch lines := len(given.Lines); {
	case lines == 0:
		verdict = oriel.Verdict{Message: "the order is empty"}
	case lines > config.Most:
		verdict = oriel.Verdict{Message: fmt.Sprintf("%d lines are more than %d", lines, config.Most)}
	}
	return &oriel.HookAnswer{Verdict: &verdict}, nil
}

func addsUp(_ context.Context, _ *oriel.Call, subject *oriel.Subject) (oriel.Verdict, error) {
	execution := subject.Execution
	if execution.Failure != nil {
		return oriel.Verdict{}, oriel.Errorf(oriel.InvalidInput, "the execution failed: %s", execution.Failure.Code)
	}
	var sums struct {
		Net, Tax, Gross int64
	}
	if len(execution.Output) == 0 {
		return oriel.Verdict{}, oriel.Errorf(oriel.InvalidInput, "there is no output")
	}
	if err := json.Unmarshal(execution.Output, &sums); err != nil {
		return oriel.Verdict{}, oriel.Errorf(oriel.InvalidInput, "%s", err)
	}
	if difference := sums.Gross - sums.Net - sums.Tax; difference != 0 {
		message := fmt.Sprintf("gross is off by %d", difference)
		return oriel.Verdict{Message: message, Details: map[string]int64{"difference": difference}}, nil
	}
	score := 1.0
	return oriel.Verdict{Valid: true, Score: &score}, nil
}

func largeOrders(_ context.Context, call *oriel.Call, execution *oriel.Execution, history oriel.History) (oriel.Choice, error) {
	config := struct {
		From int64 `json:"from"`
	}{From: 100_000}
	var output struct {
		Gross int64 `json:"gross"`
	}
	if err := call.Binding(&config); err != nil {
		return oriel.Choice{}, err
	}
	if len(execution.Output) > 0 && json.Unmarshal(execution.Output, &output) == nil && output.Gross >= config.From {
		return oriel.Choice{Sample: true, Reason: "large"}, nil
	}
	if history.SinceLast+1 >= 100 {
		return oriel.Choice{Sample: true, Reason: "its turn"}, nil
	}
	return oriel.Choice{}, nil
}

func countRefund(ctx context.Context, call *oriel.Call, event *oriel.Event) error {
	var refund struct {
		Country string `json:"country" required:"true"`
		Cents   int64  `json:"cents" required:"true"`
	}
	if err := event.Read(&refund); err != nil {
		return err
	}
	if _, err := call.Host.Increment(ctx, "refunds:"+refund.Country, refund.Cents, 0); err != nil {
		return err
	}
	return call.Host.Log(ctx, "info", "refund counted", map[string]string{"order": event.Subject})
}

func refundReport(ctx context.Context, call *oriel.Call, _ *oriel.JobRun) (any, error) {
	keys, err := call.Host.Keys(ctx, "refunds:")
	if err != nil {
		return nil, err
	}
	total, countries := int64(0), map[string]int64{}
	for _, key := range keys {
		entry, err := call.Host.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if entry == nil {
			continue
		}
		cents, err := strconv.ParseInt(string(entry.Value), 10, 64)
		if err != nil {
			return nil, err
		}
		countries[strings.TrimPrefix(key, "refunds:")] = cents
		total += cents
	}
	return map[string]any{"total": total, "countries": countries}, nil
}

func main() {
	orders := oriel.New()
	orders.Hook("add-tax", addTax)
	orders.Hook("not-too-many", notTooMany)
	orders.Validator("adds-up", addsUp)
	orders.Sampler("large-orders", largeOrders)
	orders.EventHandler("count-refund", countRefund)
	orders.Job("refund-report", refundReport)
	if err := orders.ListenAndServe(); err != nil {
		log.Fatal(err)
	}
}
