// A ResponseListener that keeps everything it hears and waits with a deadline. Safe from any
// thread.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "base/mutex.h"
#include "fetch/http.h"

namespace castool::fetch {

class RecordingListener final : public ResponseListener {
 public:
  Flow on_head(const ResponseHead& head) noexcept override {
    const base::MutexLock lock(mutex_);
    head_ = head;
    ++heads_;
    return Flow::kContinue;
  }
  Flow on_body(std::span<const std::byte> bytes) noexcept override {
    const base::MutexLock lock(mutex_);
    changed_.notify_all();
    if (pause_first_) {
      pause_first_ = false;
      paused_ = true;
      return Flow::kPause;
    }
    body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Flow::kContinue;
  }
  void on_done(const TransferResult& result) noexcept override {
    const base::MutexLock lock(mutex_);
    ++dones_;
    result_ = result;
    changed_.notify_all();
  }
  TransferResult wait() {
    base::MutexLock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (dones_ == 0 && changed_.wait_until(mutex_, deadline)) {
    }
    EXPECT_EQ(dones_, 1);
    return result_;
  }
  void wait_for_body() {
    base::MutexLock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (body_.empty() && !paused_ && changed_.wait_until(mutex_, deadline)) {
    }
  }
  void pause_first() { pause_first_ = true; }
  [[nodiscard]] ResponseHead head() {
    const base::MutexLock lock(mutex_);
    return head_;
  }
  [[nodiscard]] int heads() {
    const base::MutexLock lock(mutex_);
    return heads_;
  }
  [[nodiscard]] std::string body() {
    const base::MutexLock lock(mutex_);
    return body_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  ResponseHead head_;
  std::string body_;
  TransferResult result_;
  int heads_ = 0;
  int dones_ = 0;
  bool pause_first_ = false;
  bool paused_ = false;
};

}  // namespace castool::fetch
