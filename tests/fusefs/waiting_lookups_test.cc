#include "fusefs/waiting_lookups.h"

#include <cerrno>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/mutex.h"

namespace castool::fusefs {
namespace {

constexpr auto kLong = std::chrono::seconds(20);

// Answers when the test says so.
class SlowFinder final : public ModelFinder {
 public:
  void find(const manifest::Source&, Done done) override {
    const base::MutexLock lock(mutex_);
    asked_.push_back(std::move(done));
  }
  void answer_all(const base::Status& status) {
    std::vector<Done> asked;
    {
      const base::MutexLock lock(mutex_);
      asked.swap(asked_);
    }
    for (const Done& done : asked) done(status);
  }

 private:
  base::Mutex mutex_;
  std::vector<Done> asked_ CASTOOL_GUARDED_BY(mutex_);
};

class WaitingLookupsTest : public ::testing::Test {
 protected:
  struct Asked {
    WaitingLookups::Number number = 0;
    std::future<int> ended;  // the errno; 0: an entry, or none
  };
  Asked add() {
    auto promise = std::make_shared<std::promise<int>>();
    auto ended = promise->get_future();
    const auto number = lookups_->add(1, "model", [promise](const Answer<Entry>& answer) {
      promise->set_value(answer ? 0 : answer.error().value);
    });
    return {number, std::move(ended)};
  }
  static std::optional<int> get(Asked& asked) {
    if (asked.ended.wait_for(kLong) != std::future_status::ready) return std::nullopt;
    return asked.ended.get();
  }

  const manifest::Source source_ = manifest::parse_source("acme/model").value();
  base::SystemClock clock_;
  SlowFinder finder_;
  Gate gate_;
  std::optional<WaitingLookups> lookups_{
      std::in_place, finder_, [](NodeId, const std::string&) -> Answer<Entry> { return Entry(); },
      gate_, clock_};
};

TEST_F(WaitingLookupsTest, AbsentIsSaidWhenTheFinderSaysSo) {
  auto asked = add();
  lookups_->start(asked.number, source_);
  finder_.answer_all(base::make_error(base::Code::kNotFound, "no such model"));
  EXPECT_EQ(get(asked), 0);
}

TEST_F(WaitingLookupsTest, UnreachableIsAnError) {
  auto asked = add();
  lookups_->start(asked.number, source_);
  finder_.answer_all(base::make_error(base::Code::kUnavailable, "nobody answers"));
  EXPECT_EQ(get(asked), EIO);
}

TEST_F(WaitingLookupsTest, AnInterruptBetweenAddingAndStartingIsNotLost) {
  auto asked = add();
  lookups_->interrupt(asked.number);
  lookups_->start(asked.number, source_);
  EXPECT_EQ(get(asked), EINTR);
}

TEST_F(WaitingLookupsTest, ClosingEndsAllAndWhatComesLater) {
  auto begun = add();
  lookups_->start(begun.number, source_);
  auto added = add();
  lookups_->close();
  for (Asked* asked : {&begun, &added}) {
    ASSERT_EQ(asked->ended.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    EXPECT_EQ(get(*asked), EIO);
  }
  auto later = add();
  lookups_->start(later.number, source_);
  EXPECT_EQ(get(later), EIO);
  lookups_.reset();
  finder_.answer_all(base::ok());  // nobody waits any more
}

}  // namespace
}  // namespace castool::fusefs
