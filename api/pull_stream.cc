#include "api/pull_stream.h"

#include <chrono>
#include <utility>

#include "api/errors.h"
#include "api/json.h"

namespace castool::api {
namespace {

// Below the 100 ms that are promised, with room for the thread to be late.
constexpr auto kTick = std::chrono::milliseconds(75);

class PullStream final : public BodyStream {
 public:
  PullStream(std::unique_ptr<PullWatcher> watcher, std::string store)
      : watcher_(std::move(watcher)), store_(std::move(store)) {}

  std::optional<std::string> next() override {
    if (ended_) return std::nullopt;
    const auto news = watcher_->news(std::chrono::steady_clock::now() + kTick);
    std::string lines;
    for (const PullEvent& event : news.events) {
      lines += progress_event(event.label, event.digest, event.total, event.completed) + '\n';
    }
    if (news.end) {
      ended_ = true;
      if (news.end->error) {
        lines += error_body(pull_error_text(*news.end->error, Stage::kLayers, store_)) + '\n';
      }
    }
    return lines;
  }

 private:
  const std::unique_ptr<PullWatcher> watcher_;
  const std::string store_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<BodyStream> make_pull_stream(std::unique_ptr<PullWatcher> watcher,
                                             std::string store) {
  return std::make_unique<PullStream>(std::move(watcher), std::move(store));
}

}  // namespace castool::api
