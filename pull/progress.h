// How far each file is, told to PullEvents at most every 100 ms.
//
// FileProgress is written by whoever moves bytes, without a lock; ProgressTicker reads it on a
// thread of its own, so that a slow listener never holds up a transfer. A value never goes back.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "pull/puller.h"

namespace castool::pull {

class FileProgress {
 public:
  FileProgress(std::string label, std::string digest, std::uint64_t total)
      : label_(std::move(label)), digest_(std::move(digest)), total_(total) {}

  // At least `bytes` of the file are there.
  void raise_to(std::uint64_t bytes);
  // One more byte run arrived for it from an origin, whether it counts in the end or not.
  void add_received(std::uint64_t bytes) { received_.fetch_add(bytes); }
  void finish() { raise_to(total_); }

  [[nodiscard]] const std::string& label() const { return label_; }
  [[nodiscard]] const std::string& digest() const { return digest_; }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint64_t completed() const { return completed_.load(); }
  [[nodiscard]] std::uint64_t received() const { return received_.load(); }

 private:
  const std::string label_;
  const std::string digest_;
  const std::uint64_t total_;
  std::atomic<std::uint64_t> completed_{0};
  std::atomic<std::uint64_t> received_{0};
};

class ProgressTicker {
 public:
  // Tells `events` about each of `files` now, about what changed until it is destroyed, and then
  // once more. Nobody else may call `events` in between.
  ProgressTicker(PullEvents& events, std::vector<std::shared_ptr<FileProgress>> files,
                 const base::Clock& clock);
  ~ProgressTicker();
  ProgressTicker(const ProgressTicker&) = delete;
  ProgressTicker& operator=(const ProgressTicker&) = delete;

 private:
  void tell();

  PullEvents& events_;
  const base::Clock& clock_;
  const std::vector<std::shared_ptr<FileProgress>> files_;
  std::vector<std::uint64_t> told_;  // of the thread; of the destructor after joining it
  std::jthread thread_;
};

}  // namespace castool::pull
