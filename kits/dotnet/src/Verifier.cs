using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

namespace Oriel
{
    /// <summary>What a look at a request's signature came to.</summary>
    public enum Verification
    {
        /// <summary>It is the server's, and new.</summary>
        Good,

        /// <summary>It is not signed as Standard Webhooks says.</summary>
        Unsigned,

        /// <summary>No signature is this service's.</summary>
        Signature,

        /// <summary>Its time is too far from this machine's.</summary>
        Time,

        /// <summary>It was seen before.</summary>
        Replay,
    }

    /// <summary>
    /// Checks signatures by the Standard Webhooks scheme (v1, HMAC-SHA256), and that no request is answered twice. Safe to use from many
    /// threads.
    /// </summary>
    public sealed class Verifier
    {
        /// <summary>How far a request's time may be from this machine's.</summary>
        public static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

        /// <summary>Ids remembered at once. Only requests that are signed count, so nobody but the server can fill it.</summary>
        private const int Most = 1 << 20;

        private readonly byte[][] keys;
        private readonly Func<DateTimeOffset> now;
        private readonly Dictionary<string, DateTimeOffset> seen = new Dictionary<string, DateTimeOffset>();
        private DateTimeOffset swept;

        /// <summary>
        /// Takes the secrets (<c>whsec_…</c>) of which one must have signed. While the server's secret is being replaced, there may be two.
        /// </summary>
        public Verifier(IEnumerable<string> secrets, Func<DateTimeOffset>? now = null)
        {
            keys = secrets.Select(Key).ToArray();
            if (keys.Length == 0)
            {
                throw new ArgumentException("there is no secret", nameof(secrets));
            }
            this.now = now ?? (() => DateTimeOffset.UtcNow);
        }

        private static byte[] Key(string secret)
        {
            const string Prefix = "whsec_";
            var text = secret.Trim();
            if (text.StartsWith(Prefix, StringComparison.Ordinal) && Decode(text.Substring(Prefix.Length)) is { } key
                && key.Length >= 24 && key.Length <= 64)
            {
                return key;
            }
            throw new ArgumentException("a secret is `whsec_` and 24 to 64 bytes in Base64", nameof(secret));
        }

        private static byte[]? Decode(string text)
        {
            try
            {
                return Convert.FromBase64String(text);
            }
            catch (FormatException)
            {
                return null;
            }
        }

        /// <summary>Says whether a request is to be answered, and remembers its id if it is.</summary>
        public Verification Verify(string? id, string? timestamp, string? signatures, byte[] body)
        {
            if (string.IsNullOrEmpty(id) || id!.Length > 256
                || !long.TryParse(timestamp, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds)
                || seconds < -62135596800 || seconds > 253402300799)
            {
                return Verification.Unsigned;
            }
            if (!IsSigned(id, timestamp!, signatures ?? "", body))
            {
                return Verification.Signature;
            }
            var at = now();
            if ((at - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > Tolerance)
            {
                return Verification.Time;
            }
            return Remember(id, at) ? Verification.Good : Verification.Replay;
        }

        private bool IsSigned(string id, string timestamp, string signatures, byte[] body)
        {
            var head = Encoding.UTF8.GetBytes(id + "." + timestamp + ".");
            var content = new byte[head.Length + body.Length];
            head.CopyTo(content, 0);
            body.CopyTo(content, head.Length);
            var good = false;
            foreach (var key in keys)
            {
                using var mac = new HMACSHA256(key);
                var wanted = mac.ComputeHash(content);
                foreach (var signature in signatures.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                {
                    if (signature.StartsWith("v1,", StringComparison.Ordinal) && Decode(signature.Substring(3)) is { } given)
                    {
                        // In constant time, and without an early end.
                        good |= CryptographicOperations.FixedTimeEquals(given, wanted);
                    }
                }
            }
            return good;
        }

        /// <summary>Ids are forgotten when their time alone would have them refused.</summary>
        private bool Remember(string id, DateTimeOffset at)
        {
            lock (seen)
            {
                if (at - swept > Tolerance || seen.Count >= Most)
                {
                    foreach (var old in seen.Where(entry => entry.Value < at).Select(entry => entry.Key).ToArray())
                    {
                        seen.Remove(old);
                    }
                    swept = at;
                }
                return seen.Count < Most && seen.TryAdd(id, at + 2 * Tolerance);
            }
        }
    }
}
