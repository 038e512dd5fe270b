#include "fusefs/notifier.h"

#include <fcntl.h>

#include <atomic>
#include <future>
#include <vector>

#include <gtest/gtest.h>

#include "fusefs/fakes.h"
#include "fusefs/session_reads.h"

namespace castool::fusefs {
namespace {

class NotifierTest : public ::testing::Test {
 protected:
  using Code = base::Code;
  // Drops and waits for what came of it.
  std::future<base::Status> drop(Notifier& notifier, NodeId id) {
    const auto promise = std::make_shared<std::promise<base::Status>>();
    notifier.drop_pages(id, [promise](base::Status s) { promise->set_value(std::move(s)); });
    return promise->get_future();
  }
  testing::RecordingLog log_;
  base::SystemClock clock_;
};

TEST_F(NotifierTest, SendsInOrderAndSaysWhatCameOfIt) {
  std::vector<NodeId> sent;  // of the sending thread, read after stop()
  Notifier notifier(clock_, log_, [] { ADD_FAILURE() << "ended the connection"; });
  notifier.start([&](NodeId id) -> base::Status {
    sent.push_back(id);
    if (id == 2) return base::make_error(Code::kIo, "no");
    return base::ok();
  });
  auto one = drop(notifier, 1);
  auto two = drop(notifier, 2);
  auto three = drop(notifier, 3);
  EXPECT_TRUE(one.get());
  EXPECT_EQ(two.get().error().code, Code::kIo);
  EXPECT_TRUE(three.get());
  notifier.stop();
  EXPECT_EQ(sent, (std::vector<NodeId>{1, 2, 3}));
}

TEST_F(NotifierTest, BeforeItStartsAndAfterItEndsNothingIsSent) {
  Notifier notifier(clock_, log_, [] {});
  EXPECT_EQ(drop(notifier, 1).get().error().code, Code::kCancelled);
  notifier.start([](NodeId) { return base::ok(); });
  notifier.stop();
  notifier.stop();
  EXPECT_EQ(drop(notifier, 1).get().error().code, Code::kCancelled);
}

TEST_F(NotifierTest, OneThatDoesNotReturnEndsTheConnection) {
  base::SystemClock fast(0.01);
  std::promise<void> aborted;
  auto freed = aborted.get_future().share();
  std::atomic<int> aborts{0};
  Notifier notifier(fast, log_, [&] {
    if (++aborts == 1) aborted.set_value();
  });
  notifier.start([freed](NodeId) -> base::Status {
    freed.wait();
    return base::make_error(Code::kIo, "ended");
  });
  auto hung = drop(notifier, 1);
  auto after = drop(notifier, 2);
  EXPECT_FALSE(hung.get());
  EXPECT_FALSE(after.get());
  notifier.stop();
  EXPECT_EQ(aborts, 1);
  EXPECT_NE(log_.text().find("ending the mount's connection"), std::string::npos);
}

TEST_F(NotifierTest, WhatIsQueuedAtTheEndIsAnswered) {
  std::promise<void> begun;
  std::promise<void> go;
  Notifier notifier(clock_, log_, [] {});
  notifier.start([&](NodeId id) {
    if (id == 1) {
      begun.set_value();
      go.get_future().wait();
    }
    return base::ok();
  });
  auto one = drop(notifier, 1);
  begun.get_future().wait();
  auto two = drop(notifier, 2);
  std::jthread stopper([&] { notifier.stop(); });
  go.set_value();
  EXPECT_TRUE(one.get());
  const base::Status last = two.get();
  EXPECT_TRUE(last || last.error().code == Code::kCancelled);
}

TEST(MayBeReadAhead, OnlyMoreThanAPageThroughThePageCache) {
  EXPECT_TRUE(may_be_read_ahead(131072, O_RDONLY));
  EXPECT_FALSE(may_be_read_ahead(4096, O_RDONLY)) << "what somebody waits for is asked by the page";
  EXPECT_FALSE(may_be_read_ahead(131072, O_RDONLY | O_DIRECT));
}

}  // namespace
}  // namespace castool::fusefs
