using System.Text.Encodings.Web;
using System.Text.Json;

namespace Oriel
{
    /// <summary>JSON as the protocol has it: names in camel case.</summary>
    public static class Json
    {
        /// <summary>How everything is read and written.</summary>
        public static readonly JsonSerializerOptions Options = new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            IgnoreNullValues = true,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };

        /// <summary>Reads what the caller gave. What does not fit is the caller's mistake.</summary>
        public static T Read<T>(JsonElement element)
        {
            try
            {
                var value = JsonSerializer.Deserialize<T>(element.GetRawText(), Options);
                return value is null ? throw OrielException.InvalidInput("it is null") : value;
            }
            catch (JsonException error)
            {
                throw OrielException.InvalidInput(error.Message);
            }
        }

        /// <summary>A member that must be there.</summary>
        public static JsonElement Member(JsonElement of, string name)
        {
            if (of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null)
            {
                return member;
            }
            throw OrielException.InvalidInput($"`{name}` is missing");
        }
    }
}
