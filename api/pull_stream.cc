#include "api/pull_stream.h"

#include <chrono>
#include <utility>

#include "api/errors.h"
#include "api/json.h"

namespace castool::api {
namespace {

constexpr std::string_view kSuccess = "success";
// Below the 100 ms that are promised, with room for the thread to be late.
constexpr auto kTick = std::chrono::milliseconds(75);

class PullStream final : public BodyStream {
 public:
  PullStream(std::unique_ptr<PullWatcher> watcher, std::string store, Details details)
      : watcher_(std::move(watcher)), store_(std::move(store)), details_(details) {}

  std::optional<std::string> next() override {
    if (ended_) return std::nullopt;
    const auto news = watcher_->news(std::chrono::steady_clock::now() + kTick);
    std::string lines;
    const bool in_full = details_ == Details::kYes && news.end && news.end->outcome;
    for (const PullEvent& event : news.events) {
      if (in_full && event.label == kSuccess) continue;
      const bool is_status = event.digest.empty() && event.total == 0;
      lines += is_status ? status_event(event.label)
                         : progress_event(event.label, event.digest, event.total, event.completed);
      lines += '\n';
    }
    if (news.end) {
      ended_ = true;
      if (in_full) lines += success_event(*news.end->outcome) + '\n';
      if (news.end->error) lines += error_line(*news.end->error) + '\n';
    }
    return lines;
  }

 private:
  std::string error_line(const base::Error& error) const {
    const std::string text = pull_error_text(error, Stage::kLayers, store_);
    return details_ == Details::kYes ? error_body(text, error.code) : error_body(text);
  }

  const std::unique_ptr<PullWatcher> watcher_;
  const std::string store_;
  const Details details_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<BodyStream> make_pull_stream(std::unique_ptr<PullWatcher> watcher,
                                             std::string store, Details details) {
  return std::make_unique<PullStream>(std::move(watcher), std::move(store), details);
}

}  // namespace castool::api
