using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading;
using System.Threading.Tasks;

namespace Oriel
{
    /// <summary>What a call knows about where it comes from. The server signs it: no caller can forge it.</summary>
    public sealed class CallContext
    {
        /// <summary>The tenant for which the call runs.</summary>
        public string Tenant { get; set; } = "";

        /// <summary>Who caused the call, when somebody did.</summary>
        public string? Principal { get; set; }

        /// <summary>The extension's own name.</summary>
        public string Extension { get; set; } = "";

        /// <summary>The running release's version.</summary>
        public string Version { get; set; } = "";

        /// <summary>This execution.</summary>
        public string ExecutionId { get; set; } = "";

        /// <summary>The task that the host called, when it called one.</summary>
        public string? Task { get; set; }

        /// <summary>The user of the host's product on whose behalf the call is made.</summary>
        public string? User { get; set; }

        /// <summary>W3C trace context of the caller.</summary>
        public string? Traceparent { get; set; }

        /// <summary>When the time is up, by the server's clock, in milliseconds since the Unix epoch.</summary>
        public long DeadlineMs { get; set; }

        /// <summary>Milliseconds that the call had when it was sent.</summary>
        public long TimeoutMs { get; set; }

        /// <summary>Whether nothing may be changed or sent.</summary>
        public bool DryRun { get; set; }

        /// <summary>The extension that made the call, when one did.</summary>
        public CallerExtension? Caller { get; set; }
    }

    /// <summary>An extension that makes a call.</summary>
    public sealed class CallerExtension
    {
        /// <summary>Its name.</summary>
        public string Extension { get; set; } = "";

        /// <summary>The version of its running release.</summary>
        public string Version { get; set; } = "";

        /// <summary>Who caused its own call.</summary>
        public string? Principal { get; set; }
    }

    /// <summary>One question to the extension.</summary>
    public sealed class Call
    {
        internal Call(string name, CallContext context, JsonElement? binding, IHost host)
        {
            Name = name;
            Context = context;
            this.binding = binding;
            Host = host;
        }

        private readonly JsonElement? binding;

        /// <summary>The contribution that is asked.</summary>
        public string Name { get; }

        /// <summary>On whose behalf.</summary>
        public CallContext Context { get; }

        /// <summary>Makes host calls, until the method has returned.</summary>
        public IHost Host { get; }

        /// <summary>The configuration of the binding by which the call came; a new <typeparamref name="T"/> when it has none.</summary>
        public T Binding<T>() where T : new() => binding is { } given ? Json.Read<T>(given) : new T();
    }

    /// <summary>An execution as validators and samplers see it.</summary>
    public sealed class Execution
    {
        /// <summary>Its id.</summary>
        public string Id { get; set; } = "";

        /// <summary>The task, unless a program was called directly.</summary>
        public string? Task { get; set; }

        /// <summary>The extension that answered.</summary>
        public string Extension { get; set; } = "";

        /// <summary>Its version.</summary>
        public string Version { get; set; } = "";

        /// <summary>The program that answered.</summary>
        public string Program { get; set; } = "";

        /// <summary>The input.</summary>
        public JsonElement Input { get; set; }

        /// <summary>The output, when it succeeded.</summary>
        public JsonElement? Output { get; set; }

        /// <summary>Why it failed, if it did.</summary>
        public Failure? Failure { get; set; }

        /// <summary>When it started, in milliseconds since the Unix epoch.</summary>
        public long StartedMs { get; set; }

        /// <summary>How long it took, in microseconds.</summary>
        public long WallUs { get; set; }

        /// <summary>Time that guest code ran, in microseconds; 0 of a remote extension, of which nobody knows.</summary>
        public long GuestCpuUs { get; set; }
    }

    /// <summary>Why an execution failed.</summary>
    public sealed class Failure
    {
        /// <summary>Stable code, such as <c>execution.timeout</c>.</summary>
        public string Code { get; set; } = "";

        /// <summary>For people.</summary>
        public string Message { get; set; } = "";
    }

    /// <summary>What a validator judges.</summary>
    public sealed class Subject
    {
        /// <summary>The execution.</summary>
        public Execution Execution { get; set; } = new Execution();

        /// <summary>JSON Schema of the task's input.</summary>
        public JsonElement? InputSchema { get; set; }

        /// <summary>JSON Schema of the task's output.</summary>
        public JsonElement? OutputSchema { get; set; }

        /// <summary>What should have come out, where somebody knows.</summary>
        public JsonElement? ExpectedOutput { get; set; }
    }

    /// <summary>A judgement.</summary>
    public sealed class Verdict
    {
        /// <summary>Whether it is valid.</summary>
        public bool Valid { get; set; }

        /// <summary>How good it is, from 0 to 1.</summary>
        public double? Score { get; set; }

        /// <summary>One line for people.</summary>
        public string? Message { get; set; }

        /// <summary>Whatever the reader may want to know.</summary>
        public object? Details { get; set; }

        /// <summary>It is as it should be.</summary>
        public static Verdict Ok(double? score = null) => new Verdict { Valid = true, Score = score };

        /// <summary>It is not.</summary>
        public static Verdict Bad(string message, object? details = null) => new Verdict { Message = message, Details = details };
    }

    /// <summary>What a sampler has seen of the task so far.</summary>
    public sealed class History
    {
        /// <summary>When an execution was last sampled, in milliseconds since the Unix epoch.</summary>
        public long? LastSampleMs { get; set; }

        /// <summary>Executions seen.</summary>
        public long Seen { get; set; }

        /// <summary>Executions sampled.</summary>
        public long Sampled { get; set; }

        /// <summary>Executions since the last sampled one.</summary>
        public long SinceLast { get; set; }
    }

    /// <summary>A sampler's answer.</summary>
    public sealed class Choice
    {
        /// <summary>Whether the execution is looked at.</summary>
        public bool Sample { get; set; }

        /// <summary>A word or two for people.</summary>
        public string? Reason { get; set; }

        /// <summary>It is not looked at.</summary>
        public static Choice No => new Choice();

        /// <summary>It is looked at.</summary>
        public static Choice Yes(string reason) => new Choice { Sample = true, Reason = reason };
    }

    /// <summary>A CloudEvent 1.0.</summary>
    public sealed class Event
    {
        /// <summary>Its id.</summary>
        public string Id { get; set; } = "";

        /// <summary>Where it comes from.</summary>
        public string Source { get; set; } = "";

        /// <summary>What happened.</summary>
        public string Type { get; set; } = "";

        /// <summary>About what.</summary>
        public string? Subject { get; set; }

        /// <summary>When.</summary>
        public DateTimeOffset? Time { get; set; }

        /// <summary>The media type of the data.</summary>
        [JsonPropertyName("datacontenttype")]
        public string? DataContentType { get; set; }

        /// <summary>The schema of the data.</summary>
        [JsonPropertyName("dataschema")]
        public string? DataSchema { get; set; }

        /// <summary>The data as JSON; of text it is a JSON string.</summary>
        public JsonElement? Data { get; set; }

        /// <summary>The data when it is neither JSON nor text, in Base64.</summary>
        [JsonPropertyName("data_base64")]
        public byte[]? Binary { get; set; }

        /// <summary>The version of CloudEvents and extension attributes.</summary>
        [JsonExtensionData]
        public Dictionary<string, JsonElement> Attributes { get; set; } = new Dictionary<string, JsonElement>();

        /// <summary>Reads the data.</summary>
        public T Read<T>() => Data is { } data ? Json.Read<T>(data) : throw OrielException.InvalidInput("the event has no data");
    }

    /// <summary>A hook that is fired.</summary>
    public sealed class HookCall
    {
        /// <summary>Its name.</summary>
        public string Hook { get; set; } = "";

        /// <summary><c>filter</c>, <c>validate</c>, <c>decide</c>, <c>collect</c> or <c>observe</c>.</summary>
        public string Kind { get; set; } = "";

        /// <summary>The payload.</summary>
        public JsonElement Payload { get; set; }

        /// <summary>Reads the payload.</summary>
        public T Read<T>() => Json.Read<T>(Payload);
    }

    /// <summary>What the hook's kind takes.</summary>
    public sealed class HookAnswer
    {
        private HookAnswer(string? member, object? value)
        {
            Member = member;
            Value = value;
        }

        internal string? Member { get; }

        internal object? Value { get; }

        /// <summary>The handler has nothing to add.</summary>
        public static HookAnswer Nothing => new HookAnswer(null, null);

        /// <summary>Of a filter: the payload that goes on.</summary>
        public static HookAnswer Payload(object? payload) => new HookAnswer("payload", payload);

        /// <summary>Of a check: its verdict.</summary>
        public static HookAnswer Verdict(Verdict verdict) => new HookAnswer("verdict", verdict);

        /// <summary>Its decision.</summary>
        public static HookAnswer Decision(object? decision) => new HookAnswer("decision", decision);

        /// <summary>What it collects.</summary>
        public static HookAnswer Item(object? item) => new HookAnswer("item", item);
    }

    /// <summary>One run of a job.</summary>
    public sealed class JobRun
    {
        /// <summary>What started it.</summary>
        public JobTrigger Trigger { get; set; } = new JobTrigger();

        /// <summary>Its input.</summary>
        public JsonElement Input { get; set; }

        /// <summary>1 for the first attempt.</summary>
        public int Attempt { get; set; }
    }

    /// <summary>What started a job.</summary>
    public sealed class JobTrigger
    {
        /// <summary><c>manual</c>, <c>schedule</c>, <c>event</c> or <c>queue</c>.</summary>
        public string Kind { get; set; } = "";

        /// <summary>The schedule's name.</summary>
        public string? Name { get; set; }

        /// <summary>The event's id.</summary>
        public string? Id { get; set; }
    }

    /// <summary>What the extension says of its health.</summary>
    public sealed class Health
    {
        /// <summary>Whether it believes that it can serve.</summary>
        public bool Healthy { get; set; } = true;

        /// <summary>One line for an administrator.</summary>
        public string? Detail { get; set; }
    }

    /// <summary>One thing that is wrong with a configuration.</summary>
    public sealed class ConfigProblem
    {
        /// <summary>JSON pointer into the configuration; empty for the whole.</summary>
        public string Path { get; set; } = "";

        /// <summary>What is wrong there.</summary>
        public string Message { get; set; } = "";
    }

    /// <summary>A function from JSON to JSON: what a task calls.</summary>
    public interface IProgram
    {
        /// <summary>Answers one call. The token is cancelled when the time is up or the server goes away.</summary>
        Task<object?> ExecuteAsync(Call call, JsonElement input, CancellationToken cancellation);
    }

    /// <summary>A judge of executions.</summary>
    public interface IValidatorPlugin
    {
        /// <summary>Judges one execution. An exception says that no verdict can be given.</summary>
        Task<Verdict> ValidateAsync(Call call, Subject subject, CancellationToken cancellation);
    }

    /// <summary>A chooser of the executions that are judged.</summary>
    public interface ISamplerPlugin
    {
        /// <summary>Chooses.</summary>
        Task<Choice> SampleAsync(Call call, Execution execution, History history, CancellationToken cancellation);
    }

    /// <summary>A taker of events.</summary>
    public interface IEventHandlerPlugin
    {
        /// <summary>Takes one event. An exception means that it is delivered again, unless it is the caller's mistake.</summary>
        Task HandleAsync(Call call, Event taken, CancellationToken cancellation);
    }

    /// <summary>An answer to hooks.</summary>
    public interface IHookPlugin
    {
        /// <summary>Answers one hook.</summary>
        Task<HookAnswer> FireAsync(Call call, HookCall hook, CancellationToken cancellation);
    }

    /// <summary>Work that somebody or something starts.</summary>
    public interface IJobPlugin
    {
        /// <summary>Does it once.</summary>
        Task<object?> RunAsync(Call call, JobRun run, CancellationToken cancellation);
    }

    /// <summary>Says how the extension is.</summary>
    public interface IHealthPlugin
    {
        /// <summary>Says it.</summary>
        Task<Health> CheckAsync(CancellationToken cancellation);
    }

    /// <summary>Judges a configuration before it takes effect; the manifest then says <c>lifecycle = true</c>.</summary>
    public interface IConfigPlugin
    {
        /// <summary>What is wrong with it.</summary>
        Task<IReadOnlyList<ConfigProblem>> CheckAsync(JsonElement config, CancellationToken cancellation);
    }
}
