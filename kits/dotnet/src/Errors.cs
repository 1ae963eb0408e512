using System;

namespace Oriel
{
    /// <summary>Why a call failed.</summary>
    public enum ErrorCode
    {
        /// <summary>The caller's input is wrong; the same input will fail again.</summary>
        InvalidInput,

        /// <summary>Something that the extension depends on failed; a retry may help.</summary>
        Unavailable,

        /// <summary>The grant does not cover what was asked.</summary>
        Denied,

        /// <summary>A limit was reached.</summary>
        LimitExceeded,

        /// <summary>The call's deadline passed.</summary>
        DeadlineExceeded,

        /// <summary>A fault of the side that answers.</summary>
        Internal,
    }

    /// <summary>An error that the caller may see. The text of any other exception is not shown to anybody.</summary>
    public sealed class OrielException : Exception
    {
        /// <summary>An error with its code and words.</summary>
        public OrielException(ErrorCode code, string message) : base(message)
        {
            Code = code;
        }

        /// <summary>Why.</summary>
        public ErrorCode Code { get; }

        internal string Word => Code switch
        {
            ErrorCode.InvalidInput => "invalid-input",
            ErrorCode.Unavailable => "unavailable",
            ErrorCode.Denied => "denied",
            ErrorCode.LimitExceeded => "limit-exceeded",
            ErrorCode.DeadlineExceeded => "deadline-exceeded",
            _ => "internal",
        };

        /// <summary>The caller's mistake.</summary>
        public static OrielException InvalidInput(string message) => new OrielException(ErrorCode.InvalidInput, message);
    }
}
