#include "pull/progress.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/thread.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr std::uint64_t kNothingTold = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void FileProgress::raise_to(std::uint64_t bytes) {
  const std::uint64_t wanted = std::min(bytes, total_);
  std::uint64_t now = completed_.load();
  while (now < wanted && !completed_.compare_exchange_weak(now, wanted)) {
  }
}

ProgressTicker::ProgressTicker(PullEvents& events, std::vector<std::shared_ptr<FileProgress>> files,
                               const base::Clock& clock)
    : events_(events), clock_(clock), files_(std::move(files)), told_(files_.size(), kNothingTold) {
  tell();  // every file once before it begins, so that the whole is known from the start
  // Without a thread only the beginning and the end are told.
  auto begun = base::begin_thread([this](const std::stop_token& stop) {
    while (wait_unless_stopped(clock_, kInterval, stop)) tell();
  });
  if (begun) thread_ = *std::move(begun);
}

ProgressTicker::~ProgressTicker() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  tell();
}

void ProgressTicker::tell() {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const FileProgress& file = *files_[i];
    const std::uint64_t completed = file.completed();
    if (completed == told_[i]) continue;
    told_[i] = completed;
    events_.on_progress(file.label(), file.digest(), file.total(), completed);
  }
}

}  // namespace castool::pull
