// What went wrong, as a value.
//
// One vocabulary for the whole program: the words of SPEC "errors" (what `--json` prints), and from
// them the exit status, the errno of a FUSE reply and the HTTP status, each translated in one
// place. Immutable after it was made; safe to copy between threads.
#pragma once

#include <string>
#include <string_view>

namespace castool::base {

enum class Code {
  kUsage,           // the caller's words are off: option, name, pattern
  kNotFound,        // the thing asked for does not exist, as far as we may know
  kUnauthorized,    // no or a wrong credential, disabled, blocked for legal reasons, proxy 407
  kGated,           // the account has to accept terms first
  kUnavailable,     // an origin cannot be reached or gave up answering sensibly
  kRateLimited,     // an origin asked us to slow down for longer than we wait
  kDigestMismatch,  // bytes or sizes that do not match their digest
  kBadManifest,     // a manifest or tree that breaks a limit or a rule
  kNoSpace,         // disk full
  kQuota,           // the file system's or the namespace's quota
  kStoreRefused,    // read-only, unwritable, unsafe or newer store
  kIo,              // the local disk failed
  kBusy,            // somebody else holds what we need
  kCancelled,       // interrupted by the user or by a stop request
  kUnsupported,     // understood, and not done here
  kInternal,        // a broken invariant of ours
};

// The fixed word of `{"error":{"code":WORD}}`.
[[nodiscard]] std::string_view word(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;  // "what went wrong: why", one line, no trailing full stop, no secret
  std::string hint;     // "what to do", or empty
  int sys_errno = 0;    // the errno behind it, or 0
  std::string digest;   // the blob concerned as "sha256:…", or empty
  std::string url;      // the address concerned with its secrets removed, or empty

  // "message (hint)": what a person reads after "castool: ".
  [[nodiscard]] std::string text() const;
  // The same error with "context: " put before the message.
  [[nodiscard]] Error in(std::string_view context) &&;
};

[[nodiscard]] Error make_error(Code code, std::string message, std::string hint = {});

// The error of a failed system call: ENOSPC, EDQUOT, EROFS and EACCES get codes of their own,
// everything else is kIo. `what` names the call's subject, e.g. "open /store/format".
[[nodiscard]] Error errno_error(int sys_errno, std::string_view what);

}  // namespace castool::base
