// One pull as everybody sees it who asked for that model.
//
// Events are kept as the state they lead to, a line for each status and the latest line of each
// layer, so that what is kept does not grow with time, and who comes later hears all of it. Each
// change has a number; who has heard of one asks for those behind it.
//
// Thread rule: safe from any thread. The pull tells; watchers ask.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "pull/puller.h"

namespace castool::api {

// A status when `digest` is empty and `total` zero.
struct PullEvent {
  std::string label;
  std::string digest;
  std::uint64_t total = 0;
  std::uint64_t completed = 0;
  friend bool operator==(const PullEvent&, const PullEvent&) = default;
};

class RunningPull final : public pull::PullEvents {
 public:
  // Ended: one of the two.
  struct End {
    std::optional<base::Error> error;
    std::optional<pull::PullOutcome> outcome;
  };
  struct News {
    std::vector<PullEvent> events;  // in order
    std::optional<End> end;         // then nothing comes any more
  };

  void on_status(const std::string& text) override CASTOOL_EXCLUDES(mutex_);
  void on_progress(const std::string& label, const std::string& digest, std::uint64_t total,
                   std::uint64_t completed) override CASTOOL_EXCLUDES(mutex_);
  void finish(End end) CASTOOL_EXCLUDES(mutex_);

  // Whether the manifest is known, which something beyond the first status says, or it ended; waits
  // for that until `deadline`.
  [[nodiscard]] bool wait_resolved(std::chrono::steady_clock::time_point deadline)
      CASTOOL_EXCLUDES(mutex_);
  [[nodiscard]] bool wait_ended(std::chrono::steady_clock::time_point deadline)
      CASTOOL_EXCLUDES(mutex_);
  // What changed behind `heard`, which moves on. Layers under way are told each time, also without
  // a change. Waits until `deadline` for a status or the end when nothing has changed.
  [[nodiscard]] News news(std::uint64_t& heard, std::chrono::steady_clock::time_point deadline)
      CASTOOL_EXCLUDES(mutex_);
  [[nodiscard]] std::optional<End> end() CASTOOL_EXCLUDES(mutex_);
  // Lines so far, each layer's counted once: one until the manifest is known.
  [[nodiscard]] std::size_t events() CASTOOL_EXCLUDES(mutex_);

  std::stop_source stop;

 private:
  [[nodiscard]] bool is_resolved() const CASTOOL_REQUIRES(mutex_) {
    return end_.has_value() || events_.size() > 1;
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::uint64_t last_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::uint64_t last_status_ CASTOOL_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, PullEvent> events_ CASTOOL_GUARDED_BY(mutex_);  // by change
  std::map<std::string, std::uint64_t> layers_ CASTOOL_GUARDED_BY(mutex_);
  std::set<std::uint64_t> active_ CASTOOL_GUARDED_BY(mutex_);  // changes of layers under way
  std::optional<End> end_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::api
