// What was said in the log, for tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"

namespace castool::fusefs::testing {

// A log that keeps its lines.
class RecordingLog final : public base::Log {
 public:
  void write(base::LogLevel, std::string_view message) override {
    const base::MutexLock lock(mutex_);
    lines_.emplace_back(message);
  }
  [[nodiscard]] bool enabled(base::LogLevel) const override { return true; }
  [[nodiscard]] std::string text() const {
    const base::MutexLock lock(mutex_);
    std::string all;
    for (const std::string& line : lines_) all += line + "\n";
    return all;
  }

 private:
  mutable base::Mutex mutex_;
  std::vector<std::string> lines_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs::testing
