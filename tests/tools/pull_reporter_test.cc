#include "tools/pull_reporter.h"

#include <gtest/gtest.h>

namespace castool::tools {
namespace {

TEST(SuccessLine, SaysWhatCameAndFromWhere) {
  pull::PullOutcome outcome;
  outcome.name = "acme/x";
  outcome.files = 312;
  outcome.bytes = 1181116006;
  outcome.bytes_fetched = 1ull << 30;
  outcome.bytes_reused = 12 << 20;
  outcome.seconds = 3.14;
  EXPECT_EQ(success_line(outcome),
            "acme/x: 312 files, 1.1 GiB (fetched 1.0 GiB, reused 12.0 MiB) in 3.1 s, sha256:" +
                std::string(64, '0'));
  outcome.files = 1;
  EXPECT_EQ(success_line(outcome).substr(0, 16), "acme/x: 1 file, ");
}

}  // namespace
}  // namespace castool::tools
