using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Oriel;

namespace Orders
{
    /// <summary>Rules of an order desk, as a service. All money is in cents.</summary>
    internal static class Program
    {
        private static void Main() => Extension.FromEnvironment()
            .Hook("add-tax", new AddTax())
            .Hook("not-too-many", new NotTooMany())
            .Validator("adds-up", new AddsUp())
            .Sampler("large-orders", new LargeOrders())
            .EventHandler("count-refund", new CountRefund())
            .Job("refund-report", new RefundReport())
            .Run();
    }

    internal sealed class AddTax : IHookPlugin
    {
        private sealed class Config
        {
            public Dictionary<string, long> Rates { get; set; } = new Dictionary<string, long>();
        }

        public Task<HookAnswer> FireAsync(Call call, HookCall hook, CancellationToken cancellation)
        {
            var order = hook.Payload;
            var country = Json.Read<string>(Json.Member(order, "country"));
            long net = 0;
            foreach (var line in Json.Read<List<JsonElement>>(Json.Member(order, "lines")))
            {
                net += Json.Read<long>(Json.Member(line, "cents")) * Json.Read<long>(Json.Member(line, "quantity"));
            }
            call.Binding<Config>().Rates.TryGetValue(country, out var rate);
            var tax = (net * rate + 50) / 100;
            // What this extension knows nothing of goes on as it came.
            var priced = order.EnumerateObject().ToDictionary(member => member.Name, member => (object)member.Value);
            priced["net"] = net;
            priced["tax"] = tax;
            priced["gross"] = net + tax;
            return Task.FromResult(HookAnswer.Payload(priced));
        }
    }

    internal sealed class NotTooMany : IHookPlugin
    {
        private sealed class Config
        {
            public int Most { get; set; } = 100;
        }

        public Task<HookAnswer> FireAsync(Call call, HookCall hook, CancellationToken cancellation)
        {
            var most = call.Binding<Config>().Most;
            var lines = Json.Read<List<JsonElement>>(Json.Member(hook.Payload, "lines")).Count;
            var verdict = lines == 0 ? Verdict.Bad("the order is empty")
                : lines > most ? Verdict.Bad($"{lines} lines are more than {most}")
                : Verdict.Ok();
            return Task.FromResult(HookAnswer.Verdict(verdict));
        }
    }

    internal sealed class AddsUp : IValidatorPlugin
    {
        private sealed class Sums
        {
            public long Net { get; set; }

            public long Tax { get; set; }

            public long Gross { get; set; }
        }

        public Task<Verdict> ValidateAsync(Call call, Subject subject, CancellationToken cancellation)
        {
            var execution = subject.Execution;
            if (execution.Failure != null)
            {
                throw OrielException.InvalidInput($"the execution failed: {execution.Failure.Code}");
            }
            var sums = Json.Read<Sums>(execution.Output ?? throw OrielException.InvalidInput("there is no output"));
            var difference = sums.Gross - sums.Net - sums.Tax;
            return Task.FromResult(difference == 0
                ? Verdict.Ok(1)
                : Verdict.Bad($"gross is off by {difference}", new Dictionary<string, long> { ["difference"] = difference }));
        }
    }

    internal sealed class LargeOrders : ISamplerPlugin
    {
        private sealed class Config
        {
            public long From { get; set; } = 100_000;
        }

        public Task<Choice> SampleAsync(Call call, Execution execution, History history, CancellationToken cancellation)
        {
            var from = call.Binding<Config>().From;
            var large = execution.Output is { ValueKind: JsonValueKind.Object } output
                && output.TryGetProperty("gross", out var gross)
                && gross.TryGetInt64(out var cents)
                && cents >= from;
            return Task.FromResult(large ? Choice.Yes("large") : history.SinceLast + 1 >= 100 ? Choice.Yes("its turn") : Choice.No);
        }
    }

    internal sealed class CountRefund : IEventHandlerPlugin
    {
        public async Task HandleAsync(Call call, Event taken, CancellationToken cancellation)
        {
            var refund = taken.Read<JsonElement>();
            var country = Json.Read<string>(Json.Member(refund, "country"));
            await call.Host.IncrementAsync("refunds:" + country, Json.Read<long>(Json.Member(refund, "cents")), null, cancellation);
            var fields = new Dictionary<string, string> { ["order"] = taken.Subject ?? "" };
            await call.Host.LogAsync("info", "refund counted", fields, cancellation);
        }
    }

    internal sealed class RefundReport : IJobPlugin
    {
        public async Task<object?> RunAsync(Call call, JobRun run, CancellationToken cancellation)
        {
            const string Prefix = "refunds:";
            var countries = new Dictionary<string, long>();
            foreach (var key in await call.Host.KeysAsync(Prefix, cancellation))
            {
                if (await call.Host.GetAsync(key, cancellation) is { } entry)
                {
                    var cents = long.Parse(Encoding.UTF8.GetString(entry.Value), CultureInfo.InvariantCulture);
                    countries[key.Substring(Prefix.Length)] = cents;
                }
            }
            return new Dictionary<string, object> { ["total"] = countries.Values.Sum(), ["countries"] = countries };
        }
    }
}
