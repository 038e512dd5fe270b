// What /metrics tells, as Prometheus' text format 0.0.4 with its naming conventions.
//
// Thread rule: safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "pull/puller.h"

namespace castool::api {

// One number that somebody else counts, asked for each time.
struct Gauge {
  enum class Kind { kCounter, kGauge };
  Kind kind = Kind::kGauge;
  std::string name;    // with its unit; a counter's ends in _total
  std::string labels;  // `kind="x"` or empty
  std::string help;    // of the first of a name
  std::function<std::uint64_t()> value;
};

class Metrics {
 public:
  void pull_ended(const base::Result<pull::PullOutcome>& outcome) CASTOOL_EXCLUDES(mutex_);
  void request_answered(int status) CASTOOL_EXCLUDES(mutex_);
  // Before anybody asks.
  void add(Gauge gauge) { gauges_.push_back(std::move(gauge)); }

  [[nodiscard]] std::string text() const CASTOOL_EXCLUDES(mutex_);

 private:
  mutable base::Mutex mutex_;
  std::uint64_t fetched_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::uint64_t reused_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::uint64_t verified_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::uint64_t pulls_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::uint64_t> errors_ CASTOOL_GUARDED_BY(mutex_);  // by word
  std::map<int, std::uint64_t> answers_ CASTOOL_GUARDED_BY(mutex_);         // by status
  std::vector<Gauge> gauges_;
};

}  // namespace castool::api
