#include "tools/help_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/exit_status.h"

namespace castool::tools {
namespace {

using testing::HasSubstr;

TEST(HelpText, OfAnUnknownCommandIsEmpty) { EXPECT_EQ(command_help("frob").summary, ""); }

TEST(HelpText, NamesEveryExitStatus) {
  using base::Code;
  for (const Code code :
       {Code::kUsage, Code::kDigestMismatch, Code::kNotFound, Code::kUnavailable, Code::kNoSpace,
        Code::kIo, Code::kBusy, Code::kUnauthorized, Code::kCancelled, Code::kInternal}) {
    EXPECT_THAT(program_footer(), HasSubstr("  " + std::to_string(exit_status(code)) + "  "));
  }
}

}  // namespace
}  // namespace castool::tools
