#include "tools/exit_status.h"

namespace castool::tools {

int exit_status(base::Code code) {
  using base::Code;
  switch (code) {
    case Code::kUsage: return 64;
    case Code::kDigestMismatch:
    case Code::kBadManifest: return 65;
    case Code::kNotFound: return 66;
    case Code::kUnavailable:
    case Code::kRateLimited: return 69;
    case Code::kNoSpace:
    case Code::kQuota:
    case Code::kStoreRefused: return 73;
    case Code::kIo: return 74;
    case Code::kBusy: return 75;
    case Code::kUnauthorized:
    case Code::kGated: return 77;
    case Code::kCancelled: return 130;
    case Code::kUnsupported:
    case Code::kInternal: return 1;
  }
  return 1;
}

}  // namespace castool::tools
