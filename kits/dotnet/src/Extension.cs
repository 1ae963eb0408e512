using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Oriel
{
    /// <summary>
    /// A remote extension, served with ASP.NET Core. Add contributions, then <see cref="Run()"/> it, or mount <see cref="HandleAsync"/> in
    /// an application of your own.
    /// </summary>
    public sealed class Extension
    {
        private const string Prefix = "/oriel/v1/";
        private const int Protocol = 1;

        private delegate Task<object?> Answer(Call call, JsonElement input, CancellationToken cancellation);

        private readonly Verifier verifier;
        private readonly HttpClient client = HttpHost.Client();
        private readonly Dictionary<string, Answer> answers = new Dictionary<string, Answer>();
        private IHealthPlugin? health;
        private IConfigPlugin? config;

        /// <summary>An extension that knows its server by this verifier.</summary>
        public Extension(Verifier verifier)
        {
            this.verifier = verifier;
        }

        /// <summary>An extension that knows its server by the secrets in <c>ORIEL_SECRET</c>, separated by spaces.</summary>
        public static Extension FromEnvironment()
        {
            var secrets = Environment.GetEnvironmentVariable("ORIEL_SECRET") ?? "";
            return new Extension(new Verifier(secrets.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        }

        /// <summary>The longest request that is read, in bytes.</summary>
        public int MaxBody { get; set; } = 16 << 20;

        /// <summary>Is told of failures that callers do not see.</summary>
        public Action<string, Exception> Failed { get; set; } = (path, error) => Console.Error.WriteLine($"oriel: {path} failed: {error}");

        private Extension Add(string kind, string name, Answer answer)
        {
            if (!answers.TryAdd(kind + "/" + name, answer))
            {
                throw new ArgumentException($"there is another {kind} `{name}`", nameof(name));
            }
            return this;
        }

        /// <summary>Adds a program.</summary>
        public Extension Program(string name, IProgram program) => Add("program", name, program.ExecuteAsync);

        /// <summary>Adds a validator.</summary>
        public Extension Validator(string name, IValidatorPlugin validator) =>
            Add("validator", name, async (call, input, cancellation) =>
                await validator.ValidateAsync(call, Json.Read<Subject>(input), cancellation));

        /// <summary>Adds a sampler.</summary>
        public Extension Sampler(string name, ISamplerPlugin sampler) =>
            Add("sampler", name, async (call, input, cancellation) =>
            {
                var execution = Json.Read<Execution>(Json.Member(input, "execution"));
                var history = Json.Read<History>(Json.Member(input, "history"));
                return await sampler.SampleAsync(call, execution, history, cancellation);
            });

        /// <summary>Adds an event handler.</summary>
        public Extension EventHandler(string name, IEventHandlerPlugin handler) =>
            Add("event-handler", name, async (call, input, cancellation) =>
            {
                await handler.HandleAsync(call, Json.Read<Event>(input), cancellation);
                return null;
            });

        /// <summary>Adds a hook handler.</summary>
        public Extension Hook(string name, IHookPlugin hook) =>
            Add("hook", name, async (call, input, cancellation) =>
            {
                var answer = await hook.FireAsync(call, Json.Read<HookCall>(input), cancellation);
                return answer.Member == null ? null : new Dictionary<string, object?> { [answer.Member] = answer.Value };
            });

        /// <summary>Adds a job.</summary>
        public Extension Job(string name, IJobPlugin job) =>
            Add("job", name, (call, input, cancellation) => job.RunAsync(call, Json.Read<JobRun>(input), cancellation));

        /// <summary>Sets what says how the extension is; without it, it is healthy as long as it answers.</summary>
        public Extension Health(IHealthPlugin plugin)
        {
            health = plugin;
            return this;
        }

        /// <summary>Sets what judges configurations.</summary>
        public Extension Config(IConfigPlugin plugin)
        {
            config = plugin;
            return this;
        }

        /// <summary>Answers one request of the server.</summary>
        public async Task HandleAsync(HttpContext http)
        {
            var path = http.Request.Path.Value ?? "";
            path = path.StartsWith(Prefix, StringComparison.Ordinal) ? path.Substring(Prefix.Length) : "";
            if (path != "health" && path != "check-config" && !answers.ContainsKey(path))
            {
                await Refuse(http, HttpStatusCode.NotFound, "there is nothing here");
                return;
            }
            if (!HttpMethods.IsPost(http.Request.Method))
            {
                http.Response.Headers["Allow"] = "POST";
                await Refuse(http, HttpStatusCode.MethodNotAllowed, "only POST is answered");
                return;
            }
            var body = await Read(http);
            if (body == null)
            {
                await Refuse(http, HttpStatusCode.RequestEntityTooLarge, "the body is too long");
                return;
            }
            var headers = http.Request.Headers;
            var verified = verifier.Verify(headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"], body);
            if (verified != Verification.Good)
            {
                var status = verified == Verification.Replay ? HttpStatusCode.Conflict : HttpStatusCode.Unauthorized;
                await Refuse(http, status, "the request is not the server's, or not new");
                return;
            }
            if (!(Question(body) is { } question))
            {
                await Refuse(http, HttpStatusCode.BadRequest, "the request is not of protocol 1");
                return;
            }
            await Reply(http, await Ask(path, question, http.RequestAborted));
        }

        /// <summary>The body, unless it is too long.</summary>
        private async Task<byte[]?> Read(HttpContext http)
        {
            // The limit is this extension's, not the web server's.
            if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            {
                size.MaxRequestBodySize = null;
            }
            if (http.Request.ContentLength > MaxBody)
            {
                return null;
            }
            var whole = new MemoryStream();
            var buffer = new byte[64 << 10];
            int count;
            while ((count = await http.Request.Body.ReadAsync(buffer, 0, buffer.Length, http.RequestAborted)) > 0)
            {
                if (whole.Length + count > MaxBody)
                {
                    return null;
                }
                whole.Write(buffer, 0, count);
            }
            return whole.ToArray();
        }

        private static JsonElement? Question(byte[] body)
        {
            try
            {
                using var document = JsonDocument.Parse(body);
                var root = document.RootElement;
                var fits = root.ValueKind == JsonValueKind.Object
                    && root.TryGetProperty("protocol", out var protocol)
                    && protocol.ValueKind == JsonValueKind.Number
                    && protocol.TryGetInt32(out var version)
                    && version == Protocol
                    && root.TryGetProperty("input", out _);
                return fits ? root.Clone() : (JsonElement?)null;
            }
            catch (JsonException)
            {
                return null;
            }
        }

        private async Task<Dictionary<string, object?>> Ask(string path, JsonElement question, CancellationToken gone)
        {
            using var time = CancellationTokenSource.CreateLinkedTokenSource(gone);
            try
            {
                return new Dictionary<string, object?> { ["output"] = await Perform(path, question, time) };
            }
            catch (OrielException error)
            {
                return Error(error);
            }
            catch (OperationCanceledException) when (time.IsCancellationRequested)
            {
                return Error(new OrielException(ErrorCode.DeadlineExceeded, "the deadline passed"));
            }
            catch (Exception error)
            {
                Failed(path, error);
                return Error(new OrielException(ErrorCode.Internal, "the extension failed"));
            }
        }

        private static Dictionary<string, object?> Error(OrielException error) => new Dictionary<string, object?>
        {
            ["error"] = new Dictionary<string, string> { ["code"] = error.Word, ["message"] = error.Message },
        };

        private async Task<object?> Perform(string path, JsonElement question, CancellationTokenSource time)
        {
            var input = question.GetProperty("input");
            if (path == "health")
            {
                return health == null ? new Health() : await health.CheckAsync(time.Token);
            }
            if (path == "check-config")
            {
                var problems = config == null ? Array.Empty<ConfigProblem>() : await config.CheckAsync(input, time.Token);
                return new Dictionary<string, object> { ["problems"] = problems };
            }
            var context = question.TryGetProperty("context", out var given) ? Json.Read<CallContext>(given) : new CallContext();
            if (context.TimeoutMs > 0)
            {
                time.CancelAfter(TimeSpan.FromMilliseconds(Math.Min(context.TimeoutMs, int.MaxValue)));
            }
            var binding = question.TryGetProperty("binding", out var bound) ? bound : (JsonElement?)null;
            string? url = null, token = null;
            if (question.TryGetProperty("callback", out var callback))
            {
                url = callback.GetProperty("url").GetString();
                token = callback.GetProperty("token").GetString();
            }
            var host = new HttpHost(client, url, token, time.Token);
            var call = new Call(path.Substring(path.IndexOf('/') + 1), context, binding, host);
            return await answers[path](call, input, time.Token);
        }

        private async Task Reply(HttpContext http, Dictionary<string, object?> reply)
        {
            // A null in a dictionary is written: `{"output":null}` is an answer.
            var body = JsonSerializer.SerializeToUtf8Bytes(reply, Json.Options);
            http.Response.ContentType = "application/json";
            http.Response.ContentLength = body.Length;
            await http.Response.Body.WriteAsync(body, 0, body.Length);
        }

        private static Task Refuse(HttpContext http, HttpStatusCode status, string words)
        {
            http.Response.StatusCode = (int)status;
            http.Response.ContentType = "text/plain; charset=utf-8";
            return http.Response.WriteAsync(words);
        }

        /// <summary>Serves at <c>ORIEL_LISTEN</c>, port 8080 of all addresses unless set, until the process is told to end.</summary>
        public void Run()
        {
            var address = Environment.GetEnvironmentVariable("ORIEL_LISTEN");
            Build(string.IsNullOrEmpty(address) ? "0.0.0.0:8080" : address!).Run();
        }

        /// <summary>A web server that is not started yet.</summary>
        public Microsoft.Extensions.Hosting.IHost Build(string address) => new HostBuilder()
            .ConfigureLogging(logging => logging.SetMinimumLevel(LogLevel.Warning).AddConsole())
            .ConfigureWebHost(web => web
                .UseKestrel(server => server.AddServerHeader = false)
                .UseUrls("http://" + address)
                .Configure(app => app.Run(HandleAsync)))
            .Build();
    }
}
