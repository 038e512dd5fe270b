#include "base/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace castool::base {

std::string_view word(Code code) {
  switch (code) {
    case Code::kUsage: return "usage";
    case Code::kNotFound: return "not_found";
    case Code::kUnauthorized: return "unauthorized";
    case Code::kGated: return "gated";
    case Code::kUnavailable: return "unavailable";
    case Code::kRateLimited: return "rate_limited";
    case Code::kDigestMismatch: return "digest_mismatch";
    case Code::kBadManifest: return "bad_manifest";
    case Code::kNoSpace: return "no_space";
    case Code::kQuota: return "quota";
    case Code::kStoreRefused:  // the contract has no word of its own for it
    case Code::kIo: return "io";
    case Code::kBusy: return "busy";
    case Code::kCancelled: return "cancelled";
    case Code::kUnsupported: return "unsupported";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

std::string Error::text() const { return hint.empty() ? message : message + " (" + hint + ")"; }

Error Error::in(std::string_view context) && {
  message.insert(0, ": ");
  message.insert(0, context);
  return std::move(*this);
}

Error make_error(Code code, std::string message, std::string hint) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  error.hint = std::move(hint);
  return error;
}

Error errno_error(int sys_errno, std::string_view what) {
  Error error;
  error.sys_errno = sys_errno;
  // generic_category().message is strerror without its shared buffer.
  error.message = std::string(what) + ": " + std::generic_category().message(sys_errno);
  switch (sys_errno) {
    case ENOSPC:
      error.code = Code::kNoSpace;
      error.hint = "free some space and run it again; what was fetched is kept";
      break;
    case EDQUOT:
      error.code = Code::kQuota;
      error.hint = "raise the disk quota or free some space";
      break;
    case EROFS:
    case EACCES:
    case EPERM: error.code = Code::kStoreRefused; break;
    default: error.code = Code::kIo; break;
  }
  return error;
}

}  // namespace castool::base
