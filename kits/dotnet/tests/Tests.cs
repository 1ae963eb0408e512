using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Http;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Oriel;

/// <summary>A runner of its own: no package has to be fetched to test the kit.</summary>
internal static class Tests
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private static async Task<int> Main()
    {
        var tests = new (string Name, Func<Task> Run)[]
        {
            ("a known signature", AKnownSignature),
            ("what is not the server's is refused", WhatIsNotTheServersIsRefused),
            ("either secret will do while one is replaced", EitherSecretWillDo),
            ("of many at once one is answered", OfManyAtOnceOneIsAnswered),
            ("answers and errors", AnswersAndErrors),
            ("unsigned requests reach no method", UnsignedRequestsReachNoMethod),
            ("events are CloudEvents", EventsAreCloudEvents),
            ("host calls", HostCalls),
        };
        var failed = 0;
        foreach (var (name, run) in tests)
        {
            try
            {
                await run();
                Console.WriteLine($"ok      {name}");
            }
            catch (Exception error)
            {
                failed++;
                Console.WriteLine($"FAILED  {name}: {error}");
            }
        }
        Console.WriteLine($"{tests.Length - failed} of {tests.Length} tests passed");
        return failed == 0 ? 0 : 1;
    }

    private static void Is<T>(T actual, T wanted, string what = "")
    {
        if (!EqualityComparer<T>.Default.Equals(actual, wanted))
        {
            throw new Exception($"{what}: {actual}, not {wanted}");
        }
    }

    private static string Sign(string secret, string id, string seconds, string body)
    {
        using var mac = new HMACSHA256(Convert.FromBase64String(secret.Substring(6)));
        return "v1," + Convert.ToBase64String(mac.ComputeHash(Encoding.UTF8.GetBytes($"{id}.{seconds}.{body}")));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    // The example of the specification's reference libraries.
    private static Task AKnownSignature()
    {
        const string Id = "msg_p5jXN8AQM9LWM0D4loKWxJek", Seconds = "1614265330", Body = "{\"test\": 2432232314}";
        const string Known = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        Is(Sign(Secret, Id, Seconds, Body), Known);
        var verifier = new Verifier(new[] { Secret }, () => DateTimeOffset.FromUnixTimeSeconds(1614265330));
        Is(verifier.Verify(Id, Seconds, Known, Bytes(Body)), Verification.Good);
        Is(verifier.Verify(Id, Seconds, Known, Bytes(Body)), Verification.Replay);
        return Task.CompletedTask;
    }

    private static Task WhatIsNotTheServersIsRefused()
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
        string At(int away) => (now.ToUnixTimeSeconds() + away).ToString();
        const string Body = "{\"a\":1}";
        var other = "whsec_" + new string('A', 43) + "=";
        var far = (int)Verifier.Tolerance.TotalSeconds + 1;
        foreach (var (id, seconds, signature, body, wanted) in new[]
        {
            ("", At(0), Sign(Secret, "", At(0), Body), Body, Verification.Unsigned),
            ("a", "soon", Sign(Secret, "a", "soon", Body), Body, Verification.Unsigned),
            ("a", "99999999999999", Sign(Secret, "a", "99999999999999", Body), Body, Verification.Unsigned),
            (new string('x', 300), At(0), Sign(Secret, new string('x', 300), At(0), Body), Body, Verification.Unsigned),
            ("b", At(0), Sign(Secret, "b", At(0), Body), "{\"a\":2}", Verification.Signature),
            ("c", At(0), Sign(Secret, "d", At(0), Body), Body, Verification.Signature),
            ("e", At(1), Sign(Secret, "e", At(0), Body), Body, Verification.Signature),
            ("f", At(0), Sign(other, "f", At(0), Body), Body, Verification.Signature),
            ("g", At(0), Sign(Secret, "g", At(0), Body).Replace("v1,", "v1a,"), Body, Verification.Signature),
            ("h", At(0), "v1,%%%", Body, Verification.Signature),
            ("i", At(0), "", Body, Verification.Signature),
            ("j", At(-far), Sign(Secret, "j", At(-far), Body), Body, Verification.Time),
            ("k", At(far), Sign(Secret, "k", At(far), Body), Body, Verification.Time),
            ("l", At(1 - far), Sign(Secret, "l", At(1 - far), Body), Body, Verification.Good),
            ("m", At(0), "v1,AAAA v2,x " + Sign(Secret, "m", At(0), Body), Body, Verification.Good),
        })
        {
            Is(new Verifier(new[] { Secret }, () => now).Verify(id, seconds, signature, Bytes(body)), wanted, id);
        }
        Is(new Verifier(new[] { Secret }, () => now).Verify(null, null, null, Bytes(Body)), Verification.Unsigned);
        return Task.CompletedTask;
    }

    private static Task EitherSecretWillDo()
    {
        var newer = "whsec_" + new string('B', 43) + "=";
        var verifier = new Verifier(new[] { newer, Secret });
        var seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString();
        Is(verifier.Verify("a", seconds, Sign(Secret, "a", seconds, ""), Bytes("")), Verification.Good);
        Is(verifier.Verify("b", seconds, Sign(newer, "b", seconds, ""), Bytes("")), Verification.Good);
        foreach (var bad in new[] { new string[0], new[] { "" }, new[] { "whsec_" }, new[] { "whsec_AAAA" }, new[] { "whsec_***" }, new[] { Secret.Substring(6) } })
        {
            try
            {
                _ = new Verifier(bad);
            }
            catch (ArgumentException)
            {
                continue;
            }
            throw new Exception($"`{string.Join(' ', bad)}` is taken for a secret");
        }
        return Task.CompletedTask;
    }

    private static async Task OfManyAtOnceOneIsAnswered()
    {
        var verifier = new Verifier(new[] { Secret });
        var seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString();
        var signature = Sign(Secret, "once", seconds, "");
        var all = Enumerable.Range(0, 32).Select(_ => Task.Run(() => verifier.Verify("once", seconds, signature, Bytes(""))));
        Is((await Task.WhenAll(all)).Count(one => one == Verification.Good), 1);
    }

    private sealed class Double : IProgram
    {
        public Task<object?> ExecuteAsync(Call call, JsonElement input, CancellationToken cancellation) =>
            Task.FromResult<object?>(Json.Read<int>(input) * 2);
    }

    private sealed class Fails : IProgram
    {
        public Task<object?> ExecuteAsync(Call call, JsonElement input, CancellationToken cancellation) =>
            throw new InvalidOperationException("secret words");
    }

    private sealed class Late : IProgram
    {
        public async Task<object?> ExecuteAsync(Call call, JsonElement input, CancellationToken cancellation)
        {
            await Task.Delay(Timeout.Infinite, cancellation);
            return null;
        }
    }

    private sealed class Quiet : IHookPlugin
    {
        public Task<HookAnswer> FireAsync(Call call, HookCall hook, CancellationToken cancellation) => Task.FromResult(HookAnswer.Nothing);
    }

    private sealed class Counts : IProgram
    {
        public async Task<object?> ExecuteAsync(Call call, JsonElement input, CancellationToken cancellation) =>
            await call.Host.IncrementAsync("n", 2, null, cancellation);
    }

    private static readonly HttpClient Client = new HttpClient();

    private static string Address(Microsoft.Extensions.Hosting.IHost host) =>
        host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>().Addresses.First();

    /// <summary>Serves an extension for as long as the work takes.</summary>
    private static async Task Serving(Action<Extension> build, Func<Func<string, string, bool, Task<(int, string)>>, Task> work)
    {
        var extension = new Extension(new Verifier(new[] { Secret })) { Failed = (path, error) => { } };
        build(extension);
        using var host = extension.Build("127.0.0.1:0");
        await host.StartAsync();
        var number = 0;
        await work(async (path, body, signed) =>
        {
            var request = new HttpRequestMessage(HttpMethod.Post, Address(host) + path)
            {
                Content = new StringContent(body, Encoding.UTF8, "application/json"),
            };
            if (signed)
            {
                var id = $"msg_{++number}";
                var seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString();
                request.Headers.Add("webhook-id", id);
                request.Headers.Add("webhook-timestamp", seconds);
                request.Headers.Add("webhook-signature", Sign(Secret, id, seconds, body));
            }
            var response = await Client.SendAsync(request);
            return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
        });
        await host.StopAsync();
    }

    private static Task AnswersAndErrors() => Serving(
        extension => extension
            .Program("double", new Double())
            .Program("fails", new Fails())
            .Program("late", new Late())
            .Hook("quiet", new Quiet()),
        async ask =>
        {
            string Asked(string input) => "{\"protocol\":1,\"context\":{\"timeoutMs\":50},\"input\":" + input + "}";
            foreach (var (path, body, status, wanted) in new[]
            {
                ("/oriel/v1/program/double", Asked("21"), 200, "{\"output\":42}"),
                ("/oriel/v1/program/double", Asked("\"x\""), 200, "{\"error\":{\"code\":\"invalid-input\""),
                ("/oriel/v1/program/fails", Asked("1"), 200, "{\"error\":{\"code\":\"internal\",\"message\":\"the extension failed\"}}"),
                ("/oriel/v1/program/late", Asked("1"), 200, "{\"error\":{\"code\":\"deadline-exceeded\""),
                ("/oriel/v1/hook/quiet", Asked("{\"hook\":\"h\",\"kind\":\"filter\",\"payload\":1}"), 200, "{\"output\":null}"),
                ("/oriel/v1/health", "{\"protocol\":1,\"input\":null}", 200, "{\"output\":{\"healthy\":true}}"),
                ("/oriel/v1/check-config", "{\"protocol\":1,\"input\":{}}", 200, "{\"output\":{\"problems\":[]}}"),
                ("/oriel/v1/program/unknown", Asked("1"), 404, "there is nothing here"),
                ("/elsewhere", Asked("1"), 404, "there is nothing here"),
                ("/oriel/v1/program/double", "{\"protocol\":2,\"input\":1}", 400, "the request is not of protocol 1"),
                ("/oriel/v1/program/double", "nonsense", 400, "the request is not of protocol 1"),
            })
            {
                var (given, text) = await ask(path, body, true);
                Is(given, status, path);
                Is(text.StartsWith(wanted, StringComparison.Ordinal), true, $"{path}: {text}");
            }
        });

    private sealed class Never : IProgram
    {
        public Task<object?> ExecuteAsync(Call call, JsonElement input, CancellationToken cancellation) => throw new Exception("it was called");
    }

    private static Task UnsignedRequestsReachNoMethod() => Serving(
        extension => extension.Program("never", new Never()).MaxBody = 100,
        async ask =>
        {
            Is((await ask("/oriel/v1/program/never", "{\"protocol\":1,\"input\":1}", false)).Item1, 401);
            Is((await ask("/oriel/v1/program/never", new string('x', 101), false)).Item1, 413);
        });

    private static Task EventsAreCloudEvents()
    {
        using var document = JsonDocument.Parse(
            "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"time\":\"2026-01-02T03:04:05Z\",\"trace\":\"x\",\"data\":{\"cents\":7}}");
        var read = Json.Read<Event>(document.RootElement);
        Is(read.Type, "t");
        Is(read.Time?.Year, 2026);
        Is(read.Attributes["trace"].GetString(), "x");
        Is(Json.Read<long>(Json.Member(read.Read<JsonElement>(), "cents")), 7);
        try
        {
            Json.Member(read.Read<JsonElement>(), "country");
        }
        catch (OrielException error) when (error.Code == ErrorCode.InvalidInput && error.Message == "`country` is missing")
        {
            return Task.CompletedTask;
        }
        throw new Exception("a member that is missing is not told");
    }

    private static async Task HostCalls()
    {
        var seen = new List<string>();
        using var server = new HostBuilder()
            .ConfigureWebHost(web => web.UseKestrel().UseUrls("http://127.0.0.1:0").Configure(app => app.Run(async http =>
            {
                using var reader = new System.IO.StreamReader(http.Request.Body);
                seen.Add($"{http.Request.Path} {http.Request.Headers["Authorization"]} {await reader.ReadToEndAsync()}");
                if (seen.Count == 2)
                {
                    http.Response.StatusCode = 403;
                    await http.Response.WriteAsync("{\"code\":\"execution.denied\",\"detail\":\"no\"}");
                    return;
                }
                if (seen.Count == 3)
                {
                    http.Response.Redirect("/elsewhere");
                    return;
                }
                await http.Response.WriteAsync("{\"output\":7}");
            })))
            .Build();
        await server.StartAsync();
        await Serving(
            extension => extension.Program("counts", new Counts()),
            async ask =>
            {
                var callback = "\"callback\":{\"url\":\"" + Address(server) + "/\",\"token\":\"orct_1\"}";
                var asked = "{\"protocol\":1,\"context\":{}," + callback + ",\"input\":1}";
                Is((await ask("/oriel/v1/program/counts", asked, true)).Item2, "{\"output\":7}");
                Is(seen[0], "/oriel/v1/host/key-value.increment Bearer orct_1 {\"key\":\"n\",\"by\":2}");
                Is((await ask("/oriel/v1/program/counts", asked, true)).Item2, "{\"error\":{\"code\":\"denied\",\"message\":\"no\"}}");
                Is((await ask("/oriel/v1/program/counts", asked, true)).Item2.Contains("internal"), true, "a redirect was followed");
                Is(seen.Count, 3);
            });
        await server.StopAsync();
    }
}
