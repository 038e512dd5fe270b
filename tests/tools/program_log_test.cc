#include "tools/program_log.h"

#include <gtest/gtest.h>

#include "tests/tools/child_process.h"

namespace castool::tools {
namespace {

using base::LogLevel;

TEST(ProgramLog, WritesLinesToStandardError) {
  const auto ended = test::run_forked([] {
    ProgramLog log(LogLevel::kWarn);
    log.info("not this");
    log.warn("this: \x1b[1m");
    return 0;
  });
  EXPECT_EQ(ended.error, "castool: this: ?[1m\n");
  EXPECT_EQ(ended.out, "");
}

TEST(ProgramLog, WritesNoMoreThereOnceADaemon) {
  const auto ended = test::run_forked([] {
    ProgramLog log(LogLevel::kError);
    log.switch_to_syslog();
    log.warn("below the level, so not in syslog either");
    return log.enabled(LogLevel::kWarn) ? 1 : 0;
  });
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.error, "");
}

TEST(LeastLevel, FollowsTheOptions) {
  EXPECT_EQ(least_level(true, 0), LogLevel::kError);
  EXPECT_EQ(least_level(false, 0), LogLevel::kWarn);
  EXPECT_EQ(least_level(false, 1), LogLevel::kInfo);
  EXPECT_EQ(least_level(false, 2), LogLevel::kDebug);
}

}  // namespace
}  // namespace castool::tools
