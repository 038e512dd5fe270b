#include "tools/exit_status.h"

#include <gtest/gtest.h>

namespace castool::tools {
namespace {

TEST(ExitStatus, IsTheContractsTable) {
  using base::Code;
  struct Case {
    Code code;
    int status;
  };
  for (const Case& c : {Case{Code::kUsage, 64},
                        {Code::kDigestMismatch, 65},
                        {Code::kBadManifest, 65},
                        {Code::kNotFound, 66},
                        {Code::kUnavailable, 69},
                        {Code::kRateLimited, 69},
                        {Code::kNoSpace, 73},
                        {Code::kQuota, 73},
                        {Code::kStoreRefused, 73},
                        {Code::kIo, 74},
                        {Code::kBusy, 75},
                        {Code::kUnauthorized, 77},
                        {Code::kGated, 77},
                        {Code::kCancelled, 130},
                        {Code::kUnsupported, 1},
                        {Code::kInternal, 1}}) {
    EXPECT_EQ(exit_status(c.code), c.status) << base::word(c.code);
  }
}

}  // namespace
}  // namespace castool::tools
