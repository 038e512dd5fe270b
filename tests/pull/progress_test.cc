#include "pull/progress.h"

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "tests/pull/manual_clock.h"

namespace castool::pull {
namespace {

// What was told for each label, in order.
class Recorder final : public PullEvents {
 public:
  void on_status(const std::string&) override {}
  void on_progress(const std::string& label, const std::string&, std::uint64_t total,
                   std::uint64_t completed) override {
    EXPECT_LE(completed, total);
    told[label].push_back(completed);
  }
  std::map<std::string, std::vector<std::uint64_t>> told;
};

TEST(FileProgress, NeverGoesBackNorPastTheEnd) {
  FileProgress file("f", "", 100);
  file.raise_to(60);
  file.raise_to(40);
  EXPECT_EQ(file.completed(), 60u);
  file.raise_to(1000);
  EXPECT_EQ(file.completed(), 100u);
}

TEST(ProgressTicker, NamesEveryFileAtOnceAndSaysTheLastWord) {
  Recorder recorder;
  ManualClock clock;
  const auto begun = std::make_shared<FileProgress>("begun", "", 10);
  const auto empty = std::make_shared<FileProgress>("empty", "", 0);
  const auto waiting = std::make_shared<FileProgress>("waiting", "", 10);
  {
    const ProgressTicker ticker(recorder, {begun, empty, waiting}, clock);
    for (std::uint64_t i = 1; i <= 10; ++i) begun->raise_to(i);
  }
  EXPECT_EQ(recorder.told["begun"].front(), 0u);
  EXPECT_EQ(recorder.told["begun"].back(), 10u);
  EXPECT_TRUE(std::is_sorted(recorder.told["begun"].begin(), recorder.told["begun"].end()));
  EXPECT_EQ(recorder.told["empty"], std::vector<std::uint64_t>{0});
  EXPECT_EQ(recorder.told["waiting"], std::vector<std::uint64_t>{0});
}

}  // namespace
}  // namespace castool::pull
