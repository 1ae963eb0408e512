using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace Oriel
{
    /// <summary>A value in the key-value store.</summary>
    public sealed class Entry
    {
        /// <summary>The value.</summary>
        public byte[] Value { get; set; } = Array.Empty<byte>();

        /// <summary>Grows with each write of its key.</summary>
        public long Version { get; set; }
    }

    /// <summary>
    /// Makes host calls for one call. The grant, quotas and limits of the extension hold; after the call's method has returned every
    /// one is denied.
    /// </summary>
    public interface IHost
    {
        /// <summary>Makes the host call <paramref name="function"/> (<c>key-value.get</c>), for functions that have no method here.</summary>
        Task<JsonElement> CallAsync(string function, object arguments, CancellationToken cancellation = default);

        /// <summary>Reads a value; null when there is none.</summary>
        Task<Entry?> GetAsync(string key, CancellationToken cancellation = default);

        /// <summary>Writes a value and answers its new version.</summary>
        Task<long> SetAsync(string key, byte[] value, TimeSpan? ttl = null, CancellationToken cancellation = default);

        /// <summary>Answers whether there was something to delete.</summary>
        Task<bool> DeleteAsync(string key, CancellationToken cancellation = default);

        /// <summary>
        /// Writes only if the value's version is <paramref name="expected"/> (null: only if there is none). Answers the new version, or
        /// null when another writer was faster.
        /// </summary>
        Task<long?> CompareAndSwapAsync(string key, long? expected, byte[] value, TimeSpan? ttl = null, CancellationToken cancellation = default);

        /// <summary>Adds to a decimal integer and answers the sum.</summary>
        Task<long> IncrementAsync(string key, long by, TimeSpan? ttl = null, CancellationToken cancellation = default);

        /// <summary>All keys that start with <paramref name="prefix"/>, in order.</summary>
        Task<IReadOnlyList<string>> KeysAsync(string prefix, CancellationToken cancellation = default);

        /// <summary>The installation's configuration.</summary>
        Task<T> ConfigAsync<T>(CancellationToken cancellation = default);

        /// <summary>Writes a line to the extension's log. Level is trace, debug, info, warn or error.</summary>
        Task LogAsync(string level, string message, IReadOnlyDictionary<string, string>? fields = null, CancellationToken cancellation = default);

        /// <summary>Adds to a counter that the server shows at <c>/metrics</c>.</summary>
        Task CountAsync(string name, double by = 1, IReadOnlyDictionary<string, string>? labels = null, CancellationToken cancellation = default);

        /// <summary>Counts a value into a histogram.</summary>
        Task RecordAsync(string name, double value, IReadOnlyDictionary<string, string>? labels = null, CancellationToken cancellation = default);

        /// <summary>Calls a program of another extension.</summary>
        Task<JsonElement> ExecuteAsync(string extension, string program, object? input, CancellationToken cancellation = default);
    }

    /// <summary>Host calls over HTTP.</summary>
    internal sealed class HttpHost : IHost
    {
        private static readonly Dictionary<string, ErrorCode> Codes = new Dictionary<string, ErrorCode>
        {
            ["request.invalid"] = ErrorCode.InvalidInput,
            ["remote.host_call_unknown"] = ErrorCode.InvalidInput,
            ["execution.denied"] = ErrorCode.Denied,
            ["remote.token_invalid"] = ErrorCode.Denied,
            ["execution.unavailable"] = ErrorCode.Unavailable,
            ["execution.limit_exceeded"] = ErrorCode.LimitExceeded,
            ["execution.host_calls_exceeded"] = ErrorCode.LimitExceeded,
            ["request.too_large"] = ErrorCode.LimitExceeded,
            ["execution.timeout"] = ErrorCode.DeadlineExceeded,
        };

        private readonly HttpClient client;
        private readonly string? url;
        private readonly string? token;
        private readonly CancellationToken over;

        internal HttpHost(HttpClient client, string? url, string? token, CancellationToken over)
        {
            this.client = client;
            this.url = url?.TrimEnd('/');
            this.token = token;
            this.over = over;
        }

        /// <summary>A client that sends the server's token nowhere else because of a redirect.</summary>
        internal static HttpClient Client() => new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = 64 << 20,
        };

        public async Task<JsonElement> CallAsync(string function, object arguments, CancellationToken cancellation = default)
        {
            if (url == null)
            {
                throw new OrielException(ErrorCode.Unavailable, "no host calls can be made here");
            }
            using var both = CancellationTokenSource.CreateLinkedTokenSource(over, cancellation);
            using var request = new HttpRequestMessage(HttpMethod.Post, url + "/oriel/v1/host/" + function);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(arguments, arguments.GetType(), Json.Options));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            try
            {
                using var response = await client.SendAsync(request, both.Token);
                var body = await response.Content.ReadAsByteArrayAsync();
                using var document = JsonDocument.Parse(body.Length == 0 ? Encoding.UTF8.GetBytes("{}") : body);
                var reply = document.RootElement.Clone();
                if (response.StatusCode == HttpStatusCode.OK && reply.TryGetProperty("output", out var output))
                {
                    return output;
                }
                var code = reply.TryGetProperty("code", out var given) && Codes.TryGetValue(given.GetString() ?? "", out var known)
                    ? known
                    : ErrorCode.Internal;
                throw new OrielException(code, reply.TryGetProperty("detail", out var detail) ? detail.GetString() ?? "" : "the host failed");
            }
            catch (HttpRequestException)
            {
                throw new OrielException(ErrorCode.Unavailable, "the server does not answer host calls");
            }
            catch (JsonException)
            {
                throw new OrielException(ErrorCode.Internal, "the server's reply is not JSON");
            }
        }

        private static Dictionary<string, object> Arguments(params (string Name, object? Value)[] members)
        {
            var arguments = new Dictionary<string, object>();
            foreach (var (name, value) in members)
            {
                if (value != null)
                {
                    arguments[name] = value;
                }
            }
            return arguments;
        }

        private static object? Ms(TimeSpan? ttl) => ttl is { } span ? (long)span.TotalMilliseconds : (object?)null;

        public async Task<Entry?> GetAsync(string key, CancellationToken cancellation = default)
        {
            var entry = await CallAsync("key-value.get", Arguments(("key", key)), cancellation);
            return entry.ValueKind == JsonValueKind.Null ? null : Json.Read<Entry>(entry);
        }

        public async Task<long> SetAsync(string key, byte[] value, TimeSpan? ttl = null, CancellationToken cancellation = default)
        {
            var arguments = Arguments(("key", key), ("value", value), ("ttlMs", Ms(ttl)));
            return (await CallAsync("key-value.set", arguments, cancellation)).GetInt64();
        }

        public async Task<bool> DeleteAsync(string key, CancellationToken cancellation = default) =>
            (await CallAsync("key-value.delete", Arguments(("key", key)), cancellation)).GetBoolean();

        public async Task<long?> CompareAndSwapAsync(
            string key, long? expected, byte[] value, TimeSpan? ttl = null, CancellationToken cancellation = default)
        {
            var arguments = Arguments(("key", key), ("expected", expected), ("value", value), ("ttlMs", Ms(ttl)));
            var version = await CallAsync("key-value.compare-and-swap", arguments, cancellation);
            return version.ValueKind == JsonValueKind.Null ? (long?)null : version.GetInt64();
        }

        public async Task<long> IncrementAsync(string key, long by, TimeSpan? ttl = null, CancellationToken cancellation = default)
        {
            var arguments = Arguments(("key", key), ("by", by), ("ttlMs", Ms(ttl)));
            return (await CallAsync("key-value.increment", arguments, cancellation)).GetInt64();
        }

        public async Task<IReadOnlyList<string>> KeysAsync(string prefix, CancellationToken cancellation = default)
        {
            var keys = new List<string>();
            string? cursor = null;
            do
            {
                var page = await CallAsync("key-value.list-keys", Arguments(("prefix", prefix), ("limit", 1000), ("cursor", cursor)), cancellation);
                foreach (var key in page.GetProperty("keys").EnumerateArray())
                {
                    keys.Add(key.GetString()!);
                }
                cursor = page.TryGetProperty("nextCursor", out var next) ? next.GetString() : null;
            }
            while (cursor != null);
            return keys;
        }

        public async Task<T> ConfigAsync<T>(CancellationToken cancellation = default) =>
            Json.Read<T>(await CallAsync("config.get", Arguments(), cancellation));

        public Task LogAsync(
            string level, string message, IReadOnlyDictionary<string, string>? fields = null, CancellationToken cancellation = default) =>
            CallAsync("log.write", Arguments(("level", level), ("message", message), ("fields", fields)), cancellation);

        public Task CountAsync(
            string name, double by = 1, IReadOnlyDictionary<string, string>? labels = null, CancellationToken cancellation = default) =>
            CallAsync("metrics.counter-add", Arguments(("name", name), ("value", by), ("labels", labels)), cancellation);

        public Task RecordAsync(
            string name, double value, IReadOnlyDictionary<string, string>? labels = null, CancellationToken cancellation = default) =>
            CallAsync("metrics.histogram-record", Arguments(("name", name), ("value", value), ("labels", labels)), cancellation);

        public Task<JsonElement> ExecuteAsync(string extension, string program, object? input, CancellationToken cancellation = default)
        {
            var arguments = Arguments(("extension", extension), ("program", program));
            // `null` is an input like any other.
            arguments["input"] = input ?? JsonDocument.Parse("null").RootElement;
            return CallAsync("call.execute", arguments, cancellation);
        }
    }
}
